using System.Buffers.Binary;
using Affect.Audio;
using Affect.Emotions;
using Affect.Testing;
using Affect.Training.Data;

namespace Affect.UnitTests.Training;

public sealed class CorporaTests : IDisposable
{
    private const string Account = "429239236492b55fa30380aabac2331c1bf3a478e3e6aa32b8c2e217";
    private readonly string _data = Directory.CreateTempSubdirectory("affect-corpora-").FullName;

    public void Dispose() => Directory.Delete(_data, recursive: true);

    [Fact]
    public void SpeechCorporaFind_PublishedNames_ReturnsIdsAndEmotions()
    {
        Touch("ravdess/Actor_12/03-01-06-01-02-01-12.wav", "ravdess/Actor_12/03-01-02-01-02-01-12.wav",
            "savee/DC_sa03.wav", "savee/AudioData/JK/su15.wav", "savee/KL_n30.wav",
            "tess/OAF_back_ps.wav", "tess/TESS/YAF_angry/YAF_dog_angry.wav", "tess/OA_bite_neutral.wav",
            "cremad/AudioWAV/1001_DFA_ANG_XX.wav", "cremad/1040_ITH_SAD_X.wav", "cremad/AudioWAV/1091_IEO_HAP_LO.WAV",
            "casia/ZhaoZuoxiang/surprise/250.wav", "casia/CASIA/wangzhe/fear/201.wav", "emovo/EMOVO/f1/gio-f1-b1.wav",
            "emovo/m3/sor-m3-n5.wav", "ased/04Sad/S4-04-02-01-29.wav", "ased/05Angry/a5-07-02-01-05.wav",
            "turev/Sound Source/Calm/1358_sk_beste.wav", "turev/7895_hl_vurgu.wav",
            $"indian/help-safe-fearful-1563215747896-{Account}.wav", $"indian/unknown-scream-calm-1563215747897-{Account}.wav");

        var files = SpeechCorpora.Find(_data, new CorpusReport());

        Assert.Equal(
        [
            ("ased/05/a5-07-02-01-05", Emotion.Angry), ("ased/29/s4-04-02-01-29", Emotion.Sad),
            ("casia/ZhaoZuoxiang/surprise_250", Emotion.Surprise), ("casia/wangzhe/fear_201", Emotion.Fear),
            ("cremad/1001/1001_DFA_ANG_XX", Emotion.Angry), ("cremad/1040/1040_ITH_SAD_XX", Emotion.Sad),
            ("cremad/1091/1091_IEO_HAP_LO", Emotion.Happy),
            ("emovo/f1/gio-f1-b1", Emotion.Happy), ("emovo/m3/sor-m3-n5", Emotion.Surprise),
            ($"indian/{Account}/help-safe-fearful-1563215747896", Emotion.Fear),
            ($"indian/{Account}/unknown-scream-calm-1563215747897", Emotion.Neutral),
            ("ravdess/12/03-01-02-01-02-01-12", Emotion.Neutral), ("ravdess/12/03-01-06-01-02-01-12", Emotion.Fear),
            ("savee/DC/sa03", Emotion.Sad), ("savee/JK/su15", Emotion.Surprise), ("savee/KL/n30", Emotion.Neutral),
            ("tess/OAF/back_ps", Emotion.Surprise), ("tess/OAF/bite_neutral", Emotion.Neutral), ("tess/YAF/dog_angry", Emotion.Angry),
            ("turev/1358/1358_sk_beste", Emotion.Neutral), ("turev/7895/7895_hl_vurgu", Emotion.Sad),
        ], files.Select(file => (file.Id, file.Emotion)));
    }

    [Theory]
    [InlineData("ravdess/12/03-01-01-01-02-01-12", 0)]
    [InlineData("ravdess/12/03-01-06-02-02-01-12", 11)]
    [InlineData("ravdess/12/03-01-08-02-02-01-12", SpeechCorpora.AuxiliaryClasses - 1)]
    [InlineData("savee/DC/a01", null)]
    [InlineData("tess/OAF/back_angry", null)]
    public void SpeechCorporaAuxiliaryLabel_Id_IsEmotionAndIntensityOfRavdess(string id, int? detail) =>
        Assert.Equal(detail, SpeechCorpora.AuxiliaryLabel(id));

