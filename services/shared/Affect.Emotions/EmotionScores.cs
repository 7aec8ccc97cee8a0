using System.Runtime.CompilerServices;

namespace Affect.Emotions;

/// <summary>
/// Calibrated posterior probabilities of the seven emotions: each in [0, 1], sum 1,
/// indexed in the order of <see cref="Emotion"/>. A value type, so that scoring a window does not allocate.
/// </summary>
[InlineArray(EmotionLabels.Count)]
public struct EmotionScores
{
    private float _first;

    /// <summary>The score of one emotion.</summary>
    public readonly float this[Emotion emotion] => this[(int)emotion];

    /// <summary>The emotion with the highest score; the first one in the order of <see cref="Emotion"/> if several are equal.</summary>
    public readonly Emotion Best
    {
        get
        {
            var best = 0;
            for (var i = 1; i < EmotionLabels.Count; i++)
                if (this[i] > this[best])
                    best = i;
            return (Emotion)best;
        }
    }

    /// <summary>The score of <see cref="Best"/>: its calibrated probability.</summary>
    public readonly float Confidence => this[Best];

    /// <summary>
    /// Softmax of logits divided by a temperature (Guo et al. 2017, "On Calibration of Modern Neural
    /// Networks"): a temperature above 1 reduces overconfidence and preserves the ranking.
    /// </summary>
    /// <param name="logits">Seven finite logits in the order of <see cref="Emotion"/>.</param>
    /// <param name="temperature">Positive; 1 does not change the logits.</param>
    public static EmotionScores FromLogits(ReadOnlySpan<float> logits, float temperature = 1)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(logits.Length, EmotionLabels.Count);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(temperature);
        // Subtracting the largest logit prevents overflow.
        var largest = float.NegativeInfinity;
        foreach (var logit in logits)
            largest = MathF.Max(largest, logit);
        EmotionScores scores = default;
        var sum = 0f;
        for (var i = 0; i < EmotionLabels.Count; i++)
            sum += scores[i] = MathF.Exp((logits[i] - largest) / temperature);
        for (var i = 0; i < EmotionLabels.Count; i++)
            scores[i] /= sum;
        return scores;
    }

    /// <summary>Normalizes seven non-negative weights to sum to 1.</summary>
    public static EmotionScores FromWeights(ReadOnlySpan<float> weights)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(weights.Length, EmotionLabels.Count);
        var sum = 0f;
        foreach (var weight in weights)
            sum += weight;
        EmotionScores scores = default;
        for (var i = 0; i < EmotionLabels.Count; i++)
            scores[i] = weights[i] / sum;
        return scores;
    }
}
