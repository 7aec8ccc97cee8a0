using System.CommandLine;
using System.Globalization;

namespace Affect.Benchmarks;

/// <summary>
/// <c>calls</c>: CPU time per window and latency of the one-process server under <c>affect load</c>, optionally beside another build of it
/// in the same run on the same machine.
/// </summary>
internal static class CallsBenchmark
{
    private static readonly Option<int> Calls = new("--calls") { Description = "Concurrent calls", DefaultValueFactory = _ => 300 };
    private static readonly Option<double> Seconds = new("--seconds") { Description = "Length of each call", DefaultValueFactory = _ => 60 };
    private static readonly Option<int> Rounds = new("--rounds") { Description = "Measurements of each side", DefaultValueFactory = _ => 3 };
    private static readonly Option<double> WarmUp = new("--warm-up") { Description = "Seconds of load before the first measurement", DefaultValueFactory = _ => 15 };
    private static readonly Option<string?> Recordings = new("--recordings") { Description = "Folder of calls as make-calls writes them; made from --corpus if absent" };
    private static readonly Option<string?> Corpus = new("--corpus") { Description = "Folder of speech recordings [default: $AFFECT_DATA/ravdess]" };
    private static readonly Option<string> Server = new("--server") { Description = "Affect.Local.dll to measure [default: this build's]", DefaultValueFactory = _ => LocalServer.Default };
    private static readonly Option<string> Cli = new("--cli") { Description = "affect.dll that makes the load [default: this build's]", DefaultValueFactory = _ => LoadTool.Default };
    private static readonly Option<string?> Baseline = new("--baseline") { Description = "Affect.Local.dll to compare with" };
    private static readonly Option<string?> BaselineCli = new("--baseline-cli") { Description = "affect.dll for the baseline, where its API differs [default: --cli]" };
    private static readonly Option<string?> Model = new("--model") { Description = "Speech model to serve [default: the default model]" };

    public static Command Create()
    {
        var command = new Command("calls", "CPU time per window and latency under concurrent calls.")
        {
            Calls, Seconds, Rounds, WarmUp, Recordings, Corpus, Server, Cli, Baseline, BaselineCli, Model,
        };
        command.SetAction(RunAsync);
        return command;
    }

    /// <summary>The files of <paramref name="recordings"/>, or calls made from <paramref name="corpus"/>.</summary>
    public static IReadOnlyList<string> FindRecordings(string? recordings, string? corpus)
    {
        if (recordings is null)
        {
            corpus ??= Environment.GetEnvironmentVariable("AFFECT_DATA") is { Length: > 0 } data
                ? Path.Combine(data, "ravdess")
                : throw new ArgumentException("--recordings, --corpus or AFFECT_DATA must be set.");
            recordings = Path.Combine(Path.GetTempPath(), "affect-calls");
            CallRecipe.Make(corpus, recordings, count: 8, seconds: 70, speech: 0.8, seed: 1);
        }
        string[] files = [.. Directory.EnumerateFiles(recordings, "*.wav").Order(StringComparer.Ordinal)];
        return files.Length > 0 ? files : throw new ArgumentException($"{recordings} must have WAV files.");
    }

