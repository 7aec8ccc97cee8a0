using Affect.Training.Data;

namespace Affect.UnitTests.Training;

public sealed class SpecAugmentTests
{
    private const int Frames = 130, Bands = 128;

    [Fact]
    public void What_is_no_band_is_masked_in_time_alone()
    {
        const int Count = 42;
        var before = Enumerable.Range(0, Frames * Count).Select(i => MathF.Sin(i)).ToArray();
        var masked = 0;
        for (var seed = 0; seed < 20; seed++)
        {
            var after = before.ToArray();

            SpecAugment.Apply(new Random(seed), after, Count, bands: false);

            var changed = Enumerable.Range(0, Frames).Count(frame => !after.AsSpan(frame * Count, Count).SequenceEqual(before.AsSpan(frame * Count, Count)));
            Assert.InRange(changed, 0, 2 * 15);
            masked += changed > 0 ? 1 : 0;
        }
        Assert.InRange(masked, 5, 19); // two times in three, and not always
    }

    [Fact]
    public void A_line_in_a_spectrogram_moves_by_no_more_than_another_voice_would_move_it()
    {
        const int Line = 40;
        var moved = 0;
        for (var seed = 0; seed < 50; seed++)
        {
            var values = new float[Frames * Bands];
            for (var frame = 0; frame < Frames; frame++)
                values[frame * Bands + Line] = 60;

            SpecAugment.Apply(new Random(seed), values, Bands, bands: true);

            // 10 % and 3 bands, and the neighbours that interpolation reaches; tilt and curve add 3 dB each at most, up or down.
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
    public void The_same_random_numbers_change_it_the_same_way()
    {
        var (first, second) = (Noise(), Noise());

        SpecAugment.Apply(new Random(3), first, Bands, bands: true);
        SpecAugment.Apply(new Random(3), second, Bands, bands: true);

        Assert.Equal(first, second);
        Assert.NotEqual(Noise(), first);

        static float[] Noise()
        {
            var random = new Random(1);
            return [.. Enumerable.Range(0, Frames * Bands).Select(_ => 80 * random.NextSingle() - 80)];
        }
    }
}
