using Affect.Inference;
using Affect.Training.Architectures;

namespace Affect.Training.Data;

/// <summary>
/// Normalization of a model input, x' = (x − mean) / scale, with one pair per feature (speech) or channel (face). Fitted on
/// training samples without augmentation.
/// </summary>
internal sealed record Normalization(float[] Mean, float[] Scale)
{
    /// <summary>Number of adjacent values of a tensor with the same pair.</summary>
    private static int Stride(Architecture architecture, int length) => architecture.Input.Layout switch
    {
        TensorLayout.Ntf or TensorLayout.Nhwc => 1,
        _ => length / Pairs(architecture),
    };

    /// <summary>Number of pairs: features or channels.</summary>
    private static int Pairs(Architecture architecture) => checked((int)(architecture.Input.Layout switch
    {
        TensorLayout.Ntf => architecture.Shape[1],
        TensorLayout.N1ft => architecture.Shape[1],
        TensorLayout.Nhwc => architecture.Shape[2],
        _ => architecture.Shape[0],
    }));

    /// <summary>The identity: mean 0 and scale 1.</summary>
    public static Normalization Identity(Architecture architecture) =>
        new([.. Enumerable.Repeat(0f, Pairs(architecture))], [.. Enumerable.Repeat(1f, Pairs(architecture))]);

    /// <summary>Fits mean and standard deviation of each feature on at most 4,000 evenly spaced samples.</summary>
    public static Normalization Fit(Architecture architecture, Samples samples)
    {
        var (stride, pairs) = (Stride(architecture, architecture.Length), Pairs(architecture));
        var (sums, squares, count) = (new double[pairs], new double[pairs], 0L);
        var values = new float[architecture.Length];
        var step = Math.Max(1, samples.Count / 4000);
        for (var sample = 0; sample < samples.Count; sample += step)
        {
            samples.Fill(sample, null, values);
            for (var i = 0; i < values.Length; i++)
            {
                sums[i / stride % pairs] += values[i];
                squares[i / stride % pairs] += (double)values[i] * values[i];
            }
            count += values.Length / pairs;
        }
        var mean = sums.Select(sum => (float)(sum / count)).ToArray();
        var scale = squares.Select(
            (square, i) => (float)Math.Sqrt(Math.Max(square / count - Math.Pow(sums[i] / count, 2), 1e-8))).ToArray();
        return new(mean, scale);
    }

    /// <summary>Concatenates samples to a normalized batch.</summary>
    public float[] ToBatch(Architecture architecture, IReadOnlyList<float[]> samples)
    {
        var batch = new float[samples.Count * architecture.Length];
        for (var i = 0; i < samples.Count; i++)
        {
            var values = batch.AsSpan(i * architecture.Length, architecture.Length);
            samples[i].CopyTo(values);
            Apply(architecture, values);
        }
        return batch;
    }

    /// <summary>Normalizes one sample in place.</summary>
    public void Apply(Architecture architecture, Span<float> values)
    {
        var (stride, pairs) = (Stride(architecture, values.Length), Mean.Length);
        for (var (start, pair) = (0, 0); start < values.Length; start += stride, pair = (pair + 1) % pairs)
        {
            var (mean, factor) = (Mean[pair], 1 / Scale[pair]);
            foreach (ref var value in values.Slice(start, stride))
                value = (value - mean) * factor;
        }
    }
}
