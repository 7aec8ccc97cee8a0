using Affect.Inference;

namespace Affect.Training.Data;

/// <summary>
/// Augments features [frames, count]: time and frequency masks filled with the mean over time (SpecAugment, Park et al. 2019)
/// and, for mel bands, vocal tract length perturbation (Jaitly and Hinton 2013), tempo perturbation and filter augmentation
/// (Nam et al. 2022).
/// </summary>
internal static class SpecAugment
{
    private const int MaxFrequencyMask = 16;

    // Whisper's scale: (log10 + 4) / 4.
    private const float WhisperDecibel = 0.1f / 4;

    /// <summary>
    /// Applies up to two time masks of up to 0.35 s and, to mel bands, the perturbations and up to two frequency masks of up to 16 bands.
    /// </summary>
    public static void Apply(Random random, Span<float> frames, int count, FeatureKind features)
    {
        var mel = features is FeatureKind.LogMel or FeatureKind.WhisperLogMel;
        if (mel)
        {
            var decibel = features == FeatureKind.WhisperLogMel ? WhisperDecibel : 1;
            Warp(random, frames, count, decibel);
            Filter(random, frames, count, decibel);
        }
        var maxTimeMask = frames.Length / count / 8;
        var total = frames.Length / count;
        var mean = new float[count];
        for (var i = 0; i < frames.Length; i++)
            mean[i % count] += frames[i] / total;
        for (var mask = random.Next(3); mask > 0; mask--)
        {
            var span = random.Next(1, maxTimeMask);
            var start = random.Next(total - span);
            for (var frame = start; frame < start + span; frame++)
                mean.CopyTo(frames.Slice(frame * count, count));
        }
        for (var mask = mel ? random.Next(3) : 0; mask > 0; mask--)
        {
            var span = random.Next(1, MaxFrequencyMask + 1);
            var start = random.Next(count - span);
            for (var frame = 0; frame < total; frame++)
                mean.AsSpan(start, span).CopyTo(frames.Slice(frame * count + start, span));
        }
    }

    // Frequency scaled by up to 10 % and shifted by up to 3 bands; time scaled by up to 15 % and shifted by up to 0.25 s;
    // spectral tilt of up to 6 dB.
    private static void Warp(Random random, Span<float> frames, int count, float decibel)
    {
        var source = frames.ToArray();
        var total = frames.Length / count;
        var (bandScale, bandShift) = (random.NextSingle(0.9f, 1.1f), random.NextSingle(-3, 3));
        var (timeScale, timeShift) = (random.NextSingle(0.85f, 1.15f), random.NextSingle(-0.085f, 0.085f) * total);
        var tilt = random.NextSingle(-6, 6) * decibel;
        var center = total / 2f;
        for (var frame = 0; frame < total; frame++)
        {
            var (row, down) = Interpolate((frame - center) * timeScale + center + timeShift, total);
            for (var band = 0; band < count; band++)
            {
                var (column, right) = Interpolate(band * bandScale + bandShift, count);
                var at = row * count + column;
                var upper = source[at] + right * (source[at + 1] - source[at]);
                var lower = source[at + count] + right * (source[at + count + 1] - source[at + count]);
                frames[frame * count + band] = upper + down * (lower - upper) + tilt * ((float)band / count - 0.5f);
            }
        }
    }

    // A piecewise linear filter through three to six gains of up to 3 dB, evenly spaced over the bands.
    private static void Filter(Random random, Span<float> frames, int count, float decibel)
    {
        const float MaxGain = 3;
        var gains = new float[random.Next(3, 7)];
        foreach (ref var gain in gains.AsSpan())
            gain = random.NextSingle(-MaxGain, MaxGain) * decibel;
        for (var band = 0; band < count; band++)
        {
            var (index, fraction) = Interpolate((float)band / (count - 1) * (gains.Length - 1), gains.Length);
            var gain = gains[index] + fraction * (gains[index + 1] - gains[index]);
            for (var i = band; i < frames.Length; i += count)
                frames[i] += gain;
        }
    }

    // Index and fraction for linear interpolation; the index is at most count - 2.
    private static (int Index, float Fraction) Interpolate(float position, int count)
    {
        position = Math.Clamp(position, 0, count - 1.001f);
        return ((int)position, position - (int)position);
    }
}
