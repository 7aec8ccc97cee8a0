using Affect.Audio;

namespace Affect.Features.Audio;

/// <summary>A decoded clip and where somebody speaks in it.</summary>
internal sealed class SpeechClip
{
    private readonly float[] _samples;

    /// <param name="audio">All channels of it count alike. Voices are found at its own rate, as in a call.</param>
    public SpeechClip(AudioBuffer audio)
    {
        var mono = audio.ToMono();
        _samples = Resampler.Resample(mono, audio.SampleRate, FeatureExtractor.SampleRate);
        Segments = _samples.Length < Windowing.MinLength
            ? []
            : [.. VoiceActivityDetector.Detect(mono, audio.SampleRate).Select(At22050)];

        SpeechSegment At22050(SpeechSegment segment) => new(
            segment.Start * FeatureExtractor.SampleRate / audio.SampleRate, segment.End * FeatureExtractor.SampleRate / audio.SampleRate);
    }

    public TimeSpan Duration => Time(_samples.Length);

    /// <summary>Where somebody speaks, in the order of time. Nobody does in a clip that is too short to be judged.</summary>
    public IReadOnlyList<SpeechSegment> Segments { get; }

    /// <summary>When a sample sounds.</summary>
    public static TimeSpan Time(long sample) => TimeSpan.FromSeconds((double)sample / FeatureExtractor.SampleRate);

    /// <summary>
    /// The clip's windows in the order of time: one each hop, and a last one that ends with the clip. A clip
    /// that is shorter than a window is one window; one without voice has none.
    /// </summary>
    public IReadOnlyList<Window> Windows(TimeSpan length, TimeSpan hop) =>
        Segments.Count == 0 ? [] : Windowing.Over(_samples.Length, Samples(length), Samples(hop));

    /// <summary>Whether a stretch of voice reaches into the window.</summary>
    public bool HasSpeech(Window window) =>
        Segments.Any(segment => segment.Start < window.Start + window.Length && segment.End > window.Start);

    /// <summary>The features of windows, to be asked for in the order of time. Shorter clips are padded with silence, as in training.</summary>
    public ClipWindows Slide(TimeSpan length, FeatureSet set) => new(_samples, new(set, Samples(length)));

    /// <summary>Samples in a time.</summary>
    public static int Samples(TimeSpan time) => (int)Math.Round(time.TotalSeconds * FeatureExtractor.SampleRate);
}

/// <summary>Extracts the features of the windows of one clip.</summary>
internal sealed class ClipWindows(float[] clip, SlidingFeatureExtractor extractor)
{
    /// <summary>[frame][feature].</summary>
    public float[] Extract(Window window)
    {
        var features = new float[extractor.FeatureLength];
        extractor.Extract(window.Start, window.Length, (first, samples) => clip.AsSpan((int)first, samples.Length).CopyTo(samples), features);
        return features;
    }
}