    private static async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellation)
    {
        var (calls, seconds, rounds, model) = (parsed.GetValue(Calls), parsed.GetValue(Seconds), parsed.GetValue(Rounds), parsed.GetValue(Model));
        var recordings = FindRecordings(parsed.GetValue(Recordings), parsed.GetValue(Corpus));
        var sides = new List<Side>();
        try
        {
            var cli = parsed.GetRequiredValue(Cli);
            if (parsed.GetValue(Baseline) is { } baseline)
                sides.Add(new("baseline", await LocalServer.StartAsync(baseline, model), parsed.GetValue(BaselineCli) ?? cli));
            sides.Add(new("current", await LocalServer.StartAsync(parsed.GetRequiredValue(Server), model), cli));

            foreach (var side in sides)
                await LoadTool.RunAsync(side.Cli, side.Server.Address, recordings, calls, parsed.GetValue(WarmUp), hop: 1, cancellation);

            Console.WriteLine();
            Console.WriteLine($"{calls} stereo calls for {seconds:0} s, {model ?? "default model"}, {Environment.ProcessorCount} cores, load tool included");
            Console.WriteLine();
            Console.WriteLine("| round | side | windows | with scores | lost | server CPU/window | load tool CPU/window | p50 | p99 | max | steal | other processes |");
            Console.WriteLine("| --: | --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |");
            for (var round = 1; round <= rounds; round++)
            {
                // A drift of the machine's speed meets both sides alike: A B, B A, A B.
                foreach (var side in round % 2 == 1 ? sides : Enumerable.Reverse(sides))
                {
                    var (machine, cpu) = (MachineTime.Read(), side.Server.CpuTime);
                    var load = await LoadTool.RunAsync(side.Cli, side.Server.Address, recordings, calls, seconds, hop: 1, cancellation);
                    var spent = side.Server.CpuTime - cpu;
                    var elapsed = MachineTime.Read() - machine;
                    side.Add(load, spent);
                    Console.WriteLine(Invariant(
                        $"| {round} | {side.Name} | {load.Windows} | {(double)load.Scored / load.Windows:P1} | {load.Lost} | {PerWindow(spent, load.Windows):F2} ms ") + Invariant(
                        $"| {PerWindow(load.Cpu, load.Windows):F2} ms | {load.P50:F0} ms | {load.P99:F0} ms | {load.Max:F0} ms ") + Invariant(
                        $"| {elapsed.Steal / elapsed.Total:P1} | {(elapsed.Busy - (spent + load.Cpu).TotalSeconds) / elapsed.Total:P1} |"));
                }
            }

            Console.WriteLine();
            foreach (var side in sides)
                Console.WriteLine(Invariant($"{side.Name}: {side.CpuPerWindow:F2} ms of CPU per window, {side.Lost} of {side.Windows} windows lost"));
            if (sides.Count > 1)
                Console.WriteLine(Invariant($"baseline / current: {sides[0].CpuPerWindow / sides[1].CpuPerWindow:F2}"));
            return sides[^1].Lost == 0 ? 0 : 1;
        }
        finally
        {
            foreach (var side in sides)
                await side.Server.DisposeAsync();
        }
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static double PerWindow(TimeSpan time, long windows) => time.TotalMilliseconds / windows;

    private sealed class Side(string name, LocalServer server, string cli)
    {
        private TimeSpan _cpu;

        public string Name => name;

        public LocalServer Server => server;

        public string Cli => cli;

        public long Windows { get; private set; }

        public long Lost { get; private set; }

        public double CpuPerWindow => PerWindow(_cpu, Windows);

        public void Add(LoadTool.Result load, TimeSpan cpu)
        {
            Windows += load.Windows;
            Lost += load.Lost;
            _cpu += cpu;
        }
    }

    /// <summary>Seconds of all cores together since the machine started.</summary>
    /// <param name="Total">All time.</param>
    /// <param name="Busy">Spent by processes and the kernel.</param>
    /// <param name="Steal">Taken by the hypervisor.</param>
    private readonly record struct MachineTime(double Total, double Busy, double Steal)
    {
        public static MachineTime operator -(MachineTime a, MachineTime b) => new(a.Total - b.Total, a.Busy - b.Busy, a.Steal - b.Steal);

        /// <summary>From proc(5): user nice system idle iowait irq softirq steal, in hundredths of a second.</summary>
        public static MachineTime Read()
        {
            double[] times = [.. File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1).Take(8).Select(value => long.Parse(value) / 100.0)];
            var total = times.Sum();
            return new(total, total - times[3] - times[4] - times[7], times[7]);
        }
    }
}
