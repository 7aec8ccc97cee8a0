using Affect.Audio;

namespace Affect.Features.Audio;

/// <summary>One channel of a decoded clip with its segments of speech.</summary>
internal sealed class SpeechClip
{
    private readonly ReadOnlyMemory<float> _samples;

    /// <param name="audio">The file; the clip takes over the memory of the channel. Voice activity is detected at its own rate, as in a call.</param>
    /// <param name="channel">Index of the channel.</param>
    public SpeechClip(AudioBuffer audio, int channel = 0)
    {
        var speech = VoiceActivityDetector.Detect(audio.Channel(channel), audio.SampleRate);
        _samples = audio.Resample(channel, FeatureExtractor.SampleRate);
        Segments = _samples.Length < Windowing.MinLength ? [] : [.. speech.Select(To22050)];

        SpeechSegment To22050(SpeechSegment segment) => new(
            segment.Start * FeatureExtractor.SampleRate / audio.SampleRate, segment.End * FeatureExtractor.SampleRate / audio.SampleRate);
    }

    public TimeSpan Duration => Time(_samples.Length);

    /// <summary>Segments of speech in the order of time; empty if the clip is too short to be scored.</summary>
    public IReadOnlyList<SpeechSegment> Segments { get; }

    /// <summary>Time of a sample at 22,050 Hz.</summary>
    public static TimeSpan Time(long sample) => TimeSpan.FromSeconds((double)sample / FeatureExtractor.SampleRate);

    /// <summary>
    /// The windows in the order of time: one per hop, and a last one that ends with the clip. A clip shorter than a window is one
    /// window; a clip without speech has no windows.
    /// </summary>
    public IReadOnlyList<Window> Windows(TimeSpan length, TimeSpan hop) =>
        Segments.Count == 0 ? [] : Windowing.Over(_samples.Length, Samples(length), Samples(hop));

    /// <summary>True if a segment of speech overlaps the window.</summary>
    public bool HasSpeech(Window window) =>
        Segments.Any(segment => segment.Start < window.Start + window.Length && segment.End > window.Start);

    /// <summary>Creates an extractor of the windows, which must be extracted in the order of time. Shorter clips are padded with silence, as in training.</summary>
    public ClipFeatureExtractor CreateExtractor(TimeSpan length, FeatureSet set) => new(_samples, new(set, Samples(length)));

    /// <summary>Number of samples at 22,050 Hz.</summary>
    public static int Samples(TimeSpan time) => (int)Math.Round(time.TotalSeconds * FeatureExtractor.SampleRate);
}

/// <summary>Extracts the features of the windows of one clip.</summary>
internal sealed class ClipFeatureExtractor(ReadOnlyMemory<float> clip, SlidingFeatureExtractor extractor)
{
    /// <summary>The features of a window: [frame][feature].</summary>
    public float[] Extract(Window window)
    {
        var features = new float[extractor.FeatureLength];
        extractor.Extract(window.Start, window.Length, (first, samples) => clip.Span.Slice((int)first, samples.Length).CopyTo(samples), features);
        return features;
    }
}
