using Affect.Emotions;
using Affect.Hosting;
using Affect.V1;
using Outcome = Affect.V1.Outcome;

namespace Affect.Fusion.Pooling;

/// <summary>Fuses the judgement of a voice and that of a face.</summary>
internal sealed class Fuser(FusionOptions options)
{
    private readonly LogLinearPool _pool = new(options.PriorScores);

    /// <summary>The pool of both; or one of them, unchanged, if the other has no scores.</summary>
    public FusedResult Fuse(Judgement? speech, Judgement? face)
    {
        if (speech?.Scores is { } voiceScores && face?.Scores is { } faceScores)
        {
            var scores = _pool.Combine((voiceScores.ToDomain(), options.SpeechWeight), (faceScores.ToDomain(), options.FaceWeight));
            return new FusedResult
            {
                Judgement = Judgements.Create(scores, options.AbstainBelow),
                SpeechWeight = (float)options.SpeechWeight,
                FaceWeight = (float)options.FaceWeight,
            };
        }
        if (speech?.Scores is not null)
            return new FusedResult { Judgement = speech, SpeechWeight = 1 };
        if (face?.Scores is not null)
            return new FusedResult { Judgement = face, FaceWeight = 1 };
        // Either modality may be unavailable. NO_SPEECH and NO_FACE agree; the voice's outcome takes precedence.
        var unavailable = speech?.Outcome == Outcome.Unavailable || face?.Outcome == Outcome.Unavailable;
        return new FusedResult
        {
            Judgement = new() { Outcome = unavailable ? Outcome.Unavailable : speech?.Outcome ?? face?.Outcome ?? Outcome.Unavailable },
        };
    }
}
