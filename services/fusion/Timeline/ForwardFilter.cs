using Affect.Emotions;

namespace Affect.Fusion.Timeline;

/// <summary>
/// The forward algorithm of a hidden Markov model over seven emotions (Rabiner 1989, "A Tutorial on Hidden Markov
/// Models", section III.A): the posterior of the current emotion, given the windows so far.
/// </summary>
/// <remarks>
/// <para>Transitions: in Δt an emotion stays with probability <c>s = exp(-Δt / τ)</c>; otherwise the next one is drawn from
/// the prior. So <c>A(Δt) = s·I + (1 - s)·1·priorᵀ</c>, and after a long silence the belief equals the prior. τ, the mean time
/// between two draws, is set and not learned: no available corpus has calls with labeled turns.</para>
/// <para>Observations: a window's posterior divided by the prior is proportional to its likelihood. Windows overlap, so
/// that each second counts several times: the likelihood is raised to the power of the new share of the window
/// (<c>hop / length</c>), and three windows that overlap by two thirds weigh as one.</para>
/// </remarks>
internal static class ForwardFilter
{
    /// <summary>Predicts the belief at the next window.</summary>
    /// <param name="belief">Belief at the previous window; initially the prior.</param>
    /// <param name="prior">Prior of the emotions.</param>
    /// <param name="elapsed">Time since the previous window.</param>
    /// <param name="dwell">τ.</param>
    public static EmotionScores Predict(EmotionScores belief, EmotionScores prior, TimeSpan elapsed, TimeSpan dwell)
    {
        var stay = (float)Math.Exp(-elapsed / dwell);
        for (var i = 0; i < EmotionLabels.Count; i++)
            belief[i] = (stay * belief[i]) + ((1 - stay) * prior[i]);
        return belief;
    }

    /// <summary>Updates the belief with the scores of a window.</summary>
    /// <param name="belief">Predicted belief.</param>
    /// <param name="prior">Prior that the scores are calibrated for.</param>
    /// <param name="scores">Scores of the window.</param>
    /// <param name="novelty">Share of the window that previous windows do not cover, (0, 1].</param>
    public static EmotionScores Update(EmotionScores belief, EmotionScores prior, EmotionScores scores, double novelty)
    {
        Span<float> weights = stackalloc float[EmotionLabels.Count];
        for (var i = 0; i < EmotionLabels.Count; i++)
            weights[i] = belief[i] * (float)Math.Pow(Math.Max(scores[i], LogLinearPool.Floor) / prior[i], novelty);
        return EmotionScores.FromWeights(weights);
    }
}
