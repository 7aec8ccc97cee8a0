namespace Affect.Cli.Load;

/// <summary>Latencies of windows in milliseconds, from sending the last of a window's audio to receiving its result.</summary>
internal sealed record LatencyStatistics(int Windows, double P50, double P90, double P95, double P99, double Max)
{
    public static LatencyStatistics Create(IEnumerable<ReceivedWindow> windows)
    {
        double[] sorted = [.. windows.Select(window => window.Milliseconds).Order()];
        return sorted.Length == 0
            ? new(0, 0, 0, 0, 0, 0)
            : new(sorted.Length, Percentile(0.5), Percentile(0.9), Percentile(0.95), Percentile(0.99), Percentile(1));

        // Nearest rank.
        double Percentile(double share) => Math.Round(sorted[Math.Max(0, (int)Math.Ceiling(share * sorted.Length) - 1)], 2);
    }
}
