using System.Diagnostics;
using System.Text.Json;

namespace Affect.Testing;

/// <summary>Calls in real time by <c>affect load</c>, a process in the network of a <see cref="TestCluster"/>, until it is stopped.</summary>
public sealed class CallLoad : IAsyncDisposable
{
    private readonly Process _process;
    private readonly Task<JsonDocument> _report;

    private CallLoad(Process process)
    {
        _process = process;
        _report = JsonDocument.ParseAsync(process.StandardOutput.BaseStream);
    }

    /// <summary>The result of the calls.</summary>
    /// <param name="Expected">Windows in the audio sent.</param>
    /// <param name="Lost">Of these, windows missing or UNAVAILABLE.</param>
    /// <param name="Ended">Calls that an error ended.</param>
    /// <param name="Errors">The errors.</param>
    /// <param name="LongestGap">Longest time from the last of a window's audio to its answer.</param>
    public sealed record Report(long Expected, long Lost, int Ended, string Errors, TimeSpan LongestGap);

    /// <param name="cluster">The cluster to call.</param>
    /// <param name="calls">Concurrent calls.</param>
    /// <param name="recordings">WAV files that the calls play.</param>
    public static CallLoad Start(TestCluster cluster, int calls, params IEnumerable<string> recordings)
    {
        var configuration = new DirectoryInfo(AppContext.BaseDirectory).Name;
        var start = cluster.Network.Inside("dotnet",
        [
            Path.Combine(AppContext.BaseDirectory, "../../Affect.Cli", configuration, "affect.dll"), "load", .. recordings,
            "--address", TestCluster.Address, "--calls", $"{calls}", "--seconds", "7200", "--json",
        ]);
        start.RedirectStandardOutput = true;
        return new CallLoad(Process.Start(start)!);
    }

    /// <summary>Completes the calls.</summary>
    public async Task<Report> StopAsync(CancellationToken cancellation)
    {
        using (var kill = Process.Start("kill", ["-TERM", $"{_process.Id}"]))
            await kill.WaitForExitAsync(cancellation);
        using var document = await _report.WaitAsync(cancellation);
        var report = document.RootElement;
        var errors = report.GetProperty("errors");
        return new Report(
            report.GetProperty("expected").GetInt64(), report.GetProperty("lost").GetInt64(),
            errors.EnumerateObject().Sum(error => error.Value.GetInt32()), errors.ToString(),
            TimeSpan.FromMilliseconds(report.GetProperty("latency").GetProperty("max").GetDouble()));
    }

    public async ValueTask DisposeAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }
}
