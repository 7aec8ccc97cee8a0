using Affect.Emotions;

namespace Affect.Training.Evaluation;

/// <summary>From logits to probabilities that can be believed.</summary>
internal static class Calibration
{
    /// <summary>Share of validation samples that abstain, unless more than half of the probability is on one label.</summary>
    private const double AbstainShare = 0.15, Majority = 0.5;

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

    /// <summary>The confidence below which the least certain 15 % of validation samples lie, at most one half.</summary>
    public static float AbstainBelow(IEnumerable<EmotionScores> scores)
    {
        var confidences = scores.Select(score => score.Confidence).Order().ToList();
        return (float)Math.Round(Math.Min(confidences[(int)(confidences.Count * AbstainShare)], Majority), 3);
    }
}
