using Affect.Audio;
using Affect.Emotions;
using Affect.Testing;
using Affect.Training.Data;

namespace Affect.UnitTests.Training;

public sealed class CorporaTests : IDisposable
{
    private readonly string _data = Directory.CreateTempSubdirectory("affect-corpora-").FullName;

    public void Dispose() => Directory.Delete(_data, recursive: true);

    [Fact]
    public void Names_of_all_corpora_become_ids_and_emotions()
    {
        Touch("ravdess/Actor_12/03-01-06-01-02-01-12.wav", "ravdess/Actor_12/03-01-02-01-02-01-12.wav",
            "savee/DC_sa03.wav", "savee/AudioData/JK/su15.wav", "savee/KL_n30.wav",
            "tess/OAF_back_ps.wav", "tess/TESS/YAF_angry/YAF_dog_angry.wav", "tess/OA_bite_neutral.wav");

        var files = SpeechCorpora.Find(_data, new Report());

        Assert.Equal(
        [
            ("ravdess/12/03-01-02-01-02-01-12", Emotion.Neutral), ("ravdess/12/03-01-06-01-02-01-12", Emotion.Fear),
            ("savee/DC/sa03", Emotion.Sad), ("savee/JK/su15", Emotion.Surprise), ("savee/KL/n30", Emotion.Neutral),
            ("tess/OAF/back_ps", Emotion.Surprise), ("tess/OAF/bite_neutral", Emotion.Neutral), ("tess/YAF/dog_angry", Emotion.Angry),
        ], files.Select(file => (file.Id, file.Emotion)));
    }

    [Fact]
    public void Songs_and_strange_names_are_left_out_and_reported()
    {
        Touch("ravdess/Actor_12/03-02-06-01-02-01-12.wav", "ravdess/Actor_12/notes.wav", "savee/XX_a01.wav", "savee/DC_q01.wav", "tess/OAF_back_bored.wav");
        var report = new Report();

        Assert.Empty(SpeechCorpora.Find(_data, report));
        Assert.StartsWith("skipped, name is not one of the corpus: 5", Assert.Single(report.Lines), StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_corpus_is_named()
    {
        Directory.CreateDirectory(Path.Combine(_data, "ravdess"));

        Assert.Contains("savee", Assert.Throws<DirectoryNotFoundException>(() => SpeechCorpora.Find(_data, new Report())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Broken_repeated_silent_and_stereo_files_are_each_told_apart()
    {
        Touch("savee/DC_a01.wav", "tess/OAF_back_sad.wav");
        var tone = Enumerable.Range(0, 24_000).Select(i => MathF.Sin(i * 0.1f) / 2).ToArray();
        Write("ravdess/03-01-03-01-01-01-01.wav", WavFile.Mono(tone, 48_000));
        Write("ravdess/03-01-03-01-01-02-01.wav", WavFile.Mono(tone, 48_000));
        Write("ravdess/03-01-04-01-01-01-01.wav", new WavFile { Samples = [.. tone.SelectMany(sample => new[] { sample, sample })], SampleRate = 48_000, Channels = 2 }.ToBytes());
        Write("ravdess/03-01-05-01-01-01-01.wav", WavFile.Mono(new float[24_000], 48_000));
        Write("savee/DC_a01.wav", "RIFF and then nothing"u8.ToArray());
        var report = new Report();
        var cache = Path.Combine(_data, "cache");

        await SpeechCache.PrepareAsync(_data, cache, report, (_, _) => { }, TestContext.Current.CancellationToken);

        var clips = SpeechCache.Read(cache);
        Assert.Equal(["ravdess/01/03-01-03-01-01-01-01", "ravdess/01/03-01-04-01-01-01-01"], clips.Select(clip => clip.Id));
        Assert.Equal([Emotion.Happy, Emotion.Sad], clips.Select(clip => clip.Emotion));
        // Half a second, whatever the rate was, and its loudness is kept.
        Assert.All(clips, clip => Assert.InRange(clip.Samples.Length, 11_020, 11_030));
        Assert.All(clips, clip => Assert.InRange(clip.Samples.ToArray().Max(), 16_000, 16_800));
        var lines = string.Join('\n', report.Lines);
        Assert.Contains("same bytes as a clip before: 1", lines, StringComparison.Ordinal);
        Assert.Contains("empty or silent: 1", lines, StringComparison.Ordinal);
        Assert.Contains("2 channels, averaged: 1", lines, StringComparison.Ordinal);
        Assert.Contains("48000 Hz: 3", lines, StringComparison.Ordinal);
    }

    [Fact]
    public void Fer2013_rows_become_faces_of_the_official_parts()
    {
        var pixels = string.Join(' ', Enumerable.Range(0, 48 * 48).Select(i => i % 256));
        var path = Path.Combine(_data, "fer2013.csv");
        File.WriteAllText(path, $"emotion,pixels,Usage\n3,{pixels},Training\n6,{pixels},Training\n0,{pixels},PublicTest\n1,{pixels},PrivateTest\n9,{pixels},Training\n2,1 2 3,Training\n");
        var report = new Report();

        var data = Fer2013.Read(path, Split.Read(Path.Combine(AppContext.BaseDirectory, "splits", "fer2013-official.tsv")), report);

        Assert.Equal([Emotion.Happy, Emotion.Neutral], [data.Train.Label(0), data.Train.Label(1)]);
        Assert.Equal((2, 1, 1), (data.Train.Count, data.Validation.Count, data.Test.Count));
        Assert.Equal((Emotion.Angry, Emotion.Disgust), (data.Validation.Label(0), data.Test.Label(0)));
        Assert.Equal(255f, data.Test.Windows(0).Single()[255]);
        Assert.Contains(report.Lines, line => line.StartsWith("skipped, unreadable: 2", StringComparison.Ordinal));
    }

    [Fact]
    public void Augmented_faces_differ_by_seed_and_stay_within_range()
    {
        var faces = new Faces([[.. Enumerable.Range(0, 48 * 48).Select(i => (byte)(i * 7))]], [Emotion.Happy]);
        var (first, again, other) = (new float[48 * 48], new float[48 * 48], new float[48 * 48]);

        faces.Fill(0, new Augmentation(new(1)), first);
        faces.Fill(0, new Augmentation(new(1)), again);
        faces.Fill(0, new Augmentation(new(2)), other);

        Assert.Equal(first, again);
        Assert.NotEqual(first, other);
        Assert.All(first.Concat(other), value => Assert.InRange(value, 0, 255));
    }

    [Fact]
    public void Short_clips_are_padded_and_long_ones_seen_in_every_second()
    {
        const int Rate = 22_050;
        var random = new Random(1);
        var sound = Enumerable.Range(0, 5 * Rate + 100).Select(_ => (short)random.Next(-9000, 9000)).ToArray();
        var windows = new SpeechWindows([new("a", Emotion.Happy, sound.AsMemory(0, Rate)), new("b", Emotion.Sad, sound)], 3 * Rate, FeatureSet.MfccZcrRms);

        var shorter = Assert.Single(windows.Windows(0));

        Assert.Equal(130 * 42, shorter.Length);
        Assert.Equal(0, shorter[^1]); // no energy in the last frame
        Assert.True(shorter[41] > 0);
        Assert.Equal(4, windows.Windows(1).Count()); // from 0, 1 and 2 s on, and the last 3 s
        var augmented = new float[130 * 42];
        windows.Fill(1, new Augmentation(new(1)), augmented);
        Assert.All(augmented, value => Assert.True(float.IsFinite(value)));
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
