using System.Diagnostics;

namespace Affect.Cli.Load;

/// <param name="Pid">0 for this process.</param>
/// <param name="CpuSeconds">User and system time; null if the process ended during the test.</param>
/// <param name="PeakMebibytes">Largest resident memory since the start of the process.</param>
/// <param name="ResidentMebibytes">Resident memory at the end of the test.</param>
internal sealed record ProcessUsage(int Pid, double? CpuSeconds, double PeakMebibytes, double ResidentMebibytes)
{
    // proc(5) counts in USER_HZ, which is 100 on every Linux.
    private const double TicksPerSecond = 100;

    /// <summary>Growth of resident memory during the test, divided by the number of calls.</summary>
    public double? KibibytesPerCall { get; init; }

    /// <summary>The usage of this process.</summary>
    /// <param name="before">CPU time at the start of the test.</param>
    public static ProcessUsage ReadOwn(TimeSpan before)
    {
        using var process = Process.GetCurrentProcess();
        return new(
            0, Math.Round((Environment.CpuUsage.TotalTime - before).TotalSeconds, 2), ToMebibytes(process.PeakWorkingSet64), ToMebibytes(process.WorkingSet64));
    }

    /// <summary>The usage of another process since its start.</summary>
    /// <exception cref="IOException">The process does not exist, or /proc does not.</exception>
    public static ProcessUsage Read(int pid)
    {
        if (!Directory.Exists($"/proc/{pid}"))
            throw new IOException($"--server-pid: process {pid} not found (requires Linux)");
        // The name may contain blanks and parentheses; utime and stime are the 12th and 13th field after it.
        var stat = File.ReadAllText($"/proc/{pid}/stat");
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        var status = File.ReadAllLines($"/proc/{pid}/status");
        return new(pid, (long.Parse(fields[11]) + long.Parse(fields[12])) / TicksPerSecond, ReadMemory("VmHWM:"), ReadMemory("VmRSS:"));

        double ReadMemory(string name) => ToMebibytes(1024 * long.Parse(
            status.First(line => line.StartsWith(name, StringComparison.Ordinal))[name.Length..].Replace("kB", "", StringComparison.Ordinal).Trim()));
    }

    private static double ToMebibytes(long bytes) => Math.Round(bytes / 1048576.0, 1);
}

/// <summary>Measures the server's processes, from its construction on.</summary>
/// <param name="pids">The processes.</param>
/// <exception cref="IOException">A process does not exist, or /proc does not.</exception>
internal sealed class ServerUsage(IEnumerable<int> pids)
{
    private readonly IReadOnlyList<ProcessUsage> _before = [.. pids.Select(ProcessUsage.Read)];

    /// <summary>Reads memory; to be called while all calls are open.</summary>
    public IReadOnlyList<ProcessUsage?> ReadLoaded() => [.. _before.Select(before => TryRead(before.Pid))];

    /// <summary>The usage so far.</summary>
    /// <param name="calls">Number of calls.</param>
    /// <param name="loaded">Result of <see cref="ReadLoaded"/>.</param>
    public IReadOnlyList<ProcessUsage> Read(int calls, IReadOnlyList<ProcessUsage?> loaded) => [.. _before.Zip(loaded, (before, atLoad) =>
        (TryRead(before.Pid) is { } now
            ? now with { CpuSeconds = Math.Round((now.CpuSeconds - before.CpuSeconds)!.Value, 2) }
            : before with { CpuSeconds = null }) with
        {
            KibibytesPerCall = atLoad is null ? null : Math.Round((atLoad.ResidentMebibytes - before.ResidentMebibytes) * 1024 / calls),
        })];

    private static ProcessUsage? TryRead(int pid)
    {
        try
        {
            return ProcessUsage.Read(pid);
        }
        catch (IOException)
        {
            return null; // The process has ended.
        }
    }
}
