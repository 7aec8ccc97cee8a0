using System.Diagnostics.Metrics;

namespace Affect.Features;

/// <summary>Every metric of the service, named and explained once.</summary>
internal sealed class FeaturesMetrics
{
    // From a window, which takes about a millisecond, to a file that takes all that it may.
    private static readonly double[] Seconds =
        [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

    private readonly Histogram<double> _decoding;
    private readonly Histogram<double> _extraction;
    private readonly Counter<long> _faces;

    public FeaturesMetrics(IMeterFactory meters)
    {
        var meter = meters.Create("Affect.Features");
        var advice = new InstrumentAdvice<double> { HistogramBucketBoundaries = Seconds };
        _decoding = meter.CreateHistogram(
            "affect.features.decode.duration", "s", "From an audio file's bytes to its samples and segments of voice.", null, advice);
        _extraction = meter.CreateHistogram(
            "affect.features.extract.duration", "s",
            "Making the features of one window (kind: speech), or decoding one picture and cutting out its faces (kind: faces).", null, advice);
        _faces = meter.CreateCounter<long>("affect.features.faces", "{face}", "Faces that were found in pictures.");
    }

    public void Decoded(TimeSpan elapsed) => _decoding.Record(elapsed.TotalSeconds);

    /// <summary>Records the time of each of several windows that were extracted together.</summary>
    public void WindowsExtracted(TimeSpan elapsed, int windows)
    {
        for (var i = 0; i < windows; i++)
            _extraction.Record(elapsed.TotalSeconds / windows, new KeyValuePair<string, object?>("kind", "speech"));
    }

    public void FacesExtracted(TimeSpan elapsed, int faces)
    {
        _extraction.Record(elapsed.TotalSeconds, new KeyValuePair<string, object?>("kind", "faces"));
        _faces.Add(faces);
    }
}
