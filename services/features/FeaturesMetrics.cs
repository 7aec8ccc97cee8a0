using System.Diagnostics.Metrics;

namespace Affect.Features;

/// <summary>Every metric of the service, named and explained once.</summary>
internal sealed class FeaturesMetrics
{
    private readonly Histogram<double> _decoding;
    private readonly Histogram<double> _extraction;
    private readonly Counter<long> _faces;

    public FeaturesMetrics(IMeterFactory meters)
    {
        var meter = meters.Create("Affect.Features");
        _decoding = meter.CreateHistogram<double>(
            "affect.features.decode.duration", "s", "Time from an audio file's bytes to its samples and segments of voice.");
        _extraction = meter.CreateHistogram<double>(
            "affect.features.extract.duration", "s", "Time to make the features of one window (kind: speech), or to decode one picture and find and cut out its faces (kind: faces).");
        _faces = meter.CreateCounter<long>(
            "affect.features.faces", "{face}", "Faces found in pictures.");
    }

    public void Decoded(TimeSpan elapsed) => _decoding.Record(elapsed.TotalSeconds);

    public void WindowExtracted(TimeSpan elapsed) =>
        _extraction.Record(elapsed.TotalSeconds, new KeyValuePair<string, object?>("kind", "speech"));

    public void FacesExtracted(TimeSpan elapsed, int faces)
    {
        _extraction.Record(elapsed.TotalSeconds, new KeyValuePair<string, object?>("kind", "faces"));
        _faces.Add(faces);
    }
}
