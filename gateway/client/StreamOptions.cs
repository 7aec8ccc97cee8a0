namespace Affect.Client;

/// <summary>How the bytes of a call become samples. Multi-byte samples are little-endian.</summary>
public enum AudioEncoding
{
    /// <summary>16-bit signed integers.</summary>
    L16,

    /// <summary>32-bit floats, full scale 1.</summary>
#pragma warning disable CA1720 // It is the encoding's name.
    Float32,
#pragma warning restore CA1720

    /// <summary>ITU-T G.711 µ-law, a byte a sample.</summary>
    MuLaw,

    /// <summary>ITU-T G.711 A-law, a byte a sample.</summary>
    ALaw,
}

/// <summary>Who speaks on a channel. The law forbids to infer the emotions of people at their work (EU AI Act, Art. 5(1)(f)).</summary>
public enum SpeakerRole
{
    /// <summary>Gets metrics and emotion.</summary>
    Customer,

    /// <summary>Gets metrics; emotion only where the operator has turned that on.</summary>
    Agent,

    /// <summary>Is treated as an agent.</summary>
    Unknown,
}

/// <summary>What the bytes of a call's audio are.</summary>
/// <param name="Encoding">How one sample is written.</param>
/// <param name="SampleRate">In hertz, 8,000 to 48,000.</param>
/// <param name="Channels">Who speaks on which channel, in the order in which samples are interleaved; 1 to 8.</param>
public sealed record AudioFormat(AudioEncoding Encoding, int SampleRate, IReadOnlyList<SpeakerRole> Channels)
{
    /// <summary>Bytes of one sample of all channels.</summary>
    public int BlockSize => Channels.Count * Encoding switch { AudioEncoding.L16 => 2, AudioEncoding.Float32 => 4, _ => 1 };

    /// <summary>Bytes of one second.</summary>
    public int BytesPerSecond => BlockSize * SampleRate;
}

/// <summary>What comes in a call and what is wanted of it: at least one of audio and video.</summary>
public sealed record StreamOptions
{
    /// <summary>Finds the call again in the operator's events: 1 to 128 letters, digits and "-_.:@"; drawn at random where null.</summary>
    public string? SessionId { get; init; }

    /// <summary>The voices; null for a call of pictures alone.</summary>
    public AudioFormat? Audio { get; init; }

    /// <summary>Who is to be seen in the frames; null for a call without pictures.</summary>
    public SpeakerRole? Video { get; init; }

    /// <summary>Length of a window, 0.5 s up to the model's own, which it is where null.</summary>
    public TimeSpan? Window { get; init; }

    /// <summary>From the start of one window to the next, 0.1 s to 10 s; 1 s where null.</summary>
    public TimeSpan? Hop { get; init; }

    /// <summary>Name of the speech model; the server's default where null.</summary>
    public string? SpeechModel { get; init; }

    /// <summary>Name of the face model; the server's default where null.</summary>
    public string? FaceModel { get; init; }

    /// <summary>How long it is tried to go on with a call that broke off, without anything new from the server; 60 s by default.</summary>
    public TimeSpan ResumeTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>
    /// How many bytes are kept for a call that breaks off, and wait to be sent; 64 MiB by default. Writers
    /// wait while there are more. The server lets go of media every few seconds: leave room for 20 s of them.
    /// </summary>
    public long MaxBufferedBytes { get; init; } = 64 * 1024 * 1024;

    /// <summary>
    /// Whether audio is copied as it is written; true by default. Where false, leave the bytes as they are
    /// until the call has ended: they may have to be sent again.
    /// </summary>
    public bool CopyAudio { get; init; } = true;
}
