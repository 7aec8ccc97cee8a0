using Affect.Emotions;
using Affect.Hosting;
using Affect.V1;
using EmotionScores = Affect.Emotions.EmotionScores;
using Outcome = Affect.Emotions.Outcome;

namespace Affect.Fusion.Pooling;

/// <summary>Creates judgements from scores.</summary>
internal static class Judgements
{
    /// <summary>OK, or UNCERTAIN if the best score is below the threshold.</summary>
    public static Judgement Create(EmotionScores scores, float abstainBelow) =>
        scores.ToJudgement(scores.Confidence < abstainBelow ? Outcome.Uncertain : Outcome.Ok);

    /// <summary>The arithmetic mean of the judgements with scores; null if no judgement has scores.</summary>
    public static Judgement? Mean(IEnumerable<Judgement?> judgements, float abstainBelow)
    {
        Span<float> sum = stackalloc float[EmotionLabels.Count];
        var any = false;
        foreach (var judgement in judgements)
        {
            if (judgement?.Scores is null)
                continue;
            any = true;
            var scores = judgement.Scores.ToDomain();
            for (var i = 0; i < EmotionLabels.Count; i++)
                sum[i] += scores[i];
        }
        return any ? Create(EmotionScores.FromWeights(sum), abstainBelow) : null;
    }
}
