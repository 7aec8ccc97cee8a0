using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Affect.Benchmarks;

/// <summary>Runs <c>affect load</c> as a separate process.</summary>
internal static class LoadTool
{
    /// <summary>The measurements of one run.</summary>
    /// <param name="Windows">Windows received.</param>
    /// <param name="Scored">Of these, windows with scores.</param>
    /// <param name="Lost">Windows missing or UNAVAILABLE.</param>
    /// <param name="P50">Latency in milliseconds, from the last of a window's audio to its answer.</param>
    /// <param name="P99">As <paramref name="P50"/>.</param>
    /// <param name="Max">As <paramref name="P50"/>.</param>
    /// <param name="Cpu">Of the load tool.</param>
    public sealed record Result(long Windows, long Scored, long Lost, double P50, double P99, double Max, TimeSpan Cpu);

    /// <summary>The command line of the build that this program belongs to.</summary>
    public static string Default => Builds.Find("Affect.Cli", "affect.dll");

    /// <param name="cli">affect.dll.</param>
    /// <param name="address">The gateway's gRPC address.</param>
    /// <param name="recordings">WAV files that the calls play.</param>
    /// <param name="calls">Concurrent calls.</param>
    /// <param name="seconds">Length of each call.</param>
    /// <param name="hop">Seconds from the start of one window to the next.</param>
    /// <param name="cancellation">Kills the process.</param>
    public static async Task<Result> RunAsync(
        string cli, string address, IEnumerable<string> recordings, int calls, double seconds, double hop, CancellationToken cancellation)
    {
        string[] arguments =
        [
            cli, "load", .. recordings, "--address", address, "--calls", $"{calls}", "--seconds", seconds.ToString(CultureInfo.InvariantCulture),
            "--hop", hop.ToString(CultureInfo.InvariantCulture), "--json",
        ];
        using var process = Process.Start(new ProcessStartInfo("dotnet", arguments) { RedirectStandardOutput = true })!;
        try
        {
            using var document = await JsonDocument.ParseAsync(process.StandardOutput.BaseStream, cancellationToken: cancellation);
            await process.WaitForExitAsync(cancellation);
            var report = document.RootElement;
            foreach (var error in report.GetProperty("errors").EnumerateObject())
                Console.Error.WriteLine($"{error.Value} calls failed: {error.Name}");
            var latency = report.GetProperty("latency");
            return new Result(
                report.GetProperty("received").GetInt64(), report.GetProperty("scored").GetProperty("windows").GetInt64(), report.GetProperty("lost").GetInt64(),
                latency.GetProperty("p50").GetDouble(), latency.GetProperty("p99").GetDouble(), latency.GetProperty("max").GetDouble(),
                TimeSpan.FromSeconds(report.GetProperty("client").GetProperty("cpu_seconds").GetDouble()));
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            throw;
        }
    }
}