    [Fact]
    public void SpeechCorporaFind_UnmatchedNames_AreSkippedAndReported()
    {
        Touch("ravdess/Actor_12/03-02-06-01-02-01-12.wav", "ravdess/Actor_12/notes.wav", "savee/XX_a01.wav", "savee/DC_q01.wav",
            "tess/OAF_back_bored.wav",
            "cremad/1092_DFA_ANG_XX.wav", "cremad/1001_ABC_ANG_XX.wav", "cremad/1001_DFA_SUR_XX.wav", "cremad/1001_DFA_ANG_ZZ.wav",
            "casia/unknown/fear/201.wav", "casia/wangzhe/bored/201.wav", "emovo/f4/gio-f4-b1.wav", "emovo/f1/gio-f1.wav",
            "ased/a5-07-02-01-66.wav", "ased/a6-07-02-01-05.wav", "turev/1111_kz_acik.wav", "turev/1157_xx_acik.wav",
            "indian/help-safe-angry-1563215747896-42.wav", $"indian/help-safe-sad-1563215747896-{Account}.wav");
        var report = new CorpusReport();

        Assert.Empty(SpeechCorpora.Find(_data, report));
        Assert.StartsWith("skipped, name does not match the corpus: 19", Assert.Single(report.Lines), StringComparison.Ordinal);
    }

    [Fact]
    public void SpeechCorporaFind_MissingCorpora_AreListedWithSource()
    {
        Directory.CreateDirectory(Path.Combine(_data, "ravdess"));

        var message = Assert.Throws<DirectoryNotFoundException>(() => SpeechCorpora.Find(_data, new CorpusReport())).Message;

        Assert.Contains($"{Path.Combine(_data, "savee")} (SAVEE: http", message, StringComparison.Ordinal);
        Assert.Contains($"{Path.Combine(_data, "tess")} (TESS: http", message, StringComparison.Ordinal);
        Assert.DoesNotContain("cremad", message, StringComparison.Ordinal);
    }

    [Fact]
    public void SpeechCorporaFind_RequiredCorporaOnly_ReportsMissingOptionalCorpora()
    {
        Touch("tess/OAF_back_ps.wav");
        var report = new CorpusReport();

        Assert.Single(SpeechCorpora.Find(_data, report));
        Assert.Equal("optional corpus not found: 6 (ASED, CASIA, CREMA-D, …)", Assert.Single(report.Lines));
    }

    // Clips and speakers as published. Of RAVDESS's and SAVEE's clips one each is a duplicate or damaged.
    [Theory]
    [InlineData("ravdess", 1440, 24, 7)]
    [InlineData("savee", 480, 4, 7)]
    [InlineData("tess", 2800, 2, 7)]
    [InlineData("casia", 1200, 4, 6)]
    [InlineData("emovo", 588, 6, 7)]
    [InlineData("ased", 2474, 65, 5)]
    [InlineData("turev", 1735, 6, 4)]
    [InlineData("indian", 1589, 94, 4)]
    public void SpeechCorporaFind_Corpus_HasPublishedClipsSpeakersAndEmotions(string folder, int clips, int speakers, int emotions)
    {
        var data = Environment.GetEnvironmentVariable("AFFECT_DATA");
        Assert.SkipUnless(data is { Length: > 0 } && Directory.Exists(Path.Combine(data, folder)), $"AFFECT_DATA has no {folder}");

        var corpus = SpeechCorpora.All.Single(corpus => corpus.Folder == folder);
        var files = SpeechCorpora.Files(data!, corpus).Select(corpus.Read).ToList();

        Assert.DoesNotContain(null, files);
        Assert.Equal(clips, files.Select(file => file!.Id).Distinct().Count());
        Assert.Equal(speakers, files.Select(file => file!.Id.Split('/')[1]).Distinct().Count());
        Assert.Equal(emotions, files.Select(file => file!.Emotion).Distinct().Count());
    }

