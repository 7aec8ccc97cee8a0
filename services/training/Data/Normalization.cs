using Affect.Inference;
using Affect.Training.Architectures;

namespace Affect.Training.Data;

/// <summary>
/// What a manifest calls mean and scale: x' = (x − mean) / scale, one pair per feature (speech) or channel
/// (face). Fitted on training samples, without augmentation.
/// </summary>
internal sealed record Normalization(float[] Mean, float[] Scale)
{
    /// <summary>How many neighbouring values of a tensor share a pair.</summary>
    private static int Run(Architecture architecture, int length) => architecture.Input.Layout switch
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

    /// <summary>Leaves values as they are.</summary>
    public static Normalization None(Architecture architecture) =>
        new([.. Enumerable.Repeat(0f, Pairs(architecture))], [.. Enumerable.Repeat(1f, Pairs(architecture))]);

    /// <summary>Mean and standard deviation of each feature over at most 4,000 samples, evenly chosen.</summary>
    public static Normalization Fit(Architecture architecture, Samples samples)
    {
        var (run, pairs) = (Run(architecture, architecture.Length), Pairs(architecture));
        var (sums, squares, count) = (new double[pairs], new double[pairs], 0L);
        var values = new float[architecture.Length];
        var every = Math.Max(1, samples.Count / 4000);
        for (var sample = 0; sample < samples.Count; sample += every)
        {
            samples.Fill(sample, null, values);
            for (var i = 0; i < values.Length; i++)
            {
                sums[i / run % pairs] += values[i];
                squares[i / run % pairs] += (double)values[i] * values[i];
            }
            count += values.Length / pairs;
        }
        var mean = sums.Select(sum => (float)(sum / count)).ToArray();
        var scale = squares.Select((square, i) => (float)Math.Sqrt(Math.Max(square / count - Math.Pow(sums[i] / count, 2), 1e-8))).ToArray();
        return new(mean, scale);
    }

    /// <summary>Shifts and scales one sample in place.</summary>
    public void Apply(Architecture architecture, Span<float> values)
    {
        var (run, pairs) = (Run(architecture, values.Length), Mean.Length);
        for (var (start, pair) = (0, 0); start < values.Length; start += run, pair = (pair + 1) % pairs)
        {
            var (mean, factor) = (Mean[pair], 1 / Scale[pair]);
            foreach (ref var value in values.Slice(start, run))
                value = (value - mean) * factor;
        }
    }
}
