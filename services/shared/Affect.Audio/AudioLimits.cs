namespace Affect.Audio;

/// <summary>Limits of audio and windows that services and model manifests share.</summary>
public static class AudioLimits
{
    /// <summary>Sample rate of a call in hertz.</summary>
    public const int MinCallRate = 8_000, MaxCallRate = 48_000;

    /// <summary>Interleaved channels of a call.</summary>
    public const int MaxCallChannels = 8;

    /// <summary>Largest index of a sample of a call: about 70 days at 48 kHz.</summary>
    public const long MaxCallSample = 1L << 38;

    /// <summary>Length of a window.</summary>
    public static readonly TimeSpan MinWindow = TimeSpan.FromSeconds(0.5), MaxWindow = TimeSpan.FromSeconds(10);

    /// <summary>Distance between the starts of two windows.</summary>
    public static readonly TimeSpan MinHop = TimeSpan.FromSeconds(0.1), MaxHop = TimeSpan.FromSeconds(10);

    /// <summary>Shortest audio that has windows: <see cref="Windowing.MinLength"/>.</summary>
    public static readonly TimeSpan MinDuration = TimeSpan.FromSeconds(0.25);
}
