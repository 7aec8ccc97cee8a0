using Affect.Emotions;

namespace Affect.Training.Data;

/// <summary>Labelled samples of one part of a data set. Safe to read from several threads.</summary>
internal abstract class Samples
{
    /// <summary>Number of samples.</summary>
    public abstract int Count { get; }

    /// <summary>The label of a sample.</summary>
    public abstract Emotion Label(int index);

    /// <summary>Writes a sample's features, neither shifted nor scaled.</summary>
    /// <param name="index">From 0 to <see cref="Count"/>.</param>
    /// <param name="augmentation">Changes the sample at random; null leaves it as it is.</param>
    /// <param name="destination">As long as the model's input.</param>
    public abstract void Fill(int index, Augmentation? augmentation, Span<float> destination);

    /// <summary>All that a service would judge of a sample, whose scores it would then average.</summary>
    public abstract IEnumerable<float[]> Windows(int index);
}

/// <summary>Where changes of a sample draw from, and whether they are slight or as strong as can be learnt from.</summary>
internal readonly record struct Augmentation(Random Random, bool Gentle = false);

/// <summary>
/// The three parts: weights learn from one, choices are made on the next, figures come from the last, whose
/// corpora <paramref name="Data"/> names.
/// </summary>
internal sealed record DataSet(string Protocol, string Data, Samples Train, Samples Validation, Samples Test);

/// <summary>Numbers that look random and depend on their arguments alone, the same on every machine.</summary>
internal static class Seeds
{
    /// <summary>Mixes numbers to a seed (SplitMix64, Steele et al. 2014).</summary>
    public static int Of(params ReadOnlySpan<long> numbers)
    {
        var state = 0ul;
        foreach (var number in numbers)
        {
            state = (state ^ (ulong)number) + 0x9E3779B97F4A7C15ul;
            state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9ul;
            state = (state ^ (state >> 27)) * 0x94D049BB133111EBul;
            state ^= state >> 31;
        }
        return (int)(state & int.MaxValue);
    }
}
