using Affect.Emotions;
using Affect.Hosting;
using Affect.V1;
using Emotion = Affect.V1.Emotion;
using EmotionScores = Affect.V1.EmotionScores;
using Outcome = Affect.V1.Outcome;

namespace Affect.Fusion.Pooling;

/// <summary>What one modality says.</summary>
/// <param name="Outcome">Scores go with OK and UNCERTAIN.</param>
/// <param name="Scores">Null without.</param>
/// <param name="Emotion">Unspecified unless OK.</param>
/// <param name="Confidence">Of the best score.</param>
internal sealed record Answer(Outcome Outcome, EmotionScores? Scores, Emotion Emotion, float Confidence)
{
    public static Answer? Of(SpeechResult? said) => said is null ? null : new(said.Outcome, said.Scores, said.Emotion, said.Confidence);

    public static Answer? Of(FaceResult? said) => said is null ? null : new(said.Outcome, said.Scores, said.Emotion, said.Confidence);

    public static Answer? Of(SpeechWindow? said) => said is null ? null : new(said.Outcome, said.Scores, said.Emotion, said.Confidence);

    public static Answer? Of(FaceWindow? said) => said is null ? null : new(said.Outcome, said.Scores, said.Emotion, said.Confidence);
}

/// <summary>Makes one answer of a voice's and a face's.</summary>
internal sealed class Fuser(FusionOptions options)
{
    private readonly LogLinearPool _pool = new(options.PriorScores);

    /// <summary>The answer of both; of one, unchanged, where the other has no scores.</summary>
    public FusedResult Fuse(Answer? speech, Answer? face)
    {
        if (speech?.Scores is { } heard && face?.Scores is { } seen)
        {
            var scores = _pool.Combine((heard.ToDomain(), options.SpeechWeight), (seen.ToDomain(), options.FaceWeight));
            var verdict = new Verdict(scores, options.AbstainBelow);
            return new FusedResult
            {
                Outcome = verdict.Outcome.ToProto(),
                Scores = scores.ToProto(),
                Emotion = verdict.Emotion,
                Confidence = scores.Confidence,
                SpeechWeight = (float)options.SpeechWeight,
                FaceWeight = (float)options.FaceWeight,
            };
        }
        if ((speech?.Scores is null ? face : speech) is { Scores: not null } alone)
            return new FusedResult
            {
                Outcome = alone.Outcome,
                Scores = alone.Scores,
                Emotion = alone.Emotion,
                Confidence = alone.Confidence,
                SpeechWeight = alone == speech ? 1 : 0,
                FaceWeight = alone == speech ? 0 : 1,
            };
        // NO_SPEECH and NO_FACE agree that nobody is there; the voice's word for it comes first.
        var unavailable = speech?.Outcome == Outcome.Unavailable || face?.Outcome == Outcome.Unavailable;
        return new FusedResult { Outcome = unavailable ? Outcome.Unavailable : speech?.Outcome ?? face?.Outcome ?? Outcome.Unavailable };
    }
}
