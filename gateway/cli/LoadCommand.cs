using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using Affect.Client;
using Affect.Emotions;
using Spectre.Console;

namespace Affect.Cli;

/// <summary><c>affect load FILE... --calls N --seconds S</c></summary>
internal static class LoadCommand
{
    private const double LateMilliseconds = 500;

    // How exactly chunks are sent on time; latencies are measured from when they were.
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(10), SummaryTimeout = TimeSpan.FromSeconds(30), InterruptedTimeout = TimeSpan.FromSeconds(5);

    private static readonly JsonSerializerOptions JsonFormat = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    private static readonly Argument<string[]> Files = new("FILE")
    {
        Description = "WAV files that a call takes (see 'affect stream'), one or two channels; the calls take turns",
        Arity = ArgumentArity.OneOrMore,
    };

    private static readonly Option<int> Calls = new("--calls") { Description = "Calls at once", HelpName = "N", Required = true };

    private static readonly Option<double> Seconds = new("--seconds") { Description = "How long each call lasts", HelpName = "S", Required = true };

    private static readonly Option<int> Chunk = new("--chunk")
    {
        Description = "Milliseconds of audio that are sent at once, 10 to 1000",
        HelpName = "MS",
        DefaultValueFactory = _ => 100,
    };

    private static readonly Option<double> Hop = new("--hop")
    {
        Description = "Seconds from the start of one window to the next, 0.1 to 10",
        HelpName = "SECONDS",
        DefaultValueFactory = _ => 1,
    };

    private static readonly Option<int[]> ServerPids = new("--server-pid")
    {
        Description = "Processes on this machine whose CPU time and memory are told too (Linux only)",
        HelpName = "PID",
        AllowMultipleArgumentsPerToken = true,
    };

    private static readonly Option<bool> Idle = new("--idle") { Description = "Calls are opened and nothing is said: what a call costs in memory" };

    private static readonly Option<bool> Json = new("--json") { Description = "Print one JSON object" };

    public static Command Create()
    {
        var command = new Command("load", """
            Measures a server with many calls at once, in real time.
            The recordings are looped; each call begins at another place of them, and the beginnings spread over one hop.
            """)
        {
            Files, Calls, Seconds, Chunk, Hop, Idle, ServerPids, Json,
        };
        Bound(Calls, 1, 10_000);
        Bound(Seconds, 1, 86_400);
        Bound(Chunk, 10, 1000);
        Bound(Hop, 0.1, 10);
        command.SetAction((parsed, cancellation) => AffectCommand.CallAsync(
            parsed, client => RunAsync(client, parsed, cancellation), cancellation));
        return command;
    }

    private static void Bound<T>(Option<T> option, T least, T most)
        where T : IComparable<T> => option.Validators.Add(result =>
        {
            if (result.Tokens.Count > 0 && result.GetValueOrDefault<T>() is { } value && (value.CompareTo(least) < 0 || value.CompareTo(most) > 0))
                result.AddError($"{option.Name} must be from {least} to {most}");
        });

