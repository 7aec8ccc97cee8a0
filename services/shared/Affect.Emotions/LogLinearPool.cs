namespace Affect.Emotions;

/// <summary>
/// The logarithmic opinion pool of calibrated posteriors, divided by the prior that they share:
/// <code>p(e) ∝ prior(e)^(1 - Σ w) · Π p_m(e)^w_m</code>
/// This pool commutes with Bayes' rule (Genest &amp; Zidek 1986, "Combining Probability
/// Distributions", Statistical Science 1(1), section 3.2) and minimizes the weighted
/// Kullback-Leibler divergence to its members (Heskes 1998, "Selecting Weighting Factors in Logarithmic Opinion Pools",
/// NIPS 10). With every weight 1 it is Bayes' rule for modalities that are independent given the emotion
/// (a product of experts); a single member with weight 1 is returned unchanged.
/// </summary>
public sealed class LogLinearPool
{
    /// <summary>
    /// Lower bound of scores: a zero would exclude an emotion regardless of the other members, and no model is calibrated
    /// that finely.
    /// </summary>
    public const float Floor = 1e-6f;

    private readonly double[] _logPrior;

    /// <summary>Creates a pool.</summary>
    /// <param name="prior">Class distribution of the members' training data, as weighted in training.</param>
    public LogLinearPool(EmotionScores prior)
    {
        _logPrior = new double[EmotionLabels.Count];
        for (var i = 0; i < EmotionLabels.Count; i++)
            _logPrior[i] = Log(prior[i]);
    }

    /// <summary>The uninformative prior: one seventh each.</summary>
    public static EmotionScores UniformPrior { get; } = EmotionScores.FromWeights([1, 1, 1, 1, 1, 1, 1]);

    /// <summary>Pools posteriors; returns the prior if there are none.</summary>
    /// <param name="members">Posteriors with non-negative weights; weight 0 excludes a member.</param>
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
        return Normalize(log);
    }

    /// <summary>Evidence of a posterior relative to the prior: log p(e) - log prior(e).</summary>
    internal double Evidence(EmotionScores scores, int emotion) => Log(scores[emotion]) - _logPrior[emotion];

    /// <summary>log prior(e).</summary>
    internal double LogPrior(int emotion) => _logPrior[emotion];

    private static double Log(float score) => Math.Log(Math.Max(score, Floor));

    private static EmotionScores Normalize(ReadOnlySpan<double> log)
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
