using Affect.Inference;
using Affect.Training.Data;

namespace Affect.UnitTests.Training;

public sealed class SpecAugmentTests
{
    private const int Frames = 130, Bands = 128;

    [Fact]
    public void SpecAugmentApply_WithoutMelBands_MasksTimeOnly()
    {
        const int Count = 42;
        var before = Enumerable.Range(0, Frames * Count).Select(i => MathF.Sin(i)).ToArray();
        var masked = 0;
        for (var seed = 0; seed < 20; seed++)
        {
            var after = before.ToArray();

            SpecAugment.Apply(new Random(seed), after, Count, FeatureKind.MfccZcrRms);

            var changed = Enumerable.Range(0, Frames).Count(
                frame => !after.AsSpan(frame * Count, Count).SequenceEqual(before.AsSpan(frame * Count, Count)));
            Assert.InRange(changed, 0, 2 * 15);
            masked += changed > 0 ? 1 : 0;
        }
        Assert.InRange(masked, 5, 19); // two in three on average
    }

    [Fact]
    public void SpecAugmentApply_SpectralLine_MovesWithinLimits()
    {
        const int Line = 40;
        var moved = 0;
        for (var seed = 0; seed < 50; seed++)
        {
            var values = new float[Frames * Bands];
            for (var frame = 0; frame < Frames; frame++)
                values[frame * Bands + Line] = 60;

            SpecAugment.Apply(new Random(seed), values, Bands, FeatureKind.LogMel);

            // 10 % and 3 bands plus interpolation; tilt and filter add at most 3 dB each.
            Assert.All(values, value => Assert.InRange(value, -6.01f, 66.01f));
            for (var frame = 0; frame < Frames; frame++)
                for (var band = 0; band < Bands; band++)
                    if (band is < (int)((Line - 3) / 1.1f) - 1 or > (int)((Line + 3) / 0.9f) + 1)
                        Assert.InRange(values[frame * Bands + band], -6.01f, 6.01f);
            moved += Enumerable.Range(0, Bands).MaxBy(band => values[Frames / 2 * Bands + band]) != Line ? 1 : 0;
        }
        Assert.InRange(moved, 25, 50);
    }

    [Fact]
    public void SpecAugmentApply_SameSeed_IsDeterministic()
    {
        var (first, second) = (Noise(), Noise());

        SpecAugment.Apply(new Random(3), first, Bands, FeatureKind.LogMel);
        SpecAugment.Apply(new Random(3), second, Bands, FeatureKind.LogMel);

        Assert.Equal(first, second);
        Assert.NotEqual(Noise(), first);

        static float[] Noise()
        {
            var random = new Random(1);
            return [.. Enumerable.Range(0, Frames * Bands).Select(_ => 80 * random.NextSingle() - 80)];
        }
    }
}
