using Affect.Audio;
using Microsoft.Extensions.Options;

namespace Affect.Features.Audio;

/// <summary>Decodes audio files. Thread-safe.</summary>
internal sealed class AudioDecoder(Ffmpeg ffmpeg, IOptions<FeaturesOptions> options)
{
    /// <summary>Largest number of channels of a file, as of a call.</summary>
    public const int MaxChannels = AudioLimits.MaxCallChannels;

    private readonly TimeSpan _maxDuration = options.Value.MaxAudioDuration;
    private readonly FfmpegAudio _ffmpeg = new(ffmpeg, options.Value.MaxAudioDuration);

    /// <summary>Decodes a file: WAV with PCM, float or G.711 at its own rate, other files at a rate of at most 24 kHz.</summary>
    /// <exception cref="AudioFormatException">The file is not audio, is broken, is too long, or has too many channels.</exception>
    /// <exception cref="DecoderMissingException">The file needs ffmpeg, which is not installed.</exception>
    /// <exception cref="BusyException">Decoding timed out because the machine is overloaded.</exception>
    public async Task<DecodedAudio> DecodeAsync(ReadOnlyMemory<byte> file, CancellationToken cancellationToken)
    {
        if (file.IsEmpty)
            throw new AudioFormatException("must not be empty");
        var container = AudioContainer.Identify(file.Span, out var start) ?? throw new AudioFormatException(
            "must be audio in a supported container, such as WAV, FLAC, MP3, AAC, AMR, Ogg, WebM, MP4, CAF, AIFF or WMA");
        file = container == AudioContainer.BigEndianWav ? Rifx.ToRiff(file.Span[start..]) : file[start..];
        if (!WavReader.CanRead(file.Span))
        {
            // The name of the codec in errors.
            if (container == AudioContainer.Wav)
                container = container with { Name = $"WAV (format tag 0x{WavReader.ReadFormatTag(file.Span):X4})" };
            return await _ffmpeg.DecodeAsync(file, container, cancellationToken);
        }

        // Known from the header and the number of bytes, before anything is decoded.
        var info = WavReader.ReadInfo(file.Span);
        if (info.Duration > _maxDuration)
            throw new AudioFormatException($"must be at most {_maxDuration.TotalMinutes:0.#} minutes long");
        if (info.Channels > MaxChannels)
            throw new AudioFormatException($"must have at most {MaxChannels} channels; it has {info.Channels}");
        // Memory grows with the samples of all channels at 22,050 Hz.
        var maxDuration = 2 * _maxDuration / info.Channels;
        if (info.Duration > maxDuration)
            throw new AudioFormatException($"must be at most {maxDuration.TotalMinutes:0.#} minutes long with {info.Channels} channels");
        return new DecodedAudio(WavReader.Read(file.Span), new AudioTrack(0, 1));
    }
}
