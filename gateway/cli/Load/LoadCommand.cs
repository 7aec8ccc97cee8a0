using System.CommandLine;
using System.Diagnostics;
using Affect.Client;

namespace Affect.Cli.Load;

/// <summary><c>affect load FILE... --calls N --seconds S</c></summary>
internal static class LoadCommand
{
    private const string StandardOutput = "-";

    // Precision of the send schedule. Latencies are measured from the actual time of sending.
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan SummaryTimeout = TimeSpan.FromSeconds(30), InterruptedTimeout = TimeSpan.FromSeconds(5);

    private static readonly Argument<string[]> Files = new("FILE")
    {
        Description = "WAV files with one or two channels (see 'affect stream'), distributed over the calls",
        Arity = ArgumentArity.OneOrMore,
    };

    private static readonly Option<int> Calls =
        new Option<int>("--calls") { Description = "Number of concurrent calls", HelpName = "N", Required = true }.WithRange(1, 10_000);

    private static readonly Option<double> Seconds =
        new Option<double>("--seconds") { Description = "Length of each call", HelpName = "S", Required = true }.WithRange(1.0, 86_400);

    private static readonly Option<int> Chunk = new Option<int>("--chunk")
    {
        Description = "Milliseconds of audio per message, 10 to 1000",
        HelpName = "MS",
        DefaultValueFactory = _ => 100,
    }.WithRange(10, 1000);

    private static readonly Option<int[]> ServerPids = new("--server-pid")
    {
        Description = "Processes on this machine whose CPU time and memory are reported (Linux only)",
        HelpName = "PID",
        AllowMultipleArgumentsPerToken = true,
    };

    private static readonly Option<bool> Idle = new("--idle") { Description = "Open calls without sending audio, to measure their memory" };

    private static readonly Option<string?> Json = new("--json")
    {
        Description = "Write the report as a JSON object to FILE; to standard output instead of the text if FILE is absent or -",
        HelpName = "FILE",
        Arity = ArgumentArity.ZeroOrOne,
    };

    public static Command Create()
    {
        var command = new Command("load", """
            Measures a server under concurrent calls in real time.
            Recordings are looped. Each call starts at another position in its recording; the starts are spread over one hop.
            """)
        {
            Files, Calls, Seconds, Chunk, CommonOptions.Hop, Idle, ServerPids, Json,
        };
        command.SetAction((parsed, cancellation) => AffectCommand.RunWithClientAsync(
            parsed, client => RunAsync(client, parsed, cancellation), cancellation));
        return command;
    }

    private static async Task<int> RunAsync(AffectClient client, ParseResult parsed, CancellationToken cancellation)
    {
        List<SimulatedCall> calls;
        ServerUsage servers;
        try
        {
            calls = await CreateCallsAsync(client, parsed, cancellation);
            servers = new ServerUsage(parsed.GetValue(ServerPids) ?? []);
        }
        catch (IOException exception)
        {
            AffectCommand.WriteError(exception.Message);
            return ExitCode.Failed;
        }
        var start = Stopwatch.GetTimestamp();
        var ownCpu = Environment.CpuUsage.TotalTime;
        await SendAsync(calls, start, cancellation);
        var loaded = servers.ReadLoaded();
        await Task.WhenAll(calls.Select(call => call.EndAsync(cancellation.IsCancellationRequested ? InterruptedTimeout : SummaryTimeout)));

        var report = LoadReport.Create(
            calls, parsed.GetValue(Chunk), Stopwatch.GetElapsedTime(start), cancellation.IsCancellationRequested,
            ProcessUsage.ReadOwn(ownCpu), servers.Read(calls.Count, loaded));
        if (!await TryWriteAsync(report, parsed))
            return ExitCode.Failed;
        return cancellation.IsCancellationRequested ? ExitCode.Interrupted : report.Errors.Count > 0 ? ExitCode.Failed : ExitCode.Ok;
    }

    private static async Task<List<SimulatedCall>> CreateCallsAsync(AffectClient client, ParseResult parsed, CancellationToken cancellation)
    {
        var (count, idle) = (parsed.GetValue(Calls), parsed.GetValue(Idle));
        var (chunk, hop) = (TimeSpan.FromMilliseconds(parsed.GetValue(Chunk)), parsed.GetHop() ?? TimeSpan.FromSeconds(1));
        var length = TimeSpan.FromSeconds(parsed.GetValue(Seconds));
        var recordings = new List<LoopedRecording>();
        foreach (var name in parsed.GetRequiredValue(Files))
            recordings.Add(await LoopedRecording.ReadAsync(name, chunk, cancellation));
        return [.. Enumerable.Range(0, count).Select(i =>
            new SimulatedCall(client, recordings[i % recordings.Count], (double)i / count, hop * i / count, hop, length, idle))];
    }

    // One loop sends for all calls: a timer per call would cost more CPU time than the sends.
    private static async Task SendAsync(List<SimulatedCall> calls, long start, CancellationToken cancellation)
    {
        using var timer = new PeriodicTimer(Tick);
        try
        {
            var open = true;
            while (open && await timer.WaitForNextTickAsync(cancellation))
            {
                var now = Stopwatch.GetElapsedTime(start);
                open = false;
                foreach (var call in calls)
                    open |= call.Send(now);
            }
        }
        catch (OperationCanceledException)
        {
            // The report covers the calls so far.
        }
    }

    private static async Task<bool> TryWriteAsync(LoadReport report, ParseResult parsed)
    {
        var file = parsed.GetResult(Json) is null ? null : parsed.GetValue(Json) ?? StandardOutput;
        if (file == StandardOutput)
        {
            Console.Out.WriteLine(report.ToJson());
            return true;
        }
        report.WriteTo(AffectCommand.CreateConsole());
        if (file is null)
            return true;
        try
        {
            await File.WriteAllTextAsync(file, report.ToJson() + "\n", CancellationToken.None);
            return true;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            AffectCommand.WriteError($"{file}: {exception.Message}");
            return false;
        }
    }
}
