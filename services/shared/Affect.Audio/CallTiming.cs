namespace Affect.Audio;

/// <summary>
/// Relation of the samples, ticks and windows of a call. Features reports by it, and fusion keeps the audio that features may need again.
/// </summary>
public static class CallTiming
{
    /// <summary>Ticks per second: the unit in which speech and power are reported.</summary>
    public const int TickRate = 100;

    /// <summary>Audio before the position at which a call continues, with which voice activity detection starts.</summary>
    public static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(2);

    /// <summary>First sample of a tick.</summary>
    /// <param name="tick">Index of the tick.</param>
    /// <param name="rate">Sample rate of the call in hertz.</param>
    public static long FirstSample(long tick, int rate) => tick * rate / TickRate;

    /// <summary>First sample of the call that a window needs.</summary>
    /// <param name="start">First sample of the window at 22,050 Hz.</param>
    /// <param name="rate">Sample rate of the call in hertz.</param>
    public static long FirstNeeded(long start, int rate) => Math.Max(0, (start * rate / FeatureExtractor.SampleRate) - Reach(rate));

    /// <summary>One past the last sample of the call that a window needs.</summary>
    /// <param name="end">End of the window at 22,050 Hz.</param>
    /// <param name="rate">Sample rate of the call in hertz.</param>
    public static long EndNeeded(long end, int rate) => (end * rate / FeatureExtractor.SampleRate) + Reach(rate) + 1;

    /// <summary>Samples that the resampler reads beyond a window: 25 ms suffice at every rate.</summary>
    private static int Reach(int rate) => rate / 40;
}