    [Fact]
    public void SpeechCorporaLabels_Mapping_EqualsReadme()
    {
        var rows = File.ReadLines(Path.Combine(AppContext.BaseDirectory, "training-readme.md"))
            .SkipWhile(line => !line.StartsWith("| | neutral | happy |", StringComparison.Ordinal))
            .TakeWhile(line => line.StartsWith('|')).ToList();
        var columns = Cells(rows[0])
            .Select(name => EmotionLabels.TryParse(name, out var emotion) ? emotion : throw new InvalidDataException(name)).ToList();
        var shown = rows.Skip(2).ToDictionary(row => row.Split('|')[1].Split('(')[0].Trim(), row => Cells(row)
            .SelectMany((cell, column) => cell.Split(',').Select(label => (Label: label.Trim().Split(' ')[0], Emotion: columns[column])))
            .Where(pair => pair.Label != "–").OrderBy(pair => pair.Label, StringComparer.Ordinal).ToList());

        foreach (var corpus in SpeechCorpora.All)
            Assert.Equal(corpus.Labels.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => (pair.Key, pair.Value)),
                shown[corpus.Name]);
        Assert.Equal(Fer2013.Labels.Select((emotion, number) => ($"{number}", emotion)), shown["FER2013"]);
        Assert.Equal(SpeechCorpora.All.Count + 1, shown.Count);

