using Affect.Emotions;

namespace Affect.Training.Evaluation;

/// <summary>Calibration of logits to probabilities.</summary>
internal static class Calibration
{
    /// <summary>Share of the validation samples on which the model abstains.</summary>
    public const double AbstainShare = 0.15;

    /// <summary>The scores of a sample: the mean of the softmax over its windows.</summary>
    public static EmotionScores Scores(IEnumerable<float[]> windows, float temperature)
    {
        Span<float> sum = stackalloc float[EmotionLabels.Count];
        sum.Clear();
        foreach (var logits in windows)
        {
            var scores = EmotionScores.FromLogits(logits, temperature);
            for (var i = 0; i < EmotionLabels.Count; i++)
                sum[i] += scores[i];
        }
        return EmotionScores.FromWeights(sum);
    }

    /// <summary>
    /// Bias of vector scaling (Guo et al. 2017), which matches the mean predicted probabilities to the class frequencies. Fitted
    /// by gradient descent; the log-likelihood is concave in the bias.
    /// </summary>
    public static float[] Bias(IReadOnlyList<float[]> logits, IReadOnlyList<Emotion> labels)
    {
        const int Steps = 400;
        const double LearningRate = 2;
        var (bias, shifted) = (new double[EmotionLabels.Count], new float[EmotionLabels.Count]);
        for (var step = 0; step < Steps; step++)
        {
            var gradient = new double[EmotionLabels.Count];
            for (var i = 0; i < logits.Count; i++)
            {
                for (var c = 0; c < shifted.Length; c++)
                    shifted[c] = (float)(logits[i][c] + bias[c]);
                var scores = EmotionScores.FromLogits(shifted);
                for (var c = 0; c < shifted.Length; c++)
                    gradient[c] += scores[c] - (c == (int)labels[i] ? 1 : 0);
            }
            for (var c = 0; c < bias.Length; c++)
                bias[c] -= LearningRate * gradient[c] / logits.Count;
        }
        return Array.ConvertAll(bias, value => (float)(value - bias.Average()));
    }

    /// <summary>Temperature of samples.</summary>
    public static float Temperature(IReadOnlyList<IReadOnlyList<float[]>> samples, IReadOnlyList<Emotion> labels) =>
        Temperature([(samples, labels)]);

    /// <summary>
    /// Temperature that minimizes the negative log-likelihood (Guo et al. 2017), found by golden-section search over its
    /// logarithm; the minimum is unique. Groups count the same, whatever their size.
    /// </summary>
    public static float Temperature(
        IReadOnlyList<(IReadOnlyList<IReadOnlyList<float[]>> Samples, IReadOnlyList<Emotion> Labels)> groups)
    {
        var (low, high) = (Math.Log(0.05), Math.Log(20));
        var ratio = (Math.Sqrt(5) - 1) / 2;
        while (high - low > 1e-4)
        {
            var (left, right) = (high - ratio * (high - low), low + ratio * (high - low));
            if (Loss(left) < Loss(right))
                high = right;
            else
                low = left;
        }
        return (float)Math.Round(Math.Exp((low + high) / 2), 4);

        double Loss(double logarithm) => groups.Average(group => Metrics.NegativeLogLikelihood(
            [.. group.Samples.Select(windows => Scores(windows, (float)Math.Exp(logarithm)))], group.Labels));
    }

    /// <summary>
    /// Abstention threshold: the 15 % quantile of the confidence on validation samples. The quantile adapts to the model; a
    /// more accurate model has a higher threshold.
    /// </summary>
    public static float AbstainBelow(IEnumerable<EmotionScores> scores)
    {
        var confidences = scores.Select(score => score.Confidence).Order().ToList();
        return (float)Math.Round(confidences[(int)(confidences.Count * AbstainShare)], 3);
    }
}
