using Affect.Emotions;

namespace Affect.Fusion.Timeline;

/// <summary>
/// The forward algorithm of a hidden Markov model over seven emotions (Rabiner 1989, "A Tutorial on Hidden Markov
/// Models", section III.A): what the windows so far say of the emotion now.
/// </summary>
/// <remarks>
/// <para>Transitions: in Δt an emotion stays with probability <c>s = exp(-Δt / τ)</c>; otherwise the next one is drawn from
/// the prior. So <c>A(Δt) = s·I + (1 - s)·1·priorᵀ</c>, and after long silence the belief is the prior again. τ, the mean time
/// between two draws, is stated and not learnt: no corpus here has calls with labelled turns.</para>
/// <para>Observations: a window's posterior divided by the prior is proportional to its likelihood. Windows overlap, so
/// that each second is heard several times: the likelihood is raised to the power of what is new in the window
/// (<c>hop / length</c>), and three windows that overlap by two thirds weigh as one.</para>
/// </remarks>
internal static class ForwardFilter
{
    /// <param name="belief">Before; the prior where there is none yet.</param>
    /// <param name="prior">Of the emotions.</param>
    /// <param name="elapsed">Since the window before.</param>
    /// <param name="dwell">τ.</param>
    public static EmotionScores Predict(EmotionScores belief, EmotionScores prior, TimeSpan elapsed, TimeSpan dwell)
    {
        var stay = (float)Math.Exp(-elapsed / dwell);
        for (var i = 0; i < EmotionLabels.Count; i++)
            belief[i] = (stay * belief[i]) + ((1 - stay) * prior[i]);
        return belief;
    }

    /// <param name="belief">Predicted for the window.</param>
    /// <param name="prior">That the scores were calibrated over.</param>
    /// <param name="scores">Of the window.</param>
    /// <param name="novelty">Share of the window that no window before held, (0, 1].</param>
    public static EmotionScores Update(EmotionScores belief, EmotionScores prior, EmotionScores scores, double novelty)
    {
        Span<float> weights = stackalloc float[EmotionLabels.Count];
        for (var i = 0; i < EmotionLabels.Count; i++)
            weights[i] = belief[i] * (float)Math.Pow(Math.Max(scores[i], LogLinearPool.Floor) / prior[i], novelty);
        return EmotionScores.FromWeights(weights);
    }
}
