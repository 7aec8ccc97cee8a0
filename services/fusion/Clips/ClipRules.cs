using Affect.Audio;
using Affect.Hosting;
using Affect.V1;
using Google.Protobuf.WellKnownTypes;

namespace Affect.Fusion.Clips;

/// <summary>Checks of a clip that do not decode its media.</summary>
internal static class ClipRules
{
    public static readonly TimeSpan DefaultHop = TimeSpan.FromSeconds(1);

    public static void Check(Clip? clip, Violations violations)
    {
        if (clip is null || (clip.Audio.IsEmpty && clip.Images.Count == 0))
        {
            violations.Add("clip", "must contain audio or images");
            return;
        }
        if (clip.Hop is { } hop && !IsHop(hop))
            violations.Add("clip.hop", $"must be {AudioLimits.MinHop.TotalSeconds} to {AudioLimits.MaxHop.TotalSeconds} s");
        violations.Add(RequestLimits.Check(clip));
        if (clip.Channels.Count > 0 && clip.Audio.IsEmpty)
            violations.Add("clip.channels", "must be absent without audio");
        for (var i = 0; i < Math.Min(clip.Channels.Count, AudioLimits.MaxCallChannels); i++)
            if (!System.Enum.IsDefined(clip.Channels[i].Role))
                violations.Add($"clip.channels[{i}].role", "must be CUSTOMER, AGENT or UNKNOWN");
        for (var i = 0; i < Math.Min(clip.Images.Count, RequestLimits.MaxImages); i++)
            if (clip.Images[i].IsEmpty)
                violations.Add($"clip.images[{i}]", "must not be empty");
    }

    /// <summary>The hop of a clip; the default if it is absent or invalid: then the audio is still checked.</summary>
    public static Duration Hop(Clip clip) => clip.Hop is { } hop && IsHop(hop) ? hop : Duration.FromTimeSpan(DefaultHop);

    private static bool IsHop(Duration hop) => hop.TryToTimeSpan(AudioLimits.MinHop, AudioLimits.MaxHop, out _);
}
