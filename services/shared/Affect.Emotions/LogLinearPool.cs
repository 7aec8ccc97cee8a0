namespace Affect.Emotions;

/// <summary>
/// The logarithmic opinion pool of calibrated posteriors, divided by the prior that they share:
/// <code>p(e) ∝ prior(e)^(1 - Σ w) · Π p_m(e)^w_m</code>
/// It is the pool that commutes with Bayes' rule (Genest &amp; Zidek 1986, "Combining Probability
/// Distributions", Statistical Science 1(1), section 3.2) and the one nearest to all its members in
/// Kullback-Leibler divergence (Heskes 1998, "Selecting Weighting Factors in Logarithmic Opinion Pools",
/// NIPS 10). With every weight 1 it is Bayes' rule for modalities that are independent given the emotion
/// (a product of experts); one member with weight 1 comes out as it went in.
/// </summary>
public sealed class LogLinearPool
{
    /// <summary>
    /// Scores below this count as this: a zero would veto an emotion whatever the others say, and no
    /// model is calibrated that finely.
    /// </summary>
    public const float Floor = 1e-6f;

    private readonly double[] _logPrior;

    /// <summary>A pool over a prior.</summary>
    /// <param name="prior">
    /// How often each emotion occurred in what the members were trained on, or as their training weighed it.
    /// </param>
    public LogLinearPool(EmotionScores prior)
    {
        _logPrior = new double[EmotionLabels.Count];
        for (var i = 0; i < EmotionLabels.Count; i++)
            _logPrior[i] = Log(prior[i]);
    }

    /// <summary>The prior that says nothing: one seventh each.</summary>
    public static EmotionScores UniformPrior { get; } = EmotionScores.FromWeights([1, 1, 1, 1, 1, 1, 1]);

    /// <summary>Pools posteriors; without any, the prior comes out.</summary>
    /// <param name="members">Each with its weight, which is not negative; weight zero is as good as absent.</param>
    public EmotionScores Combine(params ReadOnlySpan<(EmotionScores Scores, double Weight)> members)
    {
        Span<double> log = stackalloc double[EmotionLabels.Count];
        _logPrior.CopyTo(log);
        foreach (var (scores, weight) in members)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(weight);
            for (var i = 0; i < EmotionLabels.Count; i++)
                log[i] += weight * Evidence(scores, i);
        }
        return Normalise(log);
    }

    /// <summary>What a posterior says beyond the prior, log p(e) - log prior(e).</summary>
    internal double Evidence(EmotionScores scores, int emotion) => Log(scores[emotion]) - _logPrior[emotion];

    /// <summary>log prior(e).</summary>
    internal double LogPrior(int emotion) => _logPrior[emotion];

    private static double Log(float score) => Math.Log(Math.Max(score, Floor));

    private static EmotionScores Normalise(ReadOnlySpan<double> log)
    {
        var largest = double.NegativeInfinity;
        foreach (var value in log)
            largest = Math.Max(largest, value);
        Span<float> weights = stackalloc float[EmotionLabels.Count];
        for (var i = 0; i < EmotionLabels.Count; i++)
            weights[i] = (float)Math.Exp(log[i] - largest);
        return EmotionScores.FromWeights(weights);
    }
}
