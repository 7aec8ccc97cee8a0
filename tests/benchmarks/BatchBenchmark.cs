using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using Affect.Testing;

namespace Affect.Benchmarks;

/// <summary>
/// <c>batch</c>: <c>affect batch</c> over a folder of recordings and other files. Fails unless every file has an analysis or a reason, as
/// its content requires; prints the memory of the command while it proceeds.
/// </summary>
internal static class BatchBenchmark
{
    private const int LeftOut = 65; // exit code of affect batch

    private static readonly Option<int> Files = new("--files") { Description = "Number of files", DefaultValueFactory = _ => 1000 };
    private static readonly Option<int> Concurrency = new("--concurrency") { Description = "Concurrent requests", DefaultValueFactory = _ => 4 };

    public static Command Create()
    {
        var command = new Command("batch", "Accounting and memory of affect batch over a folder of mixed files.") { Files, Concurrency };
        command.SetAction(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellation)
    {
        var root = Directory.CreateTempSubdirectory("affect-batch-").FullName;
        try
        {
            var folder = Path.Combine(root, "files");
            var expected = await CreateAsync(folder, parsed.GetValue(Files), cancellation);
            await using var server = await LocalServer.StartAsync(LocalServer.Default, model: null);
            return await MeasureAsync(server, folder, Path.Combine(root, "all.jsonl"), expected, parsed.GetValue(Concurrency), cancellation);
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    private static async Task<int> MeasureAsync(
        LocalServer server, string folder, string results, Dictionary<string, bool> expected, int concurrency, CancellationToken cancellation)
    {
        var start = Stopwatch.GetTimestamp();
        using var process = Process.Start(new ProcessStartInfo(
            "dotnet", [LoadTool.Default, "batch", folder, "--out", results, "--concurrency", $"{concurrency}", "--address", server.Address])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(cancellation), process.StandardError.ReadToEndAsync(cancellation));
        var peaks = new long[5]; // of each fifth of the files
        while (!process.HasExited)
        {
            var done = File.Exists(results) ? Lines(results).Count : 0;
            process.Refresh();
            ref var peak = ref peaks[Math.Min(done * peaks.Length / expected.Count, peaks.Length - 1)];
            peak = Math.Max(peak, process.WorkingSet64);
            await Task.Delay(TimeSpan.FromMilliseconds(50), cancellation);
        }
        var elapsed = Stopwatch.GetElapsedTime(start);

        var lines = Lines(results).ConvertAll(line => JsonElement.Parse(line));
        var analyzed = lines.ToLookup(line => line.GetProperty("file").GetString()!, line => line.TryGetProperty("analysis", out _));
        var wrong = expected.Where(file => !analyzed[file.Key].SequenceEqual([file.Value])).Select(file => file.Key).ToList();
        var named = (await errors).Split('\n').Count(line => line.Contains(": left out: ", StringComparison.Ordinal));
        var left = expected.Values.Count(analysis => !analysis);

        Console.Write(await output);
        Console.WriteLine($"{expected.Count} files, of which {left} must be left out: {wrong.Count} wrong, {named} named, exit code {process.ExitCode}, {elapsed.TotalSeconds:0} s");
        Console.WriteLine($"resident memory in MiB, peak in each fifth of the files: {string.Join(", ", peaks.Select(peak => peak >> 20))}");
        foreach (var file in wrong)
            Console.Error.WriteLine($"wrong: {file}");
        return wrong.Count == 0 && lines.Count == expected.Count && named == left && process.ExitCode == LeftOut ? 0 : 1;

        static List<string> Lines(string path)
        {
            // affect batch keeps the file open for writing.
            using var reader = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
            return [.. reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries)];
        }
    }

    /// <summary>Creates files of all kinds; returns their paths, each with true if it must be analyzed.</summary>
    private static async Task<Dictionary<string, bool>> CreateAsync(string folder, int count, CancellationToken cancellation)
    {
        Directory.CreateDirectory(folder);
        var voice = TestMedia.Speech();
        var mp3 = await EncodeAsync(voice, "mp3", cancellation);
        var flac = await EncodeAsync(voice, "flac", cancellation);
        // Names do not matter: half of them are false.
        (string Name, byte[] Content, bool IsAudio)[] kinds =
        [
            ("a.wav", voice, true), ("a.txt", voice, true), ("a.mp3", mp3, true), ("a.jpg", mp3, true), ("a", mp3, true), ("a.flac", flac, true),
            (".a", flac, true), ("a.mulaw.wav", WavFile.Mono(TestMedia.Noise(2, 8000), 8000, WavEncoding.MuLaw), true),
            ("a.png", TestMedia.Png(640, 480), false), ("b.wav", TestMedia.Png(64, 64), false), ("b.txt", "A note.\n"u8.ToArray(), false),
            ("c.wav", "A note.\n"u8.ToArray(), false), ("d.wav", [], false), ("b.mp3", [], false), ("a.m3u", "#EXTM3U\na.mp3\n"u8.ToArray(), false),
            ("c.mp3", "#EXTM3U\nhttp://127.0.0.1/a.mp3\n"u8.ToArray(), false), ("a.pls", "[playlist]\nFile1=a.mp3\n"u8.ToArray(), false),
            ("e.wav", voice[..30], false), ("b.flac", flac[..20], false), ("a.bin", new byte[100_000], false),
        ];
        var files = new Dictionary<string, bool>();
        for (var index = 0; index < count; index++)
        {
            var (name, content, isAudio) = kinds[index % kinds.Length];
            var file = $"{index / kinds.Length:000}/{name}";
            Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(folder, file))!);
            await File.WriteAllBytesAsync(Path.Combine(folder, file), content, cancellation);
            files[file] = isAudio;
        }
        return files;
    }

    private static async Task<byte[]> EncodeAsync(byte[] wav, string format, CancellationToken cancellation)
    {
        using var ffmpeg = Process.Start(new ProcessStartInfo("ffmpeg", ["-v", "error", "-i", "pipe:0", "-f", format, "pipe:1"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        using var encoded = new MemoryStream();
        var reading = ffmpeg.StandardOutput.BaseStream.CopyToAsync(encoded, cancellation);
        await ffmpeg.StandardInput.BaseStream.WriteAsync(wav, cancellation);
        ffmpeg.StandardInput.Close();
        await reading;
        await ffmpeg.WaitForExitAsync(cancellation);
        return ffmpeg.ExitCode == 0 ? encoded.ToArray() : throw new InvalidOperationException($"ffmpeg cannot write {format}.");
    }
}
