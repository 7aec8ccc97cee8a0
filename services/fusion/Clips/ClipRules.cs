using Affect.Hosting;
using Affect.V1;
using Google.Protobuf.WellKnownTypes;

namespace Affect.Fusion.Clips;

/// <summary>Checks of a clip that do not decode its media.</summary>
internal static class ClipRules
{
    public const int MaxImages = 16;
    public static readonly TimeSpan MinHop = TimeSpan.FromSeconds(0.1);
    public static readonly TimeSpan MaxHop = TimeSpan.FromSeconds(10);
    public static readonly TimeSpan DefaultHop = TimeSpan.FromSeconds(1);

    public static void Check(Clip? clip, Refusal refusal)
    {
        if (clip is null || (clip.Audio.IsEmpty && clip.Images.Count == 0))
        {
            refusal.Add("clip", "Must contain audio or images.");
            return;
        }
        if (clip.Hop is { } hop && !IsHop(hop))
            refusal.Add("clip.hop", $"Must lie between {MinHop.TotalSeconds} s and {MaxHop.TotalSeconds} s.");
        if (clip.Images.Count > MaxImages)
            refusal.Add("clip.images", $"Must contain at most {MaxImages} pictures; has {clip.Images.Count}.");
        for (var i = 0; i < Math.Min(clip.Images.Count, MaxImages); i++)
            if (clip.Images[i].IsEmpty)
                refusal.Add($"clip.images[{i}]", "The file is empty.");
    }

    /// <summary>The hop of a clip; the default also if the clip's is invalid, so that its audio is still checked.</summary>
    public static Duration Hop(Clip clip) => clip.Hop is { } hop && IsHop(hop) ? hop : Duration.FromTimeSpan(DefaultHop);

    private static bool IsHop(Duration hop) => hop.TryToTimeSpan(MinHop, MaxHop, out _);
}
