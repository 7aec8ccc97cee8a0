namespace Affect.Client;

/// <summary>Encoding of audio samples. Multi-byte samples are little-endian.</summary>
public enum AudioEncoding
{
    /// <summary>16-bit signed integers.</summary>
    L16,

    /// <summary>32-bit floats, full scale 1.</summary>
#pragma warning disable CA1720 // The name of the encoding.
    Float32,
#pragma warning restore CA1720

    /// <summary>ITU-T G.711 µ-law, one byte per sample.</summary>
    MuLaw,

    /// <summary>ITU-T G.711 A-law, one byte per sample.</summary>
    ALaw,
}

/// <summary>Role of the speaker on a channel. The EU AI Act, Art. 5(1)(f), prohibits emotion inference at the workplace.</summary>
public enum SpeakerRole
{
    /// <summary>Metrics and emotion.</summary>
    Customer,

    /// <summary>Metrics; emotion only if the operator enables it.</summary>
    Agent,

    /// <summary>Treated as an agent.</summary>
    Unknown,
}

/// <summary>Format of a call's audio.</summary>
/// <param name="Encoding">Encoding of the samples.</param>
/// <param name="SampleRate">In hertz, 8,000 to 48,000.</param>
/// <param name="Channels">Role of the speaker on each channel, in the order of interleaving; 1 to 8.</param>
public sealed record AudioFormat(AudioEncoding Encoding, int SampleRate, IReadOnlyList<SpeakerRole> Channels)
{
    /// <summary>Bytes of one sample of all channels.</summary>
    public int BlockSize => Channels.Count * Encoding switch { AudioEncoding.L16 => 2, AudioEncoding.Float32 => 4, _ => 1 };

    /// <summary>Bytes of one second.</summary>
    public int BytesPerSecond => BlockSize * SampleRate;
}

/// <summary>Media of a call, windows and models. At least one of audio and video is required.</summary>
public sealed record StreamOptions
{
    /// <summary>Identifies the call in the operator's events: 1 to 128 letters, digits and "-_.:@"; null for a random one.</summary>
    public string? SessionId { get; init; }

    /// <summary>Format of the audio; null for a call without audio.</summary>
    public AudioFormat? Audio { get; init; }

    /// <summary>Role of the person in the frames; null for a call without video.</summary>
    public SpeakerRole? Video { get; init; }

    /// <summary>Length of a window, from 0.5 s to the model's window; null for the model's.</summary>
    public TimeSpan? Window { get; init; }

    /// <summary>From the start of one window to the start of the next, 0.1 s to 10 s; null for 1 s.</summary>
    public TimeSpan? Hop { get; init; }

    /// <summary>Name of the speech model; null for the server's default.</summary>
    public string? SpeechModel { get; init; }

    /// <summary>Name of the face model; null for the server's default.</summary>
    public string? FaceModel { get; init; }

    /// <summary>Time during which a failed call is resumed without progress; 60 s by default.</summary>
    public TimeSpan ResumeTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>
    /// Number of bytes buffered for sending and for resuming the call, above which writers wait; 64 MiB by default. The
    /// server acknowledges media every few seconds: allow for 20 s of them.
    /// </summary>
    public long MaxBufferedBytes { get; init; } = 64 * 1024 * 1024;

    /// <summary>
    /// True (the default) to copy audio as it is written. If false, the bytes must not change until the call has ended:
    /// they may be sent again.
    /// </summary>
    public bool CopyAudio { get; init; } = true;
}
