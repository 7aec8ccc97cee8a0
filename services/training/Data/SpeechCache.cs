using System.Buffers.Binary;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Affect.Audio;
using Affect.Emotions;

namespace Affect.Training.Data;

/// <summary>A clip: its id, its label, and its sound, mono at 22,050 Hz, 16 bit.</summary>
internal sealed record SpeechClip(string Id, Emotion Emotion, ReadOnlyMemory<short> Samples)
{
    /// <summary>Corpus and speaker: the id up to the clip's own name.</summary>
    public string Speaker { get; } = Id[..Id.LastIndexOf('/')];
}

/// <summary>
/// All clips decoded once: <c>speech.tsv</c> (id, emotion, number of samples), <c>speech.pcm</c> (the
/// samples one clip after another) and <c>speech.report.tsv</c> (what was found of each file).
/// </summary>
internal static class SpeechCache
{
    /// <summary>Peaks below this (-72 dB of full scale) are the noise of a converter.</summary>
    private const float Silence = 1f / 4096;

    /// <summary>Decodes all clips into a folder, unless that was done; a corpus that has come since is reason to do it again.</summary>
    public static async Task PrepareAsync(string data, string folder, Report report, Action<int, int> progress, CancellationToken cancellation)
    {
        if (IsPrepared(data, folder, report))
            return;
        Directory.CreateDirectory(folder);
        var found = new Report();
        var files = SpeechCorpora.Find(data, found);
        var (sounds, ids) = (new HashSet<string>(), new HashSet<string>());
        var lines = new List<string>();
        await using (var sound = File.Create(Sound(folder) + New))
            for (var i = 0; i < files.Count; i++)
            {
                progress(i + 1, files.Count);
                var file = files[i];
                var name = Path.GetRelativePath(data, file.Path);
                if (await DecodeAsync(file.Path, name, found, cancellation) is not { } samples)
                    continue;
                var bytes = MemoryMarshal.AsBytes<short>(samples);
                if (!sounds.Add(Convert.ToHexString(SHA256.HashData(bytes))))
                    found.Skip(name, "same sound as a clip before");
                else if (!ids.Add(file.Id))
                    found.Skip(name, "same name as a clip before, of another sound");
                else
                {
                    sound.Write(bytes);
                    lines.Add($"{file.Id}\t{file.Emotion.Name()}\t{samples.Length}");
                    found.Note($"read, {SpeechCorpora.Of(file.Id).Name}", name);
                }
            }
        await File.WriteAllLinesAsync(Index(folder) + New, lines, cancellation);
        found.Write(Found(folder) + New);
        // The index goes first and comes last: a cache without one counts as none.
        File.Delete(Index(folder));
        foreach (var path in new[] { Sound(folder), Found(folder), Index(folder) })
            File.Move(path + New, path, overwrite: true);
        report.Add(found);
    }

    /// <summary>Reads what was prepared.</summary>
    public static List<SpeechClip> Read(string folder)
    {
        var samples = MemoryMarshal.Cast<byte, short>(File.ReadAllBytes(Sound(folder))).ToArray();
        var clips = new List<SpeechClip>();
        var offset = 0;
        foreach (var line in File.ReadLines(Index(folder)))
        {
            var fields = line.Split('\t');
            var length = int.Parse(fields[2]);
            if (!EmotionLabels.TryParse(fields[1], out var emotion))
                throw new InvalidDataException($"{Index(folder)}: '{fields[1]}' is no emotion");
            clips.Add(new(fields[0], emotion, samples.AsMemory(offset, length)));
            offset += length;
        }
        return clips;
    }

    private static bool IsPrepared(string data, string folder, Report report)
    {
        if (!File.Exists(Index(folder)))
            return false;
        var found = File.Exists(Found(folder)) ? Report.Read(Found(folder)) : new();
        var seen = found.Entries.Select(entry => entry.What).Concat(File.ReadLines(Index(folder))).Select(name => name.Split('/', '\\')[0]).ToHashSet();
        if (SpeechCorpora.In(data).Any(corpus => !seen.Contains(corpus.Folder) && SpeechCorpora.Files(data, corpus).Any()))
            return false;
        report.Add(found);
        return true;
    }

    private static async Task<short[]?> DecodeAsync(string path, string name, Report report, CancellationToken cancellation)
    {
        try
        {
            var bytes = await File.ReadAllBytesAsync(path, cancellation);
            if (bytes.Length == 0)
                return Skip("empty file");
            if (bytes.AsSpan().StartsWith("version https://git-lfs"u8))
                return Skip("pointer of Git LFS in place of the sound: run git lfs pull");
            var (isWav, isCutOff) = (WavReader.IsWav(bytes), IsCutOff(bytes));
            var audio = WavReader.Read(isWav ? bytes : await FfmpegAsync(path, cancellation));
            var mono = Resampler.Resample(audio.ToMono(), audio.SampleRate, FeatureExtractor.SampleRate);
            if (!isWav)
                report.Note("not WAV in spite of the name, read through ffmpeg", name);
            if (isCutOff)
                report.Note("cut off, read as far as it goes", name);
            if (audio.ChannelCount > 1)
                report.Note($"{audio.ChannelCount} channels, averaged", name);
            report.Note($"{audio.SampleRate} Hz", name);
            return mono.Length < FeatureExtractor.FrameLength ? Skip("shorter than 0.1 s")
                : mono.All(sample => MathF.Abs(sample) < Silence) ? Skip("silent")
                : Array.ConvertAll(mono, sample => (short)Math.Clamp(MathF.Round(sample * 32768), short.MinValue, short.MaxValue));
        }
        catch (Exception exception) when (exception is AudioFormatException or IOException or System.ComponentModel.Win32Exception)
        {
            return Skip(exception is System.ComponentModel.Win32Exception ? "not WAV, and there is no ffmpeg" : "cannot be decoded");
        }

        short[]? Skip(string why)
        {
            report.Skip(name, why);
            return null;
        }
    }

    // Whether the header of a WAV or AIFF file promises more than there is. Writers that could not seek promise the most there can be.
    private static bool IsCutOff(ReadOnlySpan<byte> file)
    {
        if (file.Length < 12)
            return false;
        var promised = file.StartsWith("RIFF"u8) ? BinaryPrimitives.ReadUInt32LittleEndian(file[4..])
            : file.StartsWith("FORM"u8) ? BinaryPrimitives.ReadUInt32BigEndian(file[4..])
            : 0;
        return promised != uint.MaxValue && promised + 8L > file.Length + 1; // the last chunk may lack its byte of padding
    }

    // The format is told by the content: AIFF, say, under the name .wav.
    private static async Task<byte[]> FfmpegAsync(string path, CancellationToken cancellation)
    {
        using var process = Process.Start(new ProcessStartInfo("ffmpeg", ["-v", "error", "-i", path, "-f", "wav", "-c:a", "pcm_s16le", "pipe:1"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        using var output = new MemoryStream();
        var errors = process.StandardError.ReadToEndAsync(cancellation);
        await process.StandardOutput.BaseStream.CopyToAsync(output, cancellation);
        await process.WaitForExitAsync(cancellation);
        await errors;
        return process.ExitCode == 0 ? output.ToArray() : throw new IOException($"ffmpeg cannot read {path}");
    }

    private const string New = ".new";

    private static string Index(string folder) => Path.Combine(folder, "speech.tsv");

    private static string Sound(string folder) => Path.Combine(folder, "speech.pcm");

    private static string Found(string folder) => Path.Combine(folder, "speech.report.tsv");
}