    private static async Task<int> RunAsync(AffectClient client, ParseResult parsed, CancellationToken cancellation)
    {
        var chunk = TimeSpan.FromMilliseconds(parsed.GetValue(Chunk));
        var hop = TimeSpan.FromSeconds(parsed.GetValue(Hop));
        var length = TimeSpan.FromSeconds(parsed.GetValue(Seconds));
        var pids = parsed.GetValue(ServerPids) ?? [];
        var loops = new List<Loop>();
        foreach (var name in parsed.GetRequiredValue(Files))
            try
            {
                await using var recording = await Recording.OpenAsync(name, [], raw: null, cancellation);
                loops.Add(Loop.Create(recording.Format, await recording.ReadAllAsync(cancellation), chunk));
            }
            catch (IOException exception)
            {
                AffectCommand.Complain($"{name}: {exception.Message}");
                return ExitCode.Failed;
            }

        var calls = new List<LoadCall>();
        var count = parsed.GetValue(Calls);
        for (var i = 0; i < count; i++)
            calls.Add(new LoadCall(client, loops[i % loops.Count], (double)i / count, hop * i / count, hop, length, parsed.GetValue(Idle)));
        Usage[] before;
        try
        {
            before = [.. pids.Select(Usage.Read)];
        }
        catch (IOException exception)
        {
            AffectCommand.Complain($"--server-pid: {exception.Message}");
            return ExitCode.Failed;
        }
        var start = Stopwatch.GetTimestamp();
        var own = Environment.CpuUsage.TotalTime;
        await SendAsync(calls, start, cancellation);
        var during = pids.Select(Resident).ToList();
        await Task.WhenAll(calls.Select(call => call.EndAsync(cancellation.IsCancellationRequested ? InterruptedTimeout : SummaryTimeout)));

        var elapsed = Stopwatch.GetElapsedTime(start);
        var report = Report.Create(calls, parsed.GetValue(Chunk), cancellation.IsCancellationRequested) with
        {
            Seconds = Math.Round(elapsed.TotalSeconds, 2),
            Client = Usage.Own(own),
            Servers = [.. before.Zip(during, (usage, resident) => Since(usage) with
            {
                KibibytesPerCall = resident is { } now ? Math.Round((now - usage.ResidentMebibytes) * 1024 / count) : null,
            })],
        };
        if (parsed.GetValue(Json))
            Console.Out.WriteLine(JsonSerializer.Serialize(report, JsonFormat));
        else
            Show(AffectCommand.Out(), report);
        return cancellation.IsCancellationRequested ? ExitCode.Interrupted : report.Errors.Count > 0 ? ExitCode.Failed : ExitCode.Ok;
    }

