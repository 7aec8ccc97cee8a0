namespace Affect.Training.Data;

/// <summary>Masks of SpecAugment (Park et al. 2019) over features [frames, count]: what is masked shows its mean over time.</summary>
internal static class SpecAugment
{
    private const int LongestTime = 16, WidestBand = 16;

    /// <summary>Up to two stretches of up to 0.35 s, and up to two bands of up to 16 where <paramref name="bands"/> says so.</summary>
    public static void Apply(Random random, Span<float> frames, int count, bool bands)
    {
        var total = frames.Length / count;
        var mean = new float[count];
        for (var i = 0; i < frames.Length; i++)
            mean[i % count] += frames[i] / total;
        for (var mask = random.Next(3); mask > 0; mask--)
        {
            var span = random.Next(1, LongestTime);
            var start = random.Next(total - span);
            for (var frame = start; frame < start + span; frame++)
                mean.CopyTo(frames.Slice(frame * count, count));
        }
        for (var mask = bands ? random.Next(3) : 0; mask > 0; mask--)
        {
            var span = random.Next(1, WidestBand + 1);
            var start = random.Next(count - span);
            for (var frame = 0; frame < total; frame++)
                mean.AsSpan(start, span).CopyTo(frames.Slice(frame * count + start, span));
        }
    }
}
