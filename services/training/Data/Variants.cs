using Affect.Emotions;

namespace Affect.Training.Data;

/// <summary>
/// Samples of which a number of augmented versions are computed once, when first asked for, and kept: sound costs more to
/// change and to analyse than a small network costs to train. Which version is taken is drawn anew each time.
/// </summary>
internal sealed class Variants(Samples samples, int count) : Samples
{
    // Half the memory of float32, and finer than any noise in the features.
    private readonly Half[]?[] _kept = new Half[]?[samples.Count * count];

    public override int Count => samples.Count;

    public override Emotion Label(int index) => samples.Label(index);

    public override string Speaker(int index) => samples.Speaker(index);

    public override int? Detail(int index) => samples.Detail(index);

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
        var variant = change.Random.Next(count);
        ref var kept = ref _kept[index * count + variant];
        if (kept is null)
        {
            samples.Fill(index, change with { Random = new(Seeds.Of(index, variant)) }, destination);
            kept = new Half[destination.Length];
            System.Numerics.Tensors.TensorPrimitives.ConvertToHalf(destination, kept);
        }
        System.Numerics.Tensors.TensorPrimitives.ConvertToSingle(kept, destination);
    }
}