    // One loop for all calls: a timer for each would cost more than what it sends.
    private static async Task SendAsync(List<LoadCall> calls, long start, CancellationToken cancellation)
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
            // Told is what there is so far.
        }
    }

    private static void Show(IAnsiConsole console, Report report)
    {
        console.WriteLine($"{report.Calls} calls, {report.Channels} channels judged, {report.Seconds:0.0} s, chunks of {report.ChunkMilliseconds} ms");
        console.WriteLine($"windows     {report.Received} of {report.Expected}, {report.Lost} lost ({report.Missing} missing, {report.Unavailable} unavailable), {report.Late} later than {LateMilliseconds} ms");
        var table = new Table().NoBorder().AddColumn("latency in ms");
        foreach (var heading in (string[])["windows", "p50", "p90", "p95", "p99", "max"])
            table.AddColumn(new TableColumn(heading).RightAligned());
        foreach (var (name, latency) in ((string, Latency)[])[("all", report.Latency), ("with scores", report.Scored), ("no speech", report.NoSpeech)])
            if (latency.Windows > 0)
                table.AddRow([name, $"{latency.Windows}", .. new[] { latency.P50, latency.P90, latency.P95, latency.P99, latency.Max }.Select(value => $"{value:0.0}")]);
        console.Write(table);
        foreach (var server in report.Servers)
            console.WriteLine($"process {server.Pid}: {Cpu(server)}");
        console.WriteLine($"this one: {Cpu(report.Client)}");
        foreach (var (error, calls) in report.Errors)
            console.WriteLine($"{calls} {(calls == 1 ? "call" : "calls")}: {error}");

        string Cpu(Usage usage) => usage.CpuSeconds is { } cpu
            ? $"{cpu:0.00} s of CPU ({cpu / report.Seconds:0.00} cores), at most {usage.PeakMebibytes:0} MiB"
                + (usage.KibibytesPerCall is { } more ? $"; each call added {more:0} KiB" : "")
            : "ended meanwhile";
    }

    private static double? Resident(int pid)
    {
        try
        {
            return Usage.Read(pid).ResidentMebibytes;
        }
        catch (IOException)
        {
            return null; // It ended meanwhile.
        }
    }

    private static Usage Since(Usage before)
    {
        try
        {
            var now = Usage.Read(before.Pid);
            return now with { CpuSeconds = Math.Round((now.CpuSeconds - before.CpuSeconds)!.Value, 2) };
        }
        catch (IOException)
        {
            return before with { CpuSeconds = null }; // It ended meanwhile.
        }
    }

    /// <summary>A recording without end, shared by the calls that play it.</summary>
    private sealed class Loop
    {
        private readonly byte[] _audio;
        private readonly int _length;

        private Loop(AudioFormat format, byte[] audio, int length, int chunkLength)
        {
            Format = format;
            _audio = audio;
            _length = length;
            ChunkLength = chunkLength;
            Chunk = TimeSpan.FromSeconds((double)chunkLength / format.BytesPerSecond);
        }

        public AudioFormat Format { get; }

        /// <summary>What was asked for, in whole samples.</summary>
        public TimeSpan Chunk { get; }

        /// <summary>Bytes of a chunk.</summary>
        public int ChunkLength { get; }

        public static Loop Create(AudioFormat format, byte[] data, TimeSpan chunk)
        {
            var chunkLength = (int)(format.SampleRate * chunk.TotalSeconds) * format.BlockSize;
            var length = data.Length - data.Length % format.BlockSize;
            if (length == 0)
                throw new IOException("The file has no samples");
            // Its beginning once more behind its end, so that each chunk lies in one piece.
            var audio = new byte[length + chunkLength];
            for (var i = 0; i < audio.Length; i++)
                audio[i] = data[i % length];
            return new Loop(format, audio, length, chunkLength);
        }

        public ReadOnlyMemory<byte> Slice(double offset, long chunk)
        {
            var first = (long)(offset * (_length / Format.BlockSize)) * Format.BlockSize;
            return _audio.AsMemory((int)((first + chunk * ChunkLength) % _length), ChunkLength);
        }
    }

    /// <summary>One call. <see cref="Send"/> belongs to the sending loop, the rest to the task that reads.</summary>
    /// <param name="client">Shared.</param>
    /// <param name="loop">What it plays.</param>
    /// <param name="offset">Where in there it begins, [0, 1).</param>
    /// <param name="start">When it begins.</param>
    /// <param name="hop">Between windows.</param>
    /// <param name="length">How long it lasts at the least.</param>
    /// <param name="idle">Whether nothing is said in it.</param>
    private sealed class LoadCall(AffectClient client, Loop loop, double offset, TimeSpan start, TimeSpan hop, TimeSpan length, bool idle)
    {
        private readonly long[] _sentAt = new long[idle ? 0 : (int)Math.Ceiling(length / loop.Chunk)];
        private AffectCall? _call;
        private Task? _reading;
        private Task? _blocked;
        private int _sent;
        private bool _complete;

        public CallStarted? Started { get; private set; }

        public string? Error { get; private set; }

        public TimeSpan Planned => loop.Chunk * _sentAt.Length;

        public TimeSpan Sent => loop.Chunk * _sent;

        public List<(long Index, Outcome Outcome, bool Scored, double Milliseconds)> Windows { get; } = [];

        /// <summary>Sends what is due; false once there is nothing more.</summary>
        public bool Send(TimeSpan now)
        {
            if (now < start)
                return true;
            if (_call is null)
            {
                // The recordings stay as they are: nothing is copied.
                _call = client.StartCall(new StreamOptions { Audio = loop.Format, Hop = hop, CopyAudio = false });
                _reading = ReadAsync(_call);
            }
            if (_blocked is { } blocked)
            {
                if (!blocked.IsCompleted)
                    return true;
                _blocked = null;
                _sentAt[_sent++] = Stopwatch.GetTimestamp();
            }
            if (_reading!.IsCompleted)
                return false;
            // A chunk is spoken before it can be sent.
            for (; _sent < _sentAt.Length && start + loop.Chunk * (_sent + 1) <= now; _sent++)
            {
                // Before the write as well: a window may be back before this goes on.
                Volatile.Write(ref _sentAt[_sent], Stopwatch.GetTimestamp());
                var write = _call.WriteAudioAsync(loop.Slice(offset, _sent));
                if (!write.IsCompleted)
                {
                    _blocked = write.AsTask();
                    return true;
                }
                if (!write.IsCompletedSuccessfully)
                    return false; // The reader has the reason.
                Volatile.Write(ref _sentAt[_sent], Stopwatch.GetTimestamp());
            }
            if (_sent < _sentAt.Length || (idle && now < start + length))
                return true;
            Complete();
            return false;
        }

        /// <summary>Ends the call and waits for what is left of it.</summary>
        public async Task EndAsync(TimeSpan timeout)
        {
            if (_call is null)
                return;
            Complete();
            try
            {
                await _reading!.WaitAsync(timeout);
            }
            catch (TimeoutException)
            {
                Error = $"no summary within {timeout.TotalSeconds:0} s";
            }
            await _call.DisposeAsync();
            await _reading!;
        }

        /// <summary>As soon as all is sent: the last window waits to be told that it is the last.</summary>
        private void Complete()
        {
            if (_complete || _reading!.IsCompleted)
                return;
            _complete = true;
            try
            {
                _ = _call!.CompleteAsync().AsTask();
            }
            catch (Exception exception) when (exception is AffectException or InvalidOperationException)
            {
                // The reader has the reason.
            }
        }

        private async Task ReadAsync(AffectCall call)
        {
            var summary = false;
            try
            {
                await foreach (var result in call.Results)
                    switch (result)
                    {
                        case CallStarted started:
                            Started = started;
                            break;
                        case CallWindow window:
                            Add(window);
                            break;
                        case CallSummary { End: CallEnd.Completed }:
                            summary = true;
                            break;
                    }
                if (!summary)
                    Error ??= "the server took it for stalled";
            }
            catch (AffectException exception)
            {
                Error ??= $"{exception.StatusCode}: {exception.Message}";
            }
            catch (OperationCanceledException)
            {
                Error ??= "given up";
            }
        }

        private void Add(CallWindow window)
        {
            var last = (int)Math.Ceiling(window.End / loop.Chunk - 1e-3) - 1;
            var latency = last < _sentAt.Length
                ? Stopwatch.GetElapsedTime(Volatile.Read(ref _sentAt[Math.Max(0, last)])).TotalMilliseconds
                : 0;
            Windows.Add((window.Index, window.Fused.Judgement.Outcome, window.Fused.Judgement.Scores is not null, latency));
        }
    }

    /// <summary>Of windows, in milliseconds from when the last of their audio was sent to when they were received.</summary>
    private sealed record Latency(int Windows, double P50, double P90, double P95, double P99, double Max)
    {
        public static Latency Of(IEnumerable<double> milliseconds)
        {
            double[] sorted = [.. milliseconds.Order()];
            return sorted.Length == 0
                ? new Latency(0, 0, 0, 0, 0, 0)
                : new Latency(sorted.Length, At(0.5), At(0.9), At(0.95), At(0.99), At(1));

            // Nearest rank.
            double At(double share) => Math.Round(sorted[Math.Max(0, (int)Math.Ceiling(share * sorted.Length) - 1)], 2);
        }
    }

    /// <param name="Pid">0 for this process.</param>
    /// <param name="CpuSeconds">User and system; null where the process ended meanwhile.</param>
    /// <param name="PeakMebibytes">Resident, the most since the process began.</param>
    /// <param name="ResidentMebibytes">Now.</param>
    private sealed record Usage(int Pid, double? CpuSeconds, double PeakMebibytes, double ResidentMebibytes)
    {
        /// <summary>By how much resident memory had grown when all was sent, over the number of calls.</summary>
        public double? KibibytesPerCall { get; init; }

        // proc(5) counts in USER_HZ, which is 100 on all of Linux.
        private const double TicksPerSecond = 100;

        public static Usage Own(TimeSpan before)
        {
            using var process = Process.GetCurrentProcess();
            return new Usage(0, Math.Round((Environment.CpuUsage.TotalTime - before).TotalSeconds, 2), Mebibytes(process.PeakWorkingSet64), Mebibytes(process.WorkingSet64));
        }

        /// <exception cref="IOException">There is no such process, or no /proc.</exception>
        public static Usage Read(int pid)
        {
            if (!Directory.Exists($"/proc/{pid}"))
                throw new IOException($"there is no process {pid}, or this is not Linux");
            // Behind the name, which may have blanks and brackets: utime and stime are the 12th and 13th.
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            var status = File.ReadAllLines($"/proc/{pid}/status");
            return new Usage(pid, (long.Parse(fields[11]) + long.Parse(fields[12])) / TicksPerSecond, Memory("VmHWM:"), Memory("VmRSS:"));

            double Memory(string name) => Mebibytes(1024 * long.Parse(
                status.First(line => line.StartsWith(name, StringComparison.Ordinal))[name.Length..].Replace("kB", "", StringComparison.Ordinal).Trim()));
        }

        private static double Mebibytes(long bytes) => Math.Round(bytes / 1048576.0, 1);
    }

    /// <param name="Calls">At once.</param>
    /// <param name="Channels">Whose windows were judged.</param>
    /// <param name="ChunkMilliseconds">Audio that was sent at once.</param>
    /// <param name="Expected">Windows that the audio has.</param>
    /// <param name="Received">Of these, that came.</param>
    /// <param name="Missing">Of these, that did not.</param>
    /// <param name="Unavailable">Of those that came, that nobody could judge.</param>
    /// <param name="Lost">Missing or unavailable.</param>
    /// <param name="Late">Of those that came, later than 500 ms.</param>
    /// <param name="Latency">Of all that came.</param>
    /// <param name="Scored">Of those with scores.</param>
    /// <param name="NoSpeech">Of those without a voice.</param>
    /// <param name="Errors">Calls by what they ended with.</param>
    private sealed record Report(
        int Calls, int Channels, int ChunkMilliseconds, long Expected, long Received, long Missing, long Unavailable, long Lost, long Late,
        Latency Latency, Latency Scored, Latency NoSpeech, IReadOnlyDictionary<string, int> Errors)
    {
        public double Seconds { get; init; }

        public Usage Client { get; init; } = new(0, 0, 0, 0);

        public IReadOnlyList<Usage> Servers { get; init; } = [];

        public static Report Create(IReadOnlyList<LoadCall> calls, int chunkMilliseconds, bool interrupted)
        {
            // What a call that never began would have been told.
            var any = calls.Select(call => call.Started).FirstOrDefault(started => started is not null);
            long expected = 0, received = 0, unavailable = 0;
            var channels = 0;
            var windows = new List<(Outcome Outcome, bool Scored, double Milliseconds)>();
            foreach (var call in calls)
            {
                if ((call.Started ?? any) is not { } started)
                    continue;
                var judged = started.Channels.Count(channel => channel.Emotion);
                channels += judged;
                // A last window that the end of the call cuts short is nobody's to wait for.
                var spoken = interrupted ? call.Sent : call.Planned;
                var each = spoken < started.Window ? 0 : (spoken - started.Window).Ticks / started.Hop.Ticks + 1;
                expected += judged * each;
                foreach (var window in call.Windows.Where(window => window.Index < each))
                {
                    received++;
                    unavailable += window.Outcome == Outcome.Unavailable ? 1 : 0;
                    windows.Add((window.Outcome, window.Scored, window.Milliseconds));
                }
            }
            return new Report(
                calls.Count, channels, chunkMilliseconds, expected, received, expected - received, unavailable, expected - received + unavailable,
                windows.Count(window => window.Milliseconds > LateMilliseconds),
                Latency.Of(windows.Select(window => window.Milliseconds)),
                Latency.Of(windows.Where(window => window.Scored).Select(window => window.Milliseconds)),
                Latency.Of(windows.Where(window => window.Outcome == Outcome.NoSpeech).Select(window => window.Milliseconds)),
                calls.Where(call => call.Error is not null).GroupBy(call => call.Error!).ToDictionary(group => group.Key, group => group.Count()));
        }
    }
}
