using Affect.Emotions;
using Affect.Hosting;

namespace Affect.Fusion.Pooling;

/// <summary>What scores come to: OK names the best emotion, UNCERTAIN names none.</summary>
internal readonly record struct Verdict(Outcome Outcome, EmotionScores Scores)
{
    public Verdict(EmotionScores scores, float abstainBelow)
        : this(scores.Confidence < abstainBelow ? Outcome.Uncertain : Outcome.Ok, scores)
    {
    }

    /// <summary>What speech or face answered.</summary>
    public Verdict(Affect.V1.Outcome outcome, Affect.V1.EmotionScores scores)
        : this(outcome.ToDomain(), scores.ToDomain())
    {
    }

    /// <summary>Unspecified unless the outcome is OK.</summary>
    public Affect.V1.Emotion Emotion => Outcome == Outcome.Ok ? Scores.Best.ToProto() : Affect.V1.Emotion.Unspecified;

    /// <summary>The arithmetic mean of posteriors, at least one.</summary>
    public static EmotionScores Mean(IReadOnlyCollection<EmotionScores> scores)
    {
        ArgumentOutOfRangeException.ThrowIfZero(scores.Count);
        Span<float> sum = stackalloc float[EmotionLabels.Count];
        foreach (var one in scores)
            for (var i = 0; i < EmotionLabels.Count; i++)
                sum[i] += one[i];
        return EmotionScores.FromWeights(sum);
    }
}
