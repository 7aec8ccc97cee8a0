using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Affect.Fuzz;

/// <summary>Sends the cases of targets to the server, and writes those that break an invariant to files.</summary>
internal sealed partial class Campaign(FuzzedServer server, int seed, string output)
{
    private const int BatchSize = 100;

    /// <summary>A target ends after this many faulty cases.</summary>
    private const int MaxFaults = 100;

    private const int MaxKindLength = 120;

    /// <summary>Memory may grow by a fifth and by this many bytes, which caches and the heap's budget take.</summary>
    private const long MemoryFloor = 64 << 20;

    private static readonly ParallelOptions Concurrent = new() { MaxDegreeOfParallelism = 16 };

    private static readonly TimeSpan MemoryTimeout = TimeSpan.FromSeconds(30);

    /// <summary>Kinds of faults that were reported: texts that differ in numbers alone are one kind.</summary>
    private readonly HashSet<string> _kinds = [];

    /// <summary>Sends cases of one target. Returns false if one of them broke an invariant.</summary>
    public async Task<bool> RunAsync(Target target, int cases)
    {
        var clock = Stopwatch.StartNew();
        var faults = 0;
        var slowest = (Time: TimeSpan.Zero, Case: 0);
        for (var first = 0; first < cases && faults < MaxFaults; first += BatchSize)
        {
            var numbers = Enumerable.Range(first, Math.Min(BatchSize, cases - first)).ToList();
            var batch = numbers.ConvertAll(number => target.Create(Random(target, number)));
            var found = new ConcurrentDictionary<int, string>();
            await Parallel.ForEachAsync(Enumerable.Range(0, batch.Count), Concurrent, async (i, _) =>
            {
                var sent = Stopwatch.GetTimestamp();
                if (await SendAsync(batch[i]) is { } fault)
                    found[i] = fault;
                lock (found)
                    if (Stopwatch.GetElapsedTime(sent) is var time && time > slowest.Time)
                        slowest = (time, numbers[i]);
            });

            // Cases run concurrently; those that log an error or crash the server are found by sending each alone.
            var errors = await server.TakeErrorsAsync();
            if (errors.Count > 0 || server.HasExited)
                await FindLoggedAsync(batch, found, errors);
            foreach (var (i, fault) in found.OrderBy(pair => pair.Key))
                Report(target.Name, numbers[i], batch[i], fault);
            faults += found.Count;
            if (await server.CheckAsync() is { } unwell)
            {
                Console.WriteLine($"{target.Name}: after cases {numbers[0]} to {numbers[^1]} {unwell}");
                faults++;
            }
        }
        Console.WriteLine(
            $"{target.Name}: {cases} cases in {clock.Elapsed.TotalSeconds:0.0} s, slowest {slowest.Time.TotalSeconds:0.0} s "
            + $"(case {slowest.Case}), {(faults == 0 ? "passed" : $"{faults} faults")}");
        return faults == 0;
    }

    /// <summary>Sends one case alone. Returns its fault, or null.</summary>
    public async Task<string?> ReplayAsync(Case sent)
    {
        var fault = await SendAsync(sent);
        var errors = await server.TakeErrorsAsync();
        return server.HasExited ? "the server has exited" : errors.Count > 0 ? $"logged {errors[0]}" : fault ?? await server.CheckAsync();
    }

    /// <summary>Waits until the server's memory is near its value at the start. Returns false if it stays above.</summary>
    public async Task<bool> CheckMemoryAsync(long start)
    {
        var limit = start * 6 / 5 + MemoryFloor;
        var clock = Stopwatch.StartNew();
        while (server.Memory > limit && clock.Elapsed < MemoryTimeout)
        {
            await server.CheckAsync(); // allocates, so that the heap is collected
            await Task.Delay(TimeSpan.FromMilliseconds(200));
        }
        var end = server.Memory;
        Console.WriteLine(
            $"memory: {start >> 20} MiB at the start, {end >> 20} MiB at the end after {clock.Elapsed.TotalSeconds:0.0} s, "
            + $"{(end <= limit ? "passed" : "too high")}");
        return end <= limit;
    }

    private async Task<string?> SendAsync(Case sent)
    {
        try
        {
            return Judge.FindFault(sent, await server.SendAsync(sent));
        }
        catch (Exception exception) when (exception is System.Net.Sockets.SocketException or OperationCanceledException)
        {
            return $"no connection: {exception.Message}";
        }
    }

    private async Task FindLoggedAsync(List<Case> batch, ConcurrentDictionary<int, string> found, List<string> errors)
    {
        for (var i = 0; i < batch.Count; i++)
        {
            if (server.HasExited)
                await server.StartAsync();
            if (!found.ContainsKey(i) && await ReplayAsync(batch[i]) is { } fault)
                found[i] = fault;
        }
        if (found.IsEmpty)
            found[0] = $"logged by a case of this batch, but by none alone: {errors.FirstOrDefault() ?? "the server has exited"}";
        if (server.HasExited)
            await server.StartAsync();
    }

    private void Report(string target, int number, Case sent, string fault)
    {
        var kind = Numbers().Replace($"{target} {fault}", "#");
        if (!_kinds.Add(kind[..Math.Min(kind.Length, MaxKindLength)]))
            return;
        Directory.CreateDirectory(output);
        var file = Path.Combine(output, $"{target}-{seed}-{number}");
        sent.Save(file);
        Console.WriteLine($"{target}: case {number}: {fault}");
        Console.WriteLine($"  replay: dotnet run -c Release --project tests/fuzz -- --replay {file}");
    }

    // Equal in every process, unlike hash codes of strings.
    private Random Random(Target target, int number) =>
        new(unchecked(target.Name.Aggregate(seed, (hash, letter) => hash * 31 + letter) * 1_000_003 + number));

    [GeneratedRegex("[0-9]+")]
    private static partial Regex Numbers();
}
