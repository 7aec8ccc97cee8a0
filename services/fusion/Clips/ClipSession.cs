using Affect.Fusion.Peers;
using Affect.Fusion.Pooling;
using Affect.V1;

namespace Affect.Fusion.Clips;

/// <summary>One clip from its media to its answer: voice and faces at the same time, then the pool over both.</summary>
internal sealed class ClipSession(VoiceAnalysis voice, FaceAnalysis faces, Fuser fuser, FusionOptions options, TimeProvider time)
{
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
        using var speechCalls = new PeerCalls(options.ClipBudget, time, deadline, cancellation);
        using var faceCalls = new PeerCalls(options.ClipBudget, time, deadline, cancellation);
        var speech = clip.Audio.IsEmpty ? null : voice.RunAsync(clip, refusal, speechCalls);
        var face = clip.Images.Count == 0 ? null : faces.RunAsync(clip, refusal, faceCalls);
        await Task.WhenAll(((Task?[])[speech, face]).OfType<Task>());

        if (speech is not null)
            analysis.Speech = await speech;
        if (face is not null)
            analysis.Face = await face;
        analysis.Fused = fuser.Fuse(analysis.Speech?.Judgement, analysis.Face?.Judgement);
        return analysis;
    }
}
