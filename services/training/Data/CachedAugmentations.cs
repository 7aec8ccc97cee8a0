using Affect.Emotions;

namespace Affect.Training.Data;

/// <summary>
/// Samples with a fixed number of augmented versions that are computed on first use and cached, because audio augmentation and
/// feature extraction cost more than training a small network. Each access draws one of the versions.
/// </summary>
internal sealed class CachedAugmentations(Samples samples, int versions) : Samples
{
    // Half the memory of float32; the rounding is below the noise of the features.
    private readonly Half[]?[] _cache = new Half[]?[samples.Count * versions];

    public override int Count => samples.Count;

    public override Emotion Label(int index) => samples.Label(index);

    public override string Speaker(int index) => samples.Speaker(index);

    public override int? AuxiliaryLabel(int index) => samples.AuxiliaryLabel(index);

    public override void Target(int index, Span<float> target) => samples.Target(index, target);

    public override IEnumerable<float[]> Windows(int index) => samples.Windows(index);

    public override ReadOnlySpan<byte> Content(int index) => samples.Content(index);

    public override void Fill(int index, Augmentation? augmentation, Span<float> destination)
    {
        if (augmentation is not { } change)
        {
            samples.Fill(index, null, destination);
            return;
        }
        var version = change.Random.Next(versions);
        ref var cached = ref _cache[index * versions + version];
        if (cached is null)
        {
            samples.Fill(index, change with { Random = new(Seeds.Mix(index, version)) }, destination);
            cached = new Half[destination.Length];
            System.Numerics.Tensors.TensorPrimitives.ConvertToHalf(destination, cached);
        }
        System.Numerics.Tensors.TensorPrimitives.ConvertToSingle(cached, destination);
    }
}
