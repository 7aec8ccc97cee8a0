using System.Diagnostics.Metrics;

namespace Affect.Features;

/// <summary>The metrics of the service.</summary>
internal sealed class FeaturesMetrics
{
    // From one window (about a millisecond) to a file that takes DecodeTimeout.
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
            "affect.features.decode.duration", "s", "Time to decode one audio file and detect its voice activity.", null, advice);
        _extraction = meter.CreateHistogram(
            "affect.features.extract.duration", "s",
            "Time to extract the features of one window (kind: speech), or to decode one picture and crop its faces (kind: faces).", null, advice);
        _faces = meter.CreateCounter<long>("affect.features.faces", "{face}", "Faces found in pictures.");
    }

    public void Decoded(TimeSpan elapsed) => _decoding.Record(elapsed.TotalSeconds);

    /// <summary>Records the mean time of windows that were extracted together.</summary>
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
