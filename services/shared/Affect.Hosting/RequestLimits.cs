using Affect.Audio;
using Affect.V1;

namespace Affect.Hosting;

/// <summary>
/// Bounds of the strings and lists of a request. The gateway checks them before it forwards a request, and fusion before it processes one;
/// both then echo names in errors.
/// </summary>
public static class RequestLimits
{
    /// <summary>Largest number of UTF-16 characters of the name of a model and of a session id.</summary>
    public const int MaxNameLength = 128;

    /// <summary>Largest number of pictures of a clip.</summary>
    public const int MaxImages = 16;

    /// <summary>The violations of a clip: at most one per field.</summary>
    public static IEnumerable<(string Field, string Description)> Check(Clip clip)
    {
        foreach (var violation in CheckName("clip.speech_model", clip.SpeechModel).Concat(CheckName("clip.face_model", clip.FaceModel)))
            yield return violation;
        if (clip.Images.Count > MaxImages)
            yield return ("clip.images", $"must contain at most {MaxImages} pictures");
        if (clip.Channels.Count > AudioLimits.MaxCallChannels)
            yield return ("clip.channels", $"must have at most {AudioLimits.MaxCallChannels} channels");
    }

    /// <summary>The violations of the configuration of a call: at most one per field.</summary>
    public static IEnumerable<(string Field, string Description)> Check(StreamConfig config)
    {
        foreach (var violation in CheckName("config.speech_model", config.SpeechModel).Concat(CheckName("config.face_model", config.FaceModel)))
            yield return violation;
        if (config.SessionId.Length > MaxNameLength || config.SessionId.Any(c => !char.IsAsciiLetterOrDigit(c) && !"-_.:@".Contains(c)))
            yield return ("config.session_id", $"must be 1 to {MaxNameLength} letters, digits or -_.:@");
        if (config.Audio?.Channels.Count is < 1 or > AudioLimits.MaxCallChannels)
            yield return ("config.audio.channels", $"must have 1 to {AudioLimits.MaxCallChannels} channels");
    }

    /// <summary>The violation of a name that is too long.</summary>
    public static IEnumerable<(string Field, string Description)> CheckName(string field, string name) =>
        name.Length > MaxNameLength ? [(field, $"must have at most {MaxNameLength} characters")] : [];
}
