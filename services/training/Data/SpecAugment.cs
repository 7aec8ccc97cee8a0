namespace Affect.Training.Data;

/// <summary>
/// Changes features [frames, count] at random: masks (SpecAugment, Park et al. 2019), where what is masked shows its mean over
/// time; and of bands on the mel scale first another voice (vocal tract length perturbation, Jaitly and Hinton
/// 2013), tempo and line (filter augmentation, Nam et al. 2022).
/// </summary>
internal static class SpecAugment
{
    private const int LongestTime = 16, WidestBand = 16;

    /// <summary>Up to two stretches of up to 0.35 s, and where <paramref name="bands"/> says so another voice and up to two bands of up to 16.</summary>
    public static void Apply(Random random, Span<float> frames, int count, bool bands)
    {
        if (bands)
        {
            Warp(random, frames, count);
            Filter(random, frames, count);
        }
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

    // Bands wider or narrower by up to 10 % and moved by up to 3; time by up to 15 %, moved by up to 0.25 s;
    // up to 6 dB more or less at the highest band than at the lowest.
    private static void Warp(Random random, Span<float> frames, int count)
    {
        var source = frames.ToArray();
        var total = frames.Length / count;
        var (bandScale, bandShift) = (Between(random, 0.9f, 1.1f), Between(random, -3, 3));
        var (timeScale, timeShift) = (Between(random, 0.85f, 1.15f), Between(random, -11, 11));
        var tilt = Between(random, -6, 6);
        var centre = total / 2f;
        for (var frame = 0; frame < total; frame++)
        {
            var (row, down) = Place((frame - centre) * timeScale + centre + timeShift, total);
            for (var band = 0; band < count; band++)
            {
                var (column, right) = Place(band * bandScale + bandShift, count);
                var at = row * count + column;
                var upper = source[at] + right * (source[at + 1] - source[at]);
                var lower = source[at + count] + right * (source[at + count + 1] - source[at + count]);
                frames[frame * count + band] = upper + down * (lower - upper) + tilt * ((float)band / count - 0.5f);
            }
        }
    }

    // A curve through three to six gains of up to 3 dB, spread evenly over the bands.
    private static void Filter(Random random, Span<float> frames, int count)
    {
        const float Gain = 3;
        var gains = new float[random.Next(3, 7)];
        foreach (ref var gain in gains.AsSpan())
            gain = Between(random, -Gain, Gain);
        for (var band = 0; band < count; band++)
        {
            var (before, beyond) = Place((float)band / (count - 1) * (gains.Length - 1), gains.Length);
            var gain = gains[before] + beyond * (gains[before + 1] - gains[before]);
            for (var i = band; i < frames.Length; i += count)
                frames[i] += gain;
        }
    }

    // The place before a position and how far it lies beyond; never the last, for the next one is looked at as well.
    private static (int Place, float Beyond) Place(float position, int count)
    {
        position = Math.Clamp(position, 0, count - 1.001f);
        return ((int)position, position - (int)position);
    }

    private static float Between(Random random, float low, float high) => low + (high - low) * random.NextSingle();
}