        static IEnumerable<string> Cells(string row) => row.Split('|')[2..^1].Select(cell => cell.Trim());
    }

    public static TheoryData<string, string?> AudioFormats => new()
    {
        { "mono 16 bit", null },
        { "stereo", "2 channels, averaged" },
        { "96 kHz", "96000 Hz" },
        { "8 bit", null },
        { "24 bit", null },
        { "float", null },
        { "µ-law 8 kHz", "8000 Hz" },
        { "AIFF", "not WAV, decoded by ffmpeg" },
        { "written to a pipe", null },
    };

    [Theory]
    [MemberData(nameof(AudioFormats))]
    public async Task SpeechCachePrepare_AudioFormats_DecodeToSameSamples(string format, string? line)
    {
        Assert.SkipWhen(format == "AIFF" && !HasFfmpeg, "ffmpeg is not installed");
        Write("tess/OAF_back_sad.wav", format switch
        {
            "stereo" => new WavFile { Samples = [.. Tone(22_050).SelectMany(sample => new[] { sample, sample })], Channels = 2 }.ToBytes(),
            "96 kHz" => WavFile.Mono(Tone(96_000), 96_000),
            "8 bit" => WavFile.Mono(Tone(22_050), encoding: WavEncoding.Pcm8),
            "24 bit" => WavFile.Mono(Tone(22_050), encoding: WavEncoding.Pcm24),
            "float" => WavFile.Mono(Tone(22_050), encoding: WavEncoding.Ieee32),
            "µ-law 8 kHz" => WavFile.Mono(Tone(8000), 8000, WavEncoding.MuLaw),
            "AIFF" => Aiff(Tone(44_100)),
            "written to a pipe" => WavFile.Streamed(Tone(22_050)),
            _ => WavFile.Mono(Tone(22_050)),
        });

        var (clips, report) = await PrepareAsync();

        var audio = Assert.Single(clips).Samples.ToArray();
        Assert.InRange(audio.Length, 11_024, 11_026);
        // The resampler is inaccurate at the edges.
        Assert.All(Enumerable.Range(100, 10_800),
            i => Assert.Equal(0.5 * Math.Sin(2 * Math.PI * 220 * i / 22_050), audio[i] / 32768.0, 0.03));
        if (line is not null)
            Assert.Contains(report.Lines, said => said.StartsWith($"{line}: 1 (OAF_back_sad.wav)", StringComparison.Ordinal));
        Assert.DoesNotContain(
            report.Lines, said => said.StartsWith("skipped", StringComparison.Ordinal)
                || said.StartsWith("truncated", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("empty", "empty file")]
    [InlineData("truncated header", "cannot be decoded")]
    [InlineData("no samples", "cannot be decoded")]
    [InlineData("text", "cannot be decoded")]
    [InlineData("LFS pointer", "Git LFS pointer: run git lfs pull")]
    [InlineData("silence", "silent")]
    [InlineData("converter noise", "silent")]
    [InlineData("click", "shorter than 0.1 s")]
    public async Task SpeechCachePrepare_UnusableFile_IsSkippedAndReported(string content, string reason)
    {
        Assert.SkipWhen(content == "text" && !HasFfmpeg, "ffmpeg is not installed");
        Write("tess/OAF_back_sad.wav", content switch
        {
            "empty" => [],
            "truncated header" => WavFile.Mono(Tone(22_050))[..30],
            "no samples" => WavFile.Mono(Tone(22_050))[..44],
            "text" => "This is text, whatever its name says."u8.ToArray(),
            "LFS pointer" => "version https://git-lfs.github.com/spec/v1\noid sha256:c6f94b\nsize 72862\n"u8.ToArray(),
            "silence" => WavFile.Mono(new float[22_050], encoding: WavEncoding.Pcm8),
            "converter noise" => WavFile.Mono(TestMedia.Noise(1, amplitude: 0.0001)),
            _ => WavFile.Mono(Tone(22_050)[..1000]),
        });

        var (clips, report) = await PrepareAsync();

        Assert.Empty(clips);
        Assert.Contains($"skipped, {reason}: 1 (OAF_back_sad.wav)", report.Lines);
    }

    [Theory]
    [InlineData("WAV")]
    [InlineData("AIFF")]
    public async Task SpeechCachePrepare_TruncatedFile_IsDecodedPartially(string format)
    {
        Assert.SkipWhen(format == "AIFF" && !HasFfmpeg, "ffmpeg is not installed");
        var whole = format == "WAV" ? WavFile.Mono(Tone(22_050)) : Aiff(Tone(44_100));
        Write("tess/OAF_back_sad.wav", whole[..(whole.Length / 2)]);

        var (clips, report) = await PrepareAsync();

        Assert.InRange(Assert.Single(clips).Samples.Length, 5000, 5520);
        Assert.Contains("truncated, decoded partially: 1 (OAF_back_sad.wav)", report.Lines);
    }

    [Fact]
    public async Task SpeechCachePrepare_DuplicateClip_IsSkipped()
    {
        var tone = Tone(22_050);
        Write("tess/OAF_back_sad.wav", WavFile.Mono(tone));
        Write("tess/copy/OAF_back_sad.wav", WavFile.Mono(tone));
        Write("tess/OAF_bite_sad.wav", new WavFile { Samples = tone, ExtraChunk = "INFO"u8.ToArray() }.ToBytes());
        Write("tess/mended/OAF_back_sad.wav", WavFile.Mono([.. tone.Select(sample => sample / 2)]));

        var (clips, report) = await PrepareAsync();

        Assert.Equal("tess/OAF/back_sad", Assert.Single(clips).Id);
        Assert.Contains("skipped, duplicate audio: 2 (OAF_bite_sad.wav, OAF_back_sad.wav)", report.Lines);
        Assert.Contains("skipped, duplicate name with different audio: 1 (OAF_back_sad.wav)", report.Lines);
    }

    [Fact]
    public async Task SpeechCachePrepare_CompleteCache_RepeatsReportWithoutDecoding()
    {
        Write("tess/OAF_back_sad.wav", WavFile.Mono(Tone(22_050)));
        Write("tess/OAF_back_ps.wav", []);
        var (_, first) = await PrepareAsync();
        File.Delete(Path.Combine(_data, "tess", "OAF_back_sad.wav"));

        var (clips, again) = await PrepareAsync();

        Assert.Single(clips);
        Assert.Equal(first.Lines, again.Lines);
        Assert.Contains("read, TESS: 1 (OAF_back_sad.wav)", again.Lines);
    }

    [Fact]
    public async Task PrepareSpeech_AddedCremaD_KeepsPartsOfOtherCorpora()
    {
        Write("tess/OAF_back_sad.wav", WavFile.Mono(Tone(22_050)));
        await PrepareAsync();
        for (var i = 0; i < 60; i++)
            Write($"cremad/AudioWAV/10{i + 10}_IEO_{"ANG DIS FEA HAP NEU SAD".Split(' ')[i % 6]}_HI.wav",
                WavFile.Mono(Tone(22_050, 300 + 10 * i)));
        var workspace = new Workspace(_data, Path.Combine(_data, "run"), Path.Combine(AppContext.BaseDirectory, "splits"));

        var clips = await workspace.PrepareSpeechAsync(new CorpusReport(), (_, _) => { }, TestContext.Current.CancellationToken);

        Assert.Equal(61, clips.Count);
        var committed = Split.Read(Path.Combine(workspace.Splits, "speech-random.tsv"));
        var drawn = Split.Read(Path.Combine(workspace.Run, "splits", "speech-random-cremad.tsv"));
        Assert.All(committed.Ids, id => Assert.Equal(committed.PartOf(id), drawn.PartOf(id)));
        var parts = clips.Where(clip => clip.Id.StartsWith("cremad", StringComparison.Ordinal)).ToLookup(
            clip => (clip.Emotion, drawn.PartOf(clip.Id)));
        foreach (var emotion in Enum.GetValues<Emotion>().Except([Emotion.Surprise]))
            Assert.Equal((2, 1, 7),
                (parts[(emotion, Part.Test)].Count(), parts[(emotion, Part.Validation)].Count(), parts[(emotion, Part.Train)].Count()));
    }

    [Fact]
    public void Fer2013Read_Rows_AreSplitIntoOfficialParts()
    {
        var pixels = string.Join(' ', Enumerable.Range(0, 48 * 48).Select(i => i % 256));
        File.WriteAllLines(Path.Combine(_data, "fer2013.csv"),
        [
            "emotion,pixels,Usage", $"3,{pixels},Training", $"6,{pixels},Training", $"0,{pixels},PublicTest", $"1,{pixels},PrivateTest",
            $"9,{pixels},Training", "2,1 2 3,Training",
        ]);
        var report = new CorpusReport();

        var split = Split.Read(Path.Combine(AppContext.BaseDirectory, "splits", "fer2013-official.tsv"));

        var data = Fer2013.Read(_data, split, channels: 1, voteWeight: 0, report);

        Assert.Equal([Emotion.Happy, Emotion.Neutral], [data.Train.Label(0), data.Train.Label(1)]);
        Assert.Equal((2, 1, 1), (data.Train.Count, data.Validation.Count, data.Test.Count));
        Assert.Equal((Emotion.Angry, Emotion.Disgust), (data.Validation.Label(0), data.Test.Label(0)));
        Assert.Equal(255f, data.Test.Windows(0).Single()[255]);
        Assert.Contains(report.Lines, line => line.StartsWith("skipped, unreadable: 2", StringComparison.Ordinal));
    }

    [Fact]
    public void DuplicateTestIndices_ImagesInBothParts_AreReturned()
    {
        string Row(int label, int shade, string usage) => $"{label},{string.Join(' ', Enumerable.Repeat(shade, 48 * 48))},{usage}";
        File.WriteAllLines(Path.Combine(_data, "fer2013.csv"),
        [
            "emotion,pixels,Usage", Row(3, 1, "Training"), Row(3, 2, "Training"), Row(3, 3, "PublicTest"),
            Row(3, 3, "PrivateTest"), Row(6, 2, "PrivateTest"), Row(3, 4, "PrivateTest"), Row(3, 1, "PrivateTest"),
        ]);

        var data = Fer2013.Read(
            _data, Split.Read(Path.Combine(AppContext.BaseDirectory, "splits", "fer2013-official.tsv")), channels: 1, voteWeight: 0,
            new CorpusReport());

        Assert.Equal([1, 3], data.DuplicateTestIndices().Order());
    }

    [Fact]
    public void DuplicateTestIndices_Fer2013_Finds285Images()
    {
        var folder = Environment.GetEnvironmentVariable("AFFECT_DATA") is { Length: > 0 } data ? Path.Combine(data, "fer2013") : "";
        Assert.SkipUnless(File.Exists(Path.Combine(folder, "fer2013.csv")), "AFFECT_DATA has no fer2013/fer2013.csv");

        var faces = Fer2013.Read(
            folder, Split.Read(Path.Combine(AppContext.BaseDirectory, "splits", "fer2013-official.tsv")), channels: 1, voteWeight: 0,
            new CorpusReport());

        Assert.Equal((28_709, 3589, 3589), (faces.Train.Count, faces.Validation.Count, faces.Test.Count));
        Assert.Equal(285, faces.DuplicateTestIndices().Count);
    }

    [Fact]
    public void FacesFill_Augmentation_IsDeterministicAndInRange()
    {
        var faces = new Faces([[.. Enumerable.Range(0, 48 * 48).Select(i => (byte)(i * 7))]], [Emotion.Happy], channels: 1);
        var (first, again, other) = (new float[48 * 48], new float[48 * 48], new float[48 * 48]);

        faces.Fill(0, new Augmentation(new(1)), first);
        faces.Fill(0, new Augmentation(new(1)), again);
        faces.Fill(0, new Augmentation(new(2)), other);

        Assert.Equal(first, again);
        Assert.NotEqual(first, other);
        Assert.All(first.Concat(other), value => Assert.InRange(value, 0, 255));
    }

    [Fact]
    public void SpeechWindows_ShortAndLongClips_ArePaddedOrScoredEverySecond()
    {
        const int Rate = 22_050;
        var random = new Random(1);
        var audio = Enumerable.Range(0, 5 * Rate + 100).Select(_ => (short)random.Next(-9000, 9000)).ToArray();
        var windows = new SpeechWindows(
            [new("savee/DC/a01", Emotion.Happy, audio.AsMemory(0, Rate)), new("savee/DC/a02", Emotion.Sad, audio)], 3 * Rate,
            FeatureSet.MfccZcrRms);

        var shorter = Assert.Single(windows.Windows(0));

        Assert.Equal(130 * 42, shorter.Length);
        Assert.Equal(0, shorter[^1]); // no energy in the last frame
        Assert.True(shorter[41] > 0);
        Assert.Equal(4, windows.Windows(1).Count()); // starts at 0, 1 and 2 s, and the last 3 s
        var augmented = new float[130 * 42];
        windows.Fill(1, new Augmentation(new(1)), augmented);
        Assert.All(augmented, value => Assert.True(float.IsFinite(value)));
    }

    [Fact]
    public void SpeechWindows_Cache_ReturnsComputedFeatures()
    {
        const int Length = 22_050;
        var random = new Random(1);
        var clip = new SpeechClip(
            "savee/DC/a01", Emotion.Happy, Enumerable.Range(0, 2 * Length).Select(_ => (short)random.Next(-9000, 9000)).ToArray());
        var (cached, plain) = (
            new SpeechWindows([clip], Length, FeatureSet.MfccZcrRms, cache: true),
            new SpeechWindows([clip], Length, FeatureSet.MfccZcrRms));
        var (first, again, augmented, expected) = (Values(), Values(), Values(), Values());

        cached.Fill(0, null, first);
        Array.Copy(first, expected, first.Length);
        Array.Clear(first); // batches are normalized in place
        cached.Fill(0, new Augmentation(new(1)), augmented);
        cached.Fill(0, null, again);
        plain.Fill(0, null, first);

        Assert.Equal(first, again);
        Assert.Equal(expected, again);
        Assert.NotEqual(again, augmented);

        static float[] Values() => new float[FeatureExtractor.FrameCount(Length) * FeatureExtractor.FeatureCount(FeatureSet.MfccZcrRms)];
    }

    private static bool HasFfmpeg { get; } =
        Environment.GetEnvironmentVariable("PATH")!.Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, "ffmpeg")));

    // Half a second.
    private static float[] Tone(int rate, double hertz = 220) => TestMedia.Sine(hertz, 0.5, rate);

    // AIFF 1.3 (Apple 1989): big-endian, the rate as an 80-bit float; 16 bit mono at 44,100 Hz.
    private static byte[] Aiff(float[] samples)
    {
        var data = new byte[samples.Length * 2];
        for (var i = 0; i < samples.Length; i++)
            BinaryPrimitives.WriteInt16BigEndian(data.AsSpan(i * 2), (short)(samples[i] * 32767));
        byte[] common = [0, 1, .. Long(samples.Length), 0, 16, 0x40, 0x0E, 0xAC, 0x44, 0, 0, 0, 0, 0, 0];
        byte[] body = [.. "AIFFCOMM"u8, .. Long(common.Length), .. common, .. "SSND"u8, .. Long(data.Length + 8), .. new byte[8], .. data];
        return [.. "FORM"u8, .. Long(body.Length), .. body];

        static byte[] Long(int value) => [(byte)(value >> 24), (byte)(value >> 16), (byte)(value >> 8), (byte)value];
    }

    private async Task<(List<SpeechClip> Clips, CorpusReport Report)> PrepareAsync()
    {
        Touch();
        var report = new CorpusReport();
        var cache = Path.Combine(_data, "run", "cache");
        await SpeechCache.PrepareAsync(_data, cache, report, (_, _) => { }, TestContext.Current.CancellationToken);
        return (SpeechCache.Read(cache), report);
    }

    private void Touch(params string[] names)
    {
        foreach (var folder in new[] { "ravdess", "savee", "tess" })
            Directory.CreateDirectory(Path.Combine(_data, folder));
        foreach (var name in names)
            Write(name, []);
    }

    private void Write(string name, byte[] bytes)
    {
        var path = Path.Combine(_data, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, bytes);
    }
}
