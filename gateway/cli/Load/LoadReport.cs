using System.Text.Json;
using Affect.Client;
using Affect.Emotions;
using Spectre.Console;

namespace Affect.Cli.Load;

/// <summary>The result of a load test. Its properties are the fields of the JSON report.</summary>
/// <param name="Calls">Number of concurrent calls.</param>
/// <param name="Channels">Channels with emotion inference, over all calls.</param>
/// <param name="ChunkMilliseconds">Audio per message.</param>
/// <param name="Expected">Windows in the audio sent.</param>
/// <param name="Received">Windows received.</param>
/// <param name="Missing">Windows not received.</param>
/// <param name="Unavailable">Windows received with the outcome UNAVAILABLE.</param>
/// <param name="Lost">Windows missing or unavailable.</param>
/// <param name="Late">Windows received later than 500 ms.</param>
/// <param name="Latency">Latency of all windows received.</param>
/// <param name="Scored">Latency of windows with scores.</param>
/// <param name="NoSpeech">Latency of windows with the outcome NO_SPEECH.</param>
/// <param name="Errors">Number of failed calls by error.</param>
/// <param name="Seconds">Duration of the test.</param>
/// <param name="Client">Usage of this process.</param>
/// <param name="Servers">Usage of the processes of <c>--server-pid</c>.</param>
internal sealed record LoadReport(
    int Calls, int Channels, int ChunkMilliseconds, long Expected, long Received, long Missing, long Unavailable, long Lost, long Late,
    LatencyStatistics Latency, LatencyStatistics Scored, LatencyStatistics NoSpeech, IReadOnlyDictionary<string, int> Errors,
    double Seconds, ProcessUsage Client, IReadOnlyList<ProcessUsage> Servers)
{
    private const double LateMilliseconds = 500;

    private static readonly JsonSerializerOptions JsonOptions = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    public double WindowsPerSecond => Math.Round(Received / Seconds, 2);

    /// <summary>Share of the windows received that hold speech: any outcome except NO_SPEECH.</summary>
    public double? SpeechShare => Received == 0 ? null : Math.Round(1 - (double)NoSpeech.Windows / Received, 4);

    /// <summary>CPU time of all servers per window received; null without <c>--server-pid</c> or if a server ended.</summary>
    public double? ServerCpuMillisecondsPerWindow => Servers.Count == 0 || Servers.Any(server => server.CpuSeconds is null)
        ? null
        : GetMillisecondsPerWindow(Servers.Sum(server => server.CpuSeconds!.Value));

    /// <summary>CPU time of this process per window received.</summary>
    public double? ClientCpuMillisecondsPerWindow => GetMillisecondsPerWindow(Client.CpuSeconds!.Value);

    public static LoadReport Create(
        IReadOnlyList<SimulatedCall> calls, int chunkMilliseconds, TimeSpan elapsed, bool interrupted, ProcessUsage client, IReadOnlyList<ProcessUsage> servers)
    {
        // Stands in for calls that did not start.
        var anyStarted = calls.Select(call => call.Started).FirstOrDefault(started => started is not null);
        var (channels, expected) = (0, 0L);
        var windows = new List<ReceivedWindow>();
        foreach (var call in calls)
        {
            if ((call.Started ?? anyStarted) is not { } started)
                continue;
            var channelsOfCall = started.Channels.Count(channel => channel.Emotion);
            var windowsOfChannel = CountWindows(interrupted ? call.Sent : call.Planned, started);
            channels += channelsOfCall;
            expected += channelsOfCall * windowsOfChannel;
            windows.AddRange(call.Windows.Where(window => window.Index < windowsOfChannel));
        }
        var missing = expected - windows.Count;
        var unavailable = windows.Count(window => window.Outcome == Outcome.Unavailable);
        return new(
            calls.Count, channels, chunkMilliseconds, expected, windows.Count, missing, unavailable, missing + unavailable,
            windows.Count(window => window.Milliseconds > LateMilliseconds),
            LatencyStatistics.Create(windows),
            LatencyStatistics.Create(windows.Where(window => window.Scored)),
            LatencyStatistics.Create(windows.Where(window => window.Outcome == Outcome.NoSpeech)),
            calls.Where(call => call.Error is not null).GroupBy(call => call.Error!).ToDictionary(group => group.Key, group => group.Count()),
            Math.Round(elapsed.TotalSeconds, 2), client, servers);
    }

    public string ToJson() => JsonSerializer.Serialize(this, JsonOptions);

    public void WriteTo(IAnsiConsole console)
    {
        console.WriteLine($"{Calls} calls, {Channels} channels with emotion inference, {Seconds:0.0} s, chunks of {ChunkMilliseconds} ms");
        console.WriteLine($"windows     {Received} of {Expected}, {WindowsPerSecond:0.0} per second, {SpeechShare ?? 0:P1} with speech");
        console.WriteLine($"lost        {Lost} ({Missing} missing, {Unavailable} unavailable); {Late} later than {LateMilliseconds} ms");
        console.Write(CreateLatencyTable());
        if (ServerCpuMillisecondsPerWindow is { } milliseconds)
            console.WriteLine($"server CPU per window: {milliseconds:0.00} ms");
        foreach (var server in Servers)
            console.WriteLine($"server process {server.Pid}: {Describe(server)}");
        console.WriteLine($"load tool: {Describe(Client)}, {ClientCpuMillisecondsPerWindow ?? 0:0.00} ms per window");
        foreach (var (error, calls) in Errors)
            console.WriteLine($"{calls} {(calls == 1 ? "call" : "calls")}: {error}");
    }

    // The last window of a call may be cut short by its end and is not counted.
    private static long CountWindows(TimeSpan audio, CallStarted started) =>
        audio < started.Window ? 0 : (audio - started.Window).Ticks / started.Hop.Ticks + 1;

    private double? GetMillisecondsPerWindow(double cpuSeconds) => Received == 0 ? null : Math.Round(cpuSeconds * 1000 / Received, 3);

    private Table CreateLatencyTable()
    {
        var table = new Table().NoBorder().AddColumn("latency in ms");
        foreach (var heading in (string[])["windows", "p50", "p90", "p95", "p99", "max"])
            table.AddColumn(new TableColumn(heading).RightAligned());
        foreach (var (name, latency) in ((string, LatencyStatistics)[])[("all", Latency), ("with scores", Scored), ("no speech", NoSpeech)])
            if (latency.Windows > 0)
                table.AddRow([name, $"{latency.Windows}", .. new[] { latency.P50, latency.P90, latency.P95, latency.P99, latency.Max }.Select(value => $"{value:0.0}")]);
        return table;
    }

    private string Describe(ProcessUsage usage) => usage.CpuSeconds is not { } cpu
        ? "ended during the test"
        : $"{cpu:0.00} s CPU ({cpu / Seconds:0.00} cores), {usage.PeakMebibytes:0} MiB peak"
            + (usage.KibibytesPerCall is { } growth ? $", {growth:0} KiB per call" : "");
}
