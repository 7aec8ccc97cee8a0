namespace Affect.Client;

/// <summary>What to analyse: a voice, faces, or both.</summary>
public sealed record Clip
{
    /// <summary>One audio file: WAV, FLAC, MP3, Ogg/Opus, WebM, MP4 or AIFF, at most 10 minutes.</summary>
    public Media? Audio { get; init; }

    /// <summary>Up to 16 pictures: JPEG, PNG, WebP or BMP, at most 32 megapixels each.</summary>
    public IReadOnlyList<Media> Images { get; init; } = [];

    /// <summary>Name of the speech model; the server's default where null.</summary>
    public string? SpeechModel { get; init; }

    /// <summary>Name of the face model; the server's default where null.</summary>
    public string? FaceModel { get; init; }

    /// <summary>From the start of one speech window to the next, 0.1 s to 10 s; 1 s where null.</summary>
    public TimeSpan? Hop { get; init; }
}
