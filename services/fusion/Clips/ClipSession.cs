using Affect.Fusion.Peers;
using Affect.Fusion.Pooling;
using Affect.V1;

namespace Affect.Fusion.Clips;

/// <summary>Analyzes one clip: voice and faces concurrently, then the pool of both.</summary>
internal sealed class ClipSession(VoiceAnalysis voice, FaceAnalysis faces, Fuser fuser, FusionOptions options, TimeProvider time)
{
    /// <param name="clip">The clip, not yet checked.</param>
    /// <param name="violations">Receives violations; if it has any, the analysis is invalid.</param>
    /// <param name="tenant">Tenant of the clip, passed on to the peers.</param>
    /// <param name="deadline">Deadline of the caller; <see cref="DateTimeOffset.MaxValue"/> for none.</param>
    /// <param name="cancellation">Fires when the caller disconnects.</param>
    public async Task<Analysis> AnalyzeAsync(
        Clip? clip, Violations violations, string tenant, DateTimeOffset deadline, CancellationToken cancellation)
    {
        ClipRules.Check(clip, violations);
        var analysis = new Analysis();
        if (clip is null)
            return analysis;

        // Each modality has a separate budget, so that a failing one does not affect the other.
        using var speechRequests = new PeerRequests(tenant, options.ClipBudget, time, deadline, cancellation);
        using var faceRequests = new PeerRequests(tenant, options.ClipBudget, time, deadline, cancellation);
        var speech = clip.Audio.IsEmpty ? null : voice.RunAsync(clip, violations, speechRequests);
        var face = clip.Images.Count == 0 ? null : faces.RunAsync(clip, violations, faceRequests);
        await Task.WhenAll(((Task?[])[speech, face]).OfType<Task>());

        if (speech is not null)
            analysis.Speech = await speech;
        if (face is not null)
            analysis.Face = await face;
        analysis.Fused = fuser.Fuse(analysis.Speech?.Judgement, analysis.Face?.Judgement);
        return analysis;
    }
}
