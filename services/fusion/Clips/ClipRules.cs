using Affect.Hosting;
using Affect.V1;
using Google.Protobuf.WellKnownTypes;

namespace Affect.Fusion.Clips;

/// <summary>What can be told of a clip without opening its media.</summary>
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
            refusal.Add("clip", "It holds neither audio nor images; send at least one.");
            return;
        }
        if (clip.Hop is { } hop && !IsHop(hop))
            refusal.Add("clip.hop", $"It must lie between {MinHop.TotalSeconds} s and {MaxHop.TotalSeconds} s.");
        if (clip.Images.Count > MaxImages)
            refusal.Add("clip.images", $"There are {clip.Images.Count} pictures; at most {MaxImages} go into one clip.");
        for (var i = 0; i < Math.Min(clip.Images.Count, MaxImages); i++)
            if (clip.Images[i].IsEmpty)
                refusal.Add($"clip.images[{i}]", "The file is empty.");
    }

    /// <summary>The hop to cut with; the default also where the clip's is wrong, so that its audio is checked all the same.</summary>
    public static Duration Hop(Clip clip) => clip.Hop is { } hop && IsHop(hop) ? hop : Duration.FromTimeSpan(DefaultHop);

    private static bool IsHop(Duration hop) => hop.TryToTimeSpan(MinHop, MaxHop, out _);
}
