using System.Diagnostics.Metrics;
using Affect.V1;

namespace Affect.Fusion;

/// <summary>The metrics of the service.</summary>
internal sealed class FusionMetrics
{
    // From a window that is scored immediately to one that is lost.
    private static readonly double[] Seconds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

    private readonly UpDownCounter<int> _calls;
    private readonly Histogram<double> _windows;
    private readonly Counter<long> _alerts;

    public FusionMetrics(IMeterFactory meters)
    {
        var meter = meters.Create("Affect.Fusion");
        _calls = meter.CreateUpDownCounter<int>("affect.fusion.calls", "{call}", "Calls in progress.");
        _windows = meter.CreateHistogram(
            "affect.fusion.window.duration", "s", "Time from the arrival of the last sample of a window to its result, by outcome.", null,
            new InstrumentAdvice<double> { HistogramBucketBoundaries = Seconds });
        _alerts = meter.CreateCounter<long>("affect.fusion.alerts", "{alert}", "Alerts raised, by rule.");
    }

    public void CallStarted() => _calls.Add(1);

    public void CallEnded() => _calls.Add(-1);

    public void WindowSent(TimeSpan elapsed, Outcome outcome) =>
        _windows.Record(elapsed.TotalSeconds, new KeyValuePair<string, object?>("outcome", outcome.ToString()));

    public void AlertSent(Alert alert)
    {
        if (alert.State == AlertState.Raised)
            _alerts.Add(1, new KeyValuePair<string, object?>("rule", alert.Rule));
    }
}
