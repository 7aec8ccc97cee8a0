namespace Affect.Audio;

/// <summary>A part of a signal that is scored as one, in samples.</summary>
/// <param name="Start">First sample.</param>
/// <param name="Length">Shorter than a window only if the whole signal is; the rest is padded with zeros.</param>
public readonly record struct Window(int Start, int Length);

/// <summary>Cuts a signal at <see cref="FeatureExtractor.SampleRate"/> into the windows that models score.</summary>
/// <remarks>
/// A window starts on the frame grid (a multiple of <see cref="FeatureExtractor.HopLength"/> samples), at most 23 ms before its
/// nominal start: windows that overlap then share their frames. The last window ends with the signal and may lie off the grid.
/// </remarks>
public static class Windowing
{
    /// <summary>Default length of a window in samples: 3 s.</summary>
    public const int Length = 3 * FeatureExtractor.SampleRate;

    /// <summary>Default hop in samples: 1 s.</summary>
    public const int DefaultHop = FeatureExtractor.SampleRate;

    /// <summary>Minimum length of a signal in samples: 0.25 s.</summary>
    public const int MinLength = (FeatureExtractor.SampleRate + 3) / 4;

    /// <summary>First sample of the window with this index, unless it is the last: <c>index · hop</c>, rounded down to the frame grid.</summary>
    public static long Start(long index, int hop) => index * hop / FeatureExtractor.HopLength * FeatureExtractor.HopLength;

    /// <summary>The window with an index; null if its samples are not complete yet, or if the signal has fewer windows.</summary>
    /// <param name="index">Counts from 0.</param>
    /// <param name="samples">Samples of the signal so far.</param>
    /// <param name="complete">True if no samples follow: only then is it known which window is the last.</param>
    /// <param name="length">Length of a window, positive.</param>
    /// <param name="hop">Distance between the nominal starts of two windows, positive.</param>
    public static (long Start, int Length)? At(long index, long samples, bool complete, int length, int hop)
    {
        // If samples follow the window, it is not the last one.
        if ((index * hop) + length < samples)
            return (Start(index, hop), length);
        if (!complete || samples == 0)
            return null;
        if (samples <= length)
            return index == 0 ? (0, (int)samples) : null;
        var last = samples - length;
        return (index - 1) * hop < last ? (last, length) : null;
    }

    /// <summary>
    /// The windows of a signal, in order. The last one ends with the signal, so that its tail is scored; it may overlap its
    /// predecessor by more than the others do. Empty for an empty signal.
    /// </summary>
    /// <param name="samples">Length of the signal.</param>
    /// <param name="length">Length of a window, positive.</param>
    /// <param name="hop">Distance between the nominal starts of two windows, positive.</param>
    public static IReadOnlyList<Window> Over(int samples, int length = Length, int hop = DefaultHop)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(samples);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(hop);
        var windows = new List<Window>();
        while (At(windows.Count, samples, complete: true, length, hop) is { } window)
            windows.Add(new Window((int)window.Start, window.Length));
        return windows;
    }
}
