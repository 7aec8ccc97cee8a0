using System.Security.Cryptography;
using Affect.Emotions;

namespace Affect.Training.Data;

/// <summary>Labeled samples of one part of a data set. Thread-safe.</summary>
internal abstract class Samples
{
    /// <summary>Number of samples.</summary>
    public abstract int Count { get; }

    /// <summary>The label of a sample.</summary>
    public abstract Emotion Label(int index);

    /// <summary>The speaker; "" if unknown.</summary>
    public virtual string Speaker(int index) => "";

    /// <summary>Label of the auxiliary task, below <see cref="SpeechCorpora.AuxiliaryClasses"/>; null if the corpus has none.</summary>
    public virtual int? AuxiliaryLabel(int index) => null;

    /// <summary>Writes the target of a sample, one probability per emotion; by default one-hot.</summary>
    public virtual void Target(int index, Span<float> target)
    {
        target.Clear();
        target[(int)Label(index)] = 1;
    }

    /// <summary>Writes the features of a sample, without normalization.</summary>
    /// <param name="index">From 0 to <see cref="Count"/>.</param>
    /// <param name="augmentation">The augmentation, or null.</param>
    /// <param name="destination">The model input.</param>
    public abstract void Fill(int index, Augmentation? augmentation, Span<float> destination);

    /// <summary>The windows of a sample that the services score and average.</summary>
    public abstract IEnumerable<float[]> Windows(int index);

    /// <summary>Pixels or audio of a sample, to detect duplicates; empty if not available.</summary>
    public virtual ReadOnlySpan<byte> Content(int index) => [];
}

/// <summary>Samples with soft labels: the weighted mean of the targets and given probabilities.</summary>
/// <param name="samples">The samples.</param>
/// <param name="probabilities">One probability per emotion, or null for samples without a soft label.</param>
/// <param name="weight">Weight of the probabilities, [0, 1].</param>
internal sealed class SoftLabels(Samples samples, IReadOnlyList<float[]?> probabilities, double weight) : Samples
{
    public override int Count => samples.Count;

    public override Emotion Label(int index) => samples.Label(index);

    public override string Speaker(int index) => samples.Speaker(index);

    public override void Fill(int index, Augmentation? augmentation, Span<float> destination) =>
        samples.Fill(index, augmentation, destination);

    public override IEnumerable<float[]> Windows(int index) => samples.Windows(index);

    public override ReadOnlySpan<byte> Content(int index) => samples.Content(index);

    public override void Target(int index, Span<float> target)
    {
        samples.Target(index, target);
        if (probabilities[index] is { } soft)
            for (var i = 0; i < target.Length; i++)
                target[i] = (float)((1 - weight) * target[i] + weight * soft[i]);
    }
}

/// <summary>Random source and strength of an augmentation.</summary>
internal readonly record struct Augmentation(Random Random, bool Weak = false);

/// <summary>Training, validation and test samples of a protocol. <paramref name="Data"/> names the corpora of the test part.</summary>
internal sealed record DataSet(string Protocol, string Data, Samples Train, Samples Validation, Samples Test)
{
    /// <summary>
    /// Finds the test samples whose content is identical to a training sample. FER2013's official split has some, so metrics
    /// are given with and without them.
    /// </summary>
    /// <returns>Indices into <see cref="Test"/>. Each call hashes both parts.</returns>
    public IReadOnlySet<int> DuplicateTestIndices()
    {
        var training = Enumerable.Range(0, Train.Count).Select(i => Digest(Train, i)).OfType<string>().ToHashSet();
        return Enumerable.Range(0, Test.Count).Where(i => Digest(Test, i) is { } digest && training.Contains(digest)).ToHashSet();
    }

    private static string? Digest(Samples samples, int index) =>
        samples.Content(index) is { Length: > 0 } content ? Convert.ToHexString(SHA256.HashData(content)) : null;
}

/// <summary>Deterministic random seeds, equal on every machine.</summary>
internal static class Seeds
{
    /// <summary>Hashes numbers to a seed (SplitMix64, Steele et al. 2014).</summary>
    public static int Mix(params ReadOnlySpan<long> numbers)
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

    /// <summary>Hashes the id of a sample to a seed.</summary>
    public static int Of(string id) => Mix([.. id.Select(character => (long)character)]);
}
