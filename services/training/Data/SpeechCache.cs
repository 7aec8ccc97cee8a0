using System.Buffers.Binary;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Affect.Audio;
using Affect.Emotions;

namespace Affect.Training.Data;

/// <summary>A clip: id, label and audio, mono at 22,050 Hz, 16 bit.</summary>
internal sealed record SpeechClip(string Id, Emotion Emotion, ReadOnlyMemory<short> Samples)
{
    /// <summary>Corpus and speaker: the id without the name of the clip.</summary>
    public string Speaker { get; } = Id[..Id.LastIndexOf('/')];

    /// <summary>Position in the cache.</summary>
    public int Index { get; init; }
}

/// <summary>
/// Cache of the decoded clips: <c>speech.tsv</c> (id, emotion, number of samples), <c>speech.pcm</c> (the samples of all clips)
/// and <c>speech.report.tsv</c> (report on each file).
/// </summary>
internal static class SpeechCache
{
    /// <summary>Maximum peak of a silent clip, -72 dBFS: converter noise.</summary>
    private const float SilencePeak = 1f / 4096;

    /// <summary>Decodes all clips, unless the cache is complete. A corpus that was added later invalidates the cache.</summary>
    public static async Task PrepareAsync(
        string data, string folder, CorpusReport report, Action<int, int> progress, CancellationToken cancellation)
    {
        if (IsPrepared(data, folder, report))
            return;
        Directory.CreateDirectory(folder);
        var decoding = new CorpusReport();
        var files = SpeechCorpora.Find(data, decoding);
        var (hashes, ids) = (new HashSet<string>(), new HashSet<string>());
        var lines = new List<string>();
        await using (var audio = File.Create(AudioPath(folder) + New))
            for (var i = 0; i < files.Count; i++)
            {
                progress(i + 1, files.Count);
                var file = files[i];
                var name = Path.GetRelativePath(data, file.Path);
                if (await DecodeAsync(file.Path, name, decoding, cancellation) is not { } samples)
                    continue;
                var bytes = MemoryMarshal.AsBytes<short>(samples);
                if (!hashes.Add(Convert.ToHexString(SHA256.HashData(bytes))))
                    decoding.Skip(name, "duplicate audio");
                else if (!ids.Add(file.Id))
                    decoding.Skip(name, "duplicate name with different audio");
                else
                {
                    audio.Write(bytes);
                    lines.Add($"{file.Id}\t{file.Emotion.Name()}\t{samples.Length}");
                    decoding.Note($"read, {SpeechCorpora.ById(file.Id).Name}", name);
                }
            }
        await File.WriteAllLinesAsync(IndexPath(folder) + New, lines, cancellation);
        decoding.Write(ReportPath(folder) + New);
        // The index is deleted first and moved last: a cache without an index is invalid.
        File.Delete(IndexPath(folder));
        foreach (var path in new[] { AudioPath(folder), ReportPath(folder), IndexPath(folder) })
            File.Move(path + New, path, overwrite: true);
        report.Add(decoding);
    }

    /// <summary>Reads the cached clips.</summary>
    public static List<SpeechClip> Read(string folder)
    {
        var samples = MemoryMarshal.Cast<byte, short>(File.ReadAllBytes(AudioPath(folder))).ToArray();
        var clips = new List<SpeechClip>();
        var offset = 0;
        foreach (var line in File.ReadLines(IndexPath(folder)))
        {
            var fields = line.Split('\t');
            var length = int.Parse(fields[2]);
            if (!EmotionLabels.TryParse(fields[1], out var emotion))
                throw new InvalidDataException($"{IndexPath(folder)}: '{fields[1]}' is not an emotion");
            clips.Add(new(fields[0], emotion, samples.AsMemory(offset, length)) { Index = clips.Count });
            offset += length;
        }
        return clips;
    }

    private static bool IsPrepared(string data, string folder, CorpusReport report)
    {
        if (!File.Exists(IndexPath(folder)))
            return false;
        var saved = File.Exists(ReportPath(folder)) ? CorpusReport.Read(ReportPath(folder)) : new();
        var seen = saved.Entries.Select(entry => entry.Item).Concat(File.ReadLines(IndexPath(folder)))
            .Select(name => name.Split('/', '\\')[0]).ToHashSet();
        if (SpeechCorpora.Present(data).Any(corpus => !seen.Contains(corpus.Folder) && SpeechCorpora.Files(data, corpus).Any()))
            return false;
        report.Add(saved);
        return true;
    }

    private static async Task<short[]?> DecodeAsync(string path, string name, CorpusReport report, CancellationToken cancellation)
    {
        try
        {
            var bytes = await File.ReadAllBytesAsync(path, cancellation);
            if (bytes.Length == 0)
                return Skip("empty file");
            if (bytes.AsSpan().StartsWith("version https://git-lfs"u8))
                return Skip("Git LFS pointer: run git lfs pull");
            var (isWav, isTruncated) = (WavReader.IsWav(bytes), IsTruncated(bytes));
            var audio = WavReader.Read(isWav ? bytes : await FfmpegAsync(path, cancellation));
            var mono = Resampler.Resample(audio.ToMono(), audio.SampleRate, FeatureExtractor.SampleRate);
            if (!isWav)
                report.Note("not WAV, decoded by ffmpeg", name);
            if (isTruncated)
                report.Note("truncated, decoded partially", name);
            if (audio.ChannelCount > 1)
                report.Note($"{audio.ChannelCount} channels, averaged", name);
            report.Note($"{audio.SampleRate} Hz", name);
            return mono.Length < FeatureExtractor.FrameLength ? Skip("shorter than 0.1 s")
                : mono.All(sample => MathF.Abs(sample) < SilencePeak) ? Skip("silent")
                : Array.ConvertAll(mono, sample => (short)Math.Clamp(MathF.Round(sample * 32768), short.MinValue, short.MaxValue));
        }
        catch (Exception exception) when (exception is AudioFormatException or IOException or System.ComponentModel.Win32Exception)
        {
            return Skip(exception is System.ComponentModel.Win32Exception ? "not WAV, and ffmpeg is not installed" : "cannot be decoded");
        }

        short[]? Skip(string reason)
        {
            report.Skip(name, reason);
            return null;
        }
    }

    // True if the file is shorter than the header of WAV or AIFF states. Writers that cannot seek write the maximum.
    private static bool IsTruncated(ReadOnlySpan<byte> file)
    {
        if (file.Length < 12)
            return false;
        var declared = file.StartsWith("RIFF"u8) ? BinaryPrimitives.ReadUInt32LittleEndian(file[4..])
            : file.StartsWith("FORM"u8) ? BinaryPrimitives.ReadUInt32BigEndian(file[4..])
            : 0;
        return declared != uint.MaxValue && declared + 8L > file.Length + 1; // the padding byte of the last chunk may be missing
    }

    // ffmpeg detects the format from the content, for example AIFF in a file named .wav.
    private static async Task<byte[]> FfmpegAsync(string path, CancellationToken cancellation)
    {
        using var process = Process.Start(
            new ProcessStartInfo("ffmpeg", ["-v", "error", "-i", path, "-f", "wav", "-c:a", "pcm_s16le", "pipe:1"])
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

    private static string IndexPath(string folder) => Path.Combine(folder, "speech.tsv");

    private static string AudioPath(string folder) => Path.Combine(folder, "speech.pcm");

    private static string ReportPath(string folder) => Path.Combine(folder, "speech.report.tsv");
}
