using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Affect.Audio;
using Affect.Testing;
using Grpc.Core;
using Grpc.Net.Client;

namespace Affect.Benchmarks;

/// <summary>
/// <c>fairness</c>: window latency of one key's calls in real time, with and without a flood by another key against the same one-process
/// server. Server, calls and flood are separate processes on the same cores. Before each flood the calls are measured without it, so that
/// other load on the machine affects both.
/// </summary>
internal static class FairnessBenchmark
{
    private const string Noisy = "noisy", Quiet = "quiet";

    /// <summary>Largest ratio of the two 99th percentiles.</summary>
    private const double Goal = 2;

    /// <summary>Hop of the measured calls in seconds: small, for many windows in a short measurement.</summary>
    private const double Hop = 0.2;

    /// <summary>Time for a flood to reach its full rate, and for its work to drain.</summary>
    private static readonly TimeSpan RampUp = TimeSpan.FromSeconds(3), Drain = TimeSpan.FromSeconds(3);

    private static readonly Option<int> Calls = new("--calls") { Description = "Concurrent calls that are measured", DefaultValueFactory = _ => 4 };
    private static readonly Option<double> Seconds = new("--seconds") { Description = "Length of each measurement", DefaultValueFactory = _ => 15 };
    private static readonly Option<string[]> Floods = new("--floods")
    {
        Description = $"Floods to measure: {string.Join(", ", Flood.Kinds)}",
        AllowMultipleArgumentsPerToken = true,
        DefaultValueFactory = _ => [.. Flood.Kinds],
    };
    private static readonly Option<string?> Recordings = new("--recordings") { Description = "Folder of calls as make-calls writes them; made from --corpus if absent" };
    private static readonly Option<string?> Corpus = new("--corpus") { Description = "Folder of speech recordings [default: $AFFECT_DATA/ravdess]" };
    private static readonly Option<string> Server = new("--server") { Description = "Affect.Local.dll to measure [default: this build's]", DefaultValueFactory = _ => LocalServer.Default };

    public static Command Create()
    {
        var command = new Command("fairness", "Window latency of one key while another floods the server.") { Calls, Seconds, Floods, Recordings, Corpus, Server };
        command.SetAction(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellation)
    {
        var (calls, seconds) = (parsed.GetValue(Calls), parsed.GetValue(Seconds));
        var recordings = CallsBenchmark.FindRecordings(parsed.GetValue(Recordings), parsed.GetValue(Corpus));
        await using var server = await LocalServer.StartAsync(
            parsed.GetRequiredValue(Server), model: null, [.. KeySettings(Noisy), .. KeySettings(Quiet)]);

        using var channel = GrpcChannel.ForAddress(server.Address);
        var samples = WavReader.Read(File.ReadAllBytes(recordings[0])).Channel(0).ToArray();
        var measured = new RealTimeCalls(
            new(channel), new Metadata { { "x-api-key", Key(Quiet) } }, WavFile.Mono(samples, 8_000, WavEncoding.MuLaw)[^samples.Length..], Hop);

        // Compiles the code of both sides.
        using (await FloodProcess.StartAsync(Flood.Streams, server, recordings[0]))
            await measured.MeasureAsync(calls, 6);
        await Task.Delay(Drain, cancellation);

        Console.WriteLine();
        Console.WriteLine($"{calls} calls in real time for {seconds:0} s, a window every {Hop} s, {Environment.ProcessorCount} cores, load included");
        Console.WriteLine();
        Console.WriteLine("| flood by another key | p50 without | p50 with | p99 without | p99 with | ratio of p99 (≤ 2) | windows | done by the flood |");
        Console.WriteLine("| --- | --: | --: | --: | --: | --: | --: | --- |");
        var reached = true;
        foreach (var kind in parsed.GetRequiredValue(Floods))
        {
            var alone = await measured.MeasureAsync(calls, seconds);
            List<double> flooded;
            string done;
            using (var flood = await FloodProcess.StartAsync(kind, server, recordings[0]))
            {
                await Task.Delay(RampUp, cancellation);
                flooded = await measured.MeasureAsync(calls, seconds);
                done = await flood.EndAsync();
            }

            await Task.Delay(Drain, cancellation);
            var ratio = Percentile(flooded, 99) / Percentile(alone, 99);
            reached &= ratio <= Goal;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"| {kind} | {Percentile(alone, 50):F0} ms | {Percentile(flooded, 50):F0} ms | {Percentile(alone, 99):F0} ms ") + string.Create(CultureInfo.InvariantCulture,
                $"| {Percentile(flooded, 99):F0} ms | **{ratio:F2}** | {flooded.Count} | {done} |"));
        }

        return reached ? 0 : 1;
    }

    private static double Percentile(List<double> ascending, int percent) => ascending[ascending.Count * percent / 100];

    private static string Key(string name) => $"key-of-{name}";

    private static string[] KeySettings(string name) =>
    [
        $"--Gateway:ApiKeys:{name}:Sha256={Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Key(name))))}",
        $"--Gateway:ApiKeys:{name}:RequestsPerMinute=1000000",
    ];

    /// <summary>This program as a flood: says that it has begun, and on the end of its input what it has done.</summary>
    private sealed class FloodProcess(Process process) : IDisposable
    {
        public static async Task<FloodProcess> StartAsync(string kind, LocalServer server, string recording)
        {
            var process = Process.Start(new ProcessStartInfo(
                Environment.ProcessPath!, ["fairness-flood", kind, server.Address, server.HttpAddress, Key(Noisy), recording])
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
            })!;
            if (await process.StandardOutput.ReadLineAsync() != Flood.Begun)
                throw new InvalidOperationException($"The flood of {kind} ended early.");
            return new(process);
        }

        public async Task<string> EndAsync()
        {
            process.StandardInput.Close();
            return await process.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException("The flood ended early.");
        }

        public void Dispose()
        {
            process.Kill();
            process.WaitForExit();
            process.Dispose();
        }
    }
}
