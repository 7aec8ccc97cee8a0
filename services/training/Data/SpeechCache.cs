using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Affect.Audio;
using Affect.Emotions;

namespace Affect.Training.Data;

/// <summary>A clip: its id, its label, and its sound, mono at 22,050 Hz, 16 bit.</summary>
internal sealed record SpeechClip(string Id, Emotion Emotion, ReadOnlyMemory<short> Samples);

/// <summary>
/// All clips decoded once: <c>speech.tsv</c> (id, emotion, number of samples) and <c>speech.pcm</c> (the
/// samples one clip after another).
/// </summary>
internal static class SpeechCache
{
    /// <summary>Decodes all clips into a folder, unless they are there already.</summary>
    public static async Task PrepareAsync(string data, string folder, Report report, Action<int, int> progress, CancellationToken cancellation)
    {
        if (File.Exists(Index(folder)))
            return;
        Directory.CreateDirectory(folder);
        var files = SpeechCorpora.Find(data, report);
        var seen = new Dictionary<string, string>();
        var lines = new List<string>();
        await using (var sound = File.Create(Sound(folder)))
            for (var i = 0; i < files.Count; i++)
            {
                progress(i + 1, files.Count);
                var file = files[i];
                var bytes = await File.ReadAllBytesAsync(file.Path, cancellation);
                if (!seen.TryAdd(Convert.ToHexString(SHA256.HashData(bytes)), file.Id))
                {
                    report.Skip(file.Path, "same bytes as a clip before");
                    continue;
                }
                if (await DecodeAsync(file.Path, bytes, report, cancellation) is not { } samples)
                    continue;
                sound.Write(MemoryMarshal.AsBytes<short>(samples));
                lines.Add($"{file.Id}\t{file.Emotion.Name()}\t{samples.Length}");
                report.Note($"read, {file.Id.Split('/')[0]}", file.Path);
            }
        // The index comes last: a cache without one counts as none.
        await File.WriteAllLinesAsync(Index(folder) + ".new", lines, cancellation);
        File.Move(Index(folder) + ".new", Index(folder), overwrite: true);
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

    private static async Task<short[]?> DecodeAsync(string path, byte[] bytes, Report report, CancellationToken cancellation)
    {
        try
        {
            if (!WavReader.IsWav(bytes))
            {
                report.Note("not WAV in spite of the name, read through ffmpeg", path);
                bytes = await FfmpegAsync(path, cancellation);
            }
            var audio = WavReader.Read(bytes);
            if (audio.ChannelCount > 1)
                report.Note($"{audio.ChannelCount} channels, averaged", path);
            report.Note($"{audio.SampleRate} Hz", path);
            var mono = Resampler.Resample(audio.ToMono(), audio.SampleRate, FeatureExtractor.SampleRate);
            if (mono.Length < FeatureExtractor.FrameLength || !Array.Exists(mono, sample => sample != 0))
            {
                report.Skip(path, "empty or silent");
                return null;
            }
            return Array.ConvertAll(mono, sample => (short)Math.Clamp(MathF.Round(sample * 32768), short.MinValue, short.MaxValue));
        }
        catch (Exception exception) when (exception is AudioFormatException or IOException or System.ComponentModel.Win32Exception)
        {
            report.Skip(path, exception is System.ComponentModel.Win32Exception ? "not WAV, and there is no ffmpeg" : "cannot be decoded");
            return null;
        }
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

    private static string Index(string folder) => Path.Combine(folder, "speech.tsv");

    private static string Sound(string folder) => Path.Combine(folder, "speech.pcm");
}
