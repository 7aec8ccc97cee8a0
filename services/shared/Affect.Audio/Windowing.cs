namespace Affect.Audio;

/// <summary>A stretch of a signal that is judged as one, in samples.</summary>
/// <param name="Start">Its first sample.</param>
/// <param name="Length">Less than a window's only where the whole signal is; the rest is then padded with zeros.</param>
public readonly record struct Window(int Start, int Length);

/// <summary>How a signal at <see cref="FeatureExtractor.SampleRate"/> is cut into the windows that the models judge.</summary>
public static class Windowing
{
    /// <summary>Samples of a window, unless said otherwise: 3 s.</summary>
    public const int Length = 3 * FeatureExtractor.SampleRate;

    /// <summary>Samples from one window to the next, unless said otherwise: 1 s.</summary>
    public const int DefaultHop = FeatureExtractor.SampleRate;

    /// <summary>A signal of fewer samples (0.25 s) is too short to be judged.</summary>
    public const int MinLength = (FeatureExtractor.SampleRate + 3) / 4;

    /// <summary>
    /// The windows over a signal, in order. The last one ends where the signal ends, so that its tail is not
    /// lost; it may overlap the one before by more than the others do. None if there are no samples.
    /// </summary>
    /// <param name="samples">Samples of the signal.</param>
    /// <param name="length">Samples of a window, positive.</param>
    /// <param name="hop">Samples from one window to the next, positive.</param>
    public static IReadOnlyList<Window> Over(int samples, int length = Length, int hop = DefaultHop)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(samples);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(hop);
        if (samples == 0)
            return [];
        if (samples <= length)
            return [new Window(0, samples)];

        var last = samples - length;
        var windows = new List<Window>((last / hop) + 2);
        for (var start = 0L; start < last; start += hop)
            windows.Add(new Window((int)start, length));
        windows.Add(new Window(last, length));
        return windows;
    }
}
