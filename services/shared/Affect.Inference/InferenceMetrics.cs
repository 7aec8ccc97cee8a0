using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Affect.Inference;

/// <summary>
/// All metrics of this project. Each carries the tags <c>model</c> and <c>version</c>.
/// </summary>
public sealed class InferenceMetrics
{
    /// <summary>Name of the meter.</summary>
    private const string MeterName = "Affect.Inference";

    /// <summary>Histogram, s.</summary>
    public const string QueueDuration = "affect.inference.queue.duration";

    /// <summary>Histogram, s.</summary>
    public const string RunDuration = "affect.inference.run.duration";

    /// <summary>Histogram, inputs.</summary>
    public const string BatchSize = "affect.inference.batch.size";

    /// <summary>Counter, inputs, with the tag <c>reason</c>.</summary>
    public const string Rejections = "affect.inference.rejected";

    // From well below the duration of a run to the longest queue time.
    private static readonly double[] Seconds =
        [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

    private readonly Histogram<double> _queueDuration;
    private readonly Histogram<double> _runDuration;
    private readonly Histogram<int> _batchSize;
    private readonly Counter<long> _rejected;

    /// <summary>Declares the instruments.</summary>
    public InferenceMetrics(IMeterFactory factory)
    {
        var meter = factory.Create(MeterName);
        _queueDuration = meter.CreateHistogram(
            QueueDuration, "s", "Time from arrival of an input to the start of its batch. Scale out on this.", null,
            new InstrumentAdvice<double> { HistogramBucketBoundaries = Seconds });
        _runDuration = meter.CreateHistogram(
            RunDuration, "s", "Time to compute one batch.", null,
            new InstrumentAdvice<double> { HistogramBucketBoundaries = Seconds });
        _batchSize = meter.CreateHistogram(
            BatchSize, "{input}", "Inputs per batch.", null,
            new InstrumentAdvice<int> { HistogramBucketBoundaries = [1, 2, 4, 8, 16, 32, 64, 128, 256] });
        _rejected = meter.CreateCounter<long>(
            Rejections, "{input}", "Inputs without a result, by reason: full, expired, canceled, failed.");
    }

    internal void Queued(TimeSpan duration, in TagList model) => _queueDuration.Record(duration.TotalSeconds, model);

    internal void Ran(TimeSpan duration, int batchSize, in TagList model)
    {
        _runDuration.Record(duration.TotalSeconds, model);
        _batchSize.Record(batchSize, model);
    }

    internal void Rejected(string reason, int count, TagList model)
    {
        model.Add("reason", reason);
        _rejected.Add(count, model);
    }
}
