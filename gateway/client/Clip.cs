namespace Affect.Client;

/// <summary>Media to analyze in one request: audio, pictures, or both.</summary>
public sealed record Clip
{
    /// <summary>One audio file: WAV, FLAC, MP3, AAC, AMR, Ogg/Opus, WebM, MP4, CAF, AIFF, WMA and others, at most 10 minutes.</summary>
    public Media? Audio { get; init; }

    /// <summary>
    /// Role of the speaker on each channel of the audio, in order: as many as the file has channels. Emotions are inferred on the channels
    /// of customers only, as in a call. If empty, every channel is analyzed.
    /// </summary>
    public IReadOnlyList<SpeakerRole> Channels { get; init; } = [];

    /// <summary>Up to 16 pictures: JPEG, PNG, WebP, BMP, GIF, TIFF, HEIC or AVIF, at most 50 megapixels each.</summary>
    public IReadOnlyList<Media> Images { get; init; } = [];

    /// <summary>Name of the speech model; null for the server's default.</summary>
    public string? SpeechModel { get; init; }

    /// <summary>Name of the face model; null for the server's default.</summary>
    public string? FaceModel { get; init; }

    /// <summary>From the start of one speech window to the start of the next, 0.1 s to 10 s; null for 1 s.</summary>
    public TimeSpan? Hop { get; init; }
}
