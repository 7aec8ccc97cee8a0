using Affect.Audio;
using Microsoft.Extensions.Options;

namespace Affect.Features.Audio;

/// <summary>Decodes audio files. Thread-safe.</summary>
internal sealed class AudioDecoder(Ffmpeg ffmpeg, IOptions<FeaturesOptions> options)
{
    private readonly TimeSpan _maxDuration = options.Value.MaxAudioDuration;

    /// <summary>Decodes a file: WAV with its channels and rate, other containers as one channel of at most 48 kHz.</summary>
    /// <exception cref="AudioFormatException">The file is not audio, is broken, or is too long.</exception>
    /// <exception cref="DecoderMissingException">The file needs ffmpeg, which is not installed.</exception>
    /// <exception cref="BusyException">Decoding timed out because the machine is overloaded.</exception>
    public async Task<AudioBuffer> DecodeAsync(ReadOnlyMemory<byte> file, CancellationToken cancellationToken)
    {
        if (file.IsEmpty)
            throw new AudioFormatException("must not be empty");
        if (!WavReader.IsWav(file.Span))
        {
            var container = AudioContainer.Identify(file.Span)
                ?? throw new AudioFormatException("must be WAV, FLAC, MP3, Ogg, WebM, MP4 or AIFF");
            file = await ffmpeg.ToWavAsync(file, container, cancellationToken);
        }

        // Known from the header and the number of bytes, before anything is decoded.
        if (WavReader.ReadDuration(file.Span) > _maxDuration)
            throw new AudioFormatException($"must be at most {_maxDuration.TotalMinutes:0.#} minutes long");
        return WavReader.Read(file.Span);
    }
}
