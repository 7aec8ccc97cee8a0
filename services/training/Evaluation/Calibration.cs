using Affect.Emotions;

namespace Affect.Training.Evaluation;

/// <summary>From logits to probabilities that can be believed.</summary>
internal static class Calibration
{
    /// <summary>Share of validation samples that abstain.</summary>
    public const double AbstainShare = 0.15;

    /// <summary>The scores of a sample: the mean of its windows' softmax.</summary>
    public static EmotionScores Scores(IReadOnlyList<float[]> windows, float temperature)
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
    /// What to add to the logits so that each label is given as much probability as there are samples of it: the biases of
    /// vector scaling (Guo et al. 2017), by gradient descent, for the likelihood has one maximum in them.
    /// </summary>
    public static float[] Bias(IReadOnlyList<float[]> logits, IReadOnlyList<Emotion> labels)
    {
        const int Steps = 400;
        const double Rate = 2;
        var (bias, shifted) = (new double[EmotionLabels.Count], new float[EmotionLabels.Count]);
        for (var step = 0; step < Steps; step++)
        {
            var surplus = new double[EmotionLabels.Count];
            for (var i = 0; i < logits.Count; i++)
            {
                for (var c = 0; c < shifted.Length; c++)
                    shifted[c] = (float)(logits[i][c] + bias[c]);
                var scores = EmotionScores.FromLogits(shifted);
                for (var c = 0; c < shifted.Length; c++)
                    surplus[c] += scores[c] - (c == (int)labels[i] ? 1 : 0);
            }
            for (var c = 0; c < bias.Length; c++)
                bias[c] -= Rate * surplus[c] / logits.Count;
        }
        return Array.ConvertAll(bias, value => (float)(value - bias.Average()));
    }

    /// <summary>
    /// The temperature with the least negative log-likelihood (Guo et al. 2017), by golden section over its
    /// logarithm: the likelihood has one maximum in it.
    /// </summary>
    public static float Temperature(IReadOnlyList<List<float[]>> samples, IReadOnlyList<Emotion> labels)
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

        double Loss(double logarithm) =>
            Metrics.NegativeLogLikelihood([.. samples.Select(windows => Scores(windows, (float)Math.Exp(logarithm)))], labels);
    }

    /// <summary>
    /// The confidence below which the least certain 15 % of validation samples lie. A model that is right more often abstains
    /// below more: what it doubts is worth as little as another's doubts.
    /// </summary>
    public static float AbstainBelow(IEnumerable<EmotionScores> scores)
    {
        var confidences = scores.Select(score => score.Confidence).Order().ToList();
        return (float)Math.Round(confidences[(int)(confidences.Count * AbstainShare)], 3);
    }
}
