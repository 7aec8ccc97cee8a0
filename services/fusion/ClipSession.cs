using Affect.Emotions;
using Affect.Hosting;
using Affect.V1;
using Outcome = Affect.V1.Outcome;

namespace Affect.Fusion;

/// <summary>One clip from its media to its answer: voice and faces at the same time, then the pool over both.</summary>
internal sealed class ClipSession(VoiceAnalysis voice, FaceAnalysis faces, FusionOptions options, TimeProvider time)
{
    private readonly LogLinearPool _pool = new(options.PriorScores);

    /// <param name="clip">Checked in here; what is wrong with it goes to <paramref name="refusal"/>.</param>
    /// <param name="refusal">Where it has anything, the analysis is void.</param>
    /// <param name="deadline">When the caller stops waiting; <see cref="DateTimeOffset.MaxValue"/> for never.</param>
    /// <param name="cancellation">Fires when the caller went away.</param>
    public async Task<Analysis> AnalyzeAsync(Clip? clip, Refusal refusal, DateTimeOffset deadline, CancellationToken cancellation)
    {
        ClipRules.Check(clip, refusal);
        var analysis = new Analysis();
        if (clip is null)
            return analysis;

        // Each modality has a budget of its own, so that one in trouble takes nothing from the other.
        using var speechCalls = new PeerCalls(options, time, deadline, cancellation);
        using var faceCalls = new PeerCalls(options, time, deadline, cancellation);
        var speech = clip.Audio.IsEmpty ? null : voice.RunAsync(clip, refusal, speechCalls);
        var face = clip.Images.Count == 0 ? null : faces.RunAsync(clip, refusal, faceCalls);
        await Task.WhenAll(((Task?[])[speech, face]).OfType<Task>());

        if (speech is not null)
            analysis.Speech = await speech;
        if (face is not null)
            analysis.Face = await face;
        analysis.Fused = Fuse(analysis.Speech, analysis.Face);
        return analysis;
    }

    /// <summary>The answer of both; of one, unchanged, where the other has no scores.</summary>
    internal FusedResult Fuse(SpeechResult? speech, FaceResult? face)
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
        if (speech?.Scores is not null)
            return new FusedResult
            {
                Outcome = speech.Outcome,
                Scores = speech.Scores,
                Emotion = speech.Emotion,
                Confidence = speech.Confidence,
                SpeechWeight = 1,
            };
        if (face?.Scores is not null)
            return new FusedResult
            {
                Outcome = face.Outcome,
                Scores = face.Scores,
                Emotion = face.Emotion,
                Confidence = face.Confidence,
                FaceWeight = 1,
            };
        // NO_SPEECH and NO_FACE agree that nobody is there; the voice's word for it comes first.
        var unavailable = speech?.Outcome == Outcome.Unavailable || face?.Outcome == Outcome.Unavailable;
        return new FusedResult { Outcome = unavailable ? Outcome.Unavailable : speech?.Outcome ?? face?.Outcome ?? Outcome.Unavailable };
    }
}
