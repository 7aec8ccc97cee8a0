using Affect.Audio;

namespace Affect.Features;

/// <summary>One window of a clip, in samples.</summary>
/// <param name="Start">Its first sample.</param>
/// <param name="End">The sample behind its last.</param>
/// <param name="HasSpeech">Whether a stretch of voice reaches into it.</param>
internal readonly record struct ClipWindow(int Start, int End, bool HasSpeech);

/// <summary>A decoded clip and where somebody speaks in it.</summary>
internal sealed class SpeechClip
{
    /// <summary>Shorter clips have no windows: what is shorter than a syllable shows no emotion.</summary>
    public static readonly TimeSpan MinDuration = TimeSpan.FromSeconds(0.25);

    private readonly float[] _samples;

    /// <summary>Takes ownership of the samples: one channel at <see cref="FeatureExtractor.SampleRate"/>.</summary>
    public SpeechClip(float[] samples)
    {
        _samples = samples;
        Segments = Duration < MinDuration ? [] : VoiceActivityDetector.Detect(samples, FeatureExtractor.SampleRate);
    }

    public TimeSpan Duration => Time(_samples.Length);

    /// <summary>Where somebody speaks, in the order of time.</summary>
    public IReadOnlyList<SpeechSegment> Segments { get; }

    /// <summary>When a sample sounds.</summary>
    public static TimeSpan Time(long sample) => TimeSpan.FromSeconds((double)sample / FeatureExtractor.SampleRate);

    /// <summary>
    /// The clip's windows in the order of time: one each hop, and a last one that ends with the clip. A clip
    /// that is shorter than a window is one window; one without voice has none.
    /// </summary>
    public IEnumerable<ClipWindow> Windows(TimeSpan length, TimeSpan hop)
    {
        if (Segments.Count == 0)
            yield break;

        var lengthSamples = Samples(length);
        var hopSamples = Samples(hop);
        var last = Math.Max(0, _samples.Length - lengthSamples);
        for (var start = 0; start < last; start += hopSamples)
            yield return Window(start);
        yield return Window(last);

        ClipWindow Window(int start)
        {
            var end = Math.Min(start + lengthSamples, _samples.Length);
            return new ClipWindow(start, end, Segments.Any(segment => segment.Start < end && segment.End > start));
        }

        static int Samples(TimeSpan time) => (int)Math.Round(time.TotalSeconds * FeatureExtractor.SampleRate);
    }

    /// <summary>The features of a window, [frame][feature].</summary>
    public float[] Extract(ClipWindow window, FeatureSet set)
    {
        var samples = _samples.AsSpan(window.Start..window.End);
        var features = new float[FeatureExtractor.FrameCount(samples.Length) * FeatureExtractor.FeatureCount(set)];
        FeatureExtractor.Extract(samples, set, features);
        return features;
    }
}
