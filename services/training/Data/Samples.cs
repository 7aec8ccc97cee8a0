using System.Security.Cryptography;
using Affect.Emotions;

namespace Affect.Training.Data;

/// <summary>Labelled samples of one part of a data set. Safe to read from several threads.</summary>
internal abstract class Samples
{
    /// <summary>Number of samples.</summary>
    public abstract int Count { get; }

    /// <summary>The label of a sample.</summary>
    public abstract Emotion Label(int index);

    /// <summary>Who speaks; "" where that is not known.</summary>
    public virtual string Speaker(int index) => "";

    /// <summary>What else its corpus says of a sample, below <see cref="SpeechCorpora.Details"/>; null where it says no more than the label.</summary>
    public virtual int? Detail(int index) => null;

    /// <summary>Writes what is to be learnt of a sample: a probability for each emotion. The label, unless told otherwise.</summary>
    public virtual void Target(int index, Span<float> target)
    {
        target.Clear();
        target[(int)Label(index)] = 1;
    }

    /// <summary>Writes a sample's features, neither shifted nor scaled.</summary>
    /// <param name="index">From 0 to <see cref="Count"/>.</param>
    /// <param name="augmentation">Changes the sample at random; null leaves it as it is.</param>
    /// <param name="destination">As long as the model's input.</param>
    public abstract void Fill(int index, Augmentation? augmentation, Span<float> destination);

    /// <summary>All that a service would judge of a sample, whose scores it would then average.</summary>
    public abstract IEnumerable<float[]> Windows(int index);

    /// <summary>The pixels or the sound that a sample was read as, to tell whether two are the same; empty where that cannot be told.</summary>
    public virtual ReadOnlySpan<byte> Content(int index) => [];
}

/// <summary>Samples whose targets are, in part, what others believe of them.</summary>
/// <param name="samples">The samples.</param>
/// <param name="beliefs">A probability for each emotion, or null where nobody knows.</param>
/// <param name="share">How much of the target the belief makes, [0, 1].</param>
internal sealed class SoftLabels(Samples samples, IReadOnlyList<float[]?> beliefs, double share) : Samples
{
    public override int Count => samples.Count;

    public override Emotion Label(int index) => samples.Label(index);

    public override string Speaker(int index) => samples.Speaker(index);

    public override void Fill(int index, Augmentation? augmentation, Span<float> destination) => samples.Fill(index, augmentation, destination);

    public override IEnumerable<float[]> Windows(int index) => samples.Windows(index);

    public override ReadOnlySpan<byte> Content(int index) => samples.Content(index);

    public override void Target(int index, Span<float> target)
    {
        samples.Target(index, target);
        if (beliefs[index] is { } belief)
            for (var i = 0; i < target.Length; i++)
                target[i] = (float)((1 - share) * target[i] + share * belief[i]);
    }
}

/// <summary>Where changes of a sample draw from, and whether they are slight or as strong as can be learnt from.</summary>
internal readonly record struct Augmentation(Random Random, bool Gentle = false);

/// <summary>
/// The three parts: weights learn from one, choices are made on the next, figures come from the last, whose
/// corpora <paramref name="Data"/> names.
/// </summary>
internal sealed record DataSet(string Protocol, string Data, Samples Train, Samples Validation, Samples Test)
{
    /// <summary>
    /// Finds the test samples that also lie in the training part, value for value: a model may know them by heart.
    /// FER2013's official parts hold some, so figures are given with and without them.
    /// </summary>
    /// <returns>Indices into <see cref="Test"/>. Computed at each call: all of both parts is read and hashed.</returns>
    public IReadOnlySet<int> Repeated()
    {
        var learnt = Enumerable.Range(0, Train.Count).Select(i => Digest(Train, i)).OfType<string>().ToHashSet();
        return Enumerable.Range(0, Test.Count).Where(i => Digest(Test, i) is { } digest && learnt.Contains(digest)).ToHashSet();
    }

    private static string? Digest(Samples samples, int index) =>
        samples.Content(index) is { Length: > 0 } content ? Convert.ToHexString(SHA256.HashData(content)) : null;
}

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
