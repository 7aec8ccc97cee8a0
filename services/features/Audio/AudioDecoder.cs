using Affect.Audio;
using Microsoft.Extensions.Options;

namespace Affect.Features.Audio;

/// <summary>Audio files in, samples out. Safe to share between threads.</summary>
internal sealed class AudioDecoder(Ffmpeg ffmpeg, IOptions<FeaturesOptions> options)
{
    private readonly TimeSpan _maxDuration = options.Value.MaxAudioDuration;

    /// <summary>Decodes a file: its channels at its own rate, but at most 48 kHz and mixed to one where ffmpeg had to decode it.</summary>
    /// <exception cref="AudioFormatException">The file is no audio, broken, or too long.</exception>
    /// <exception cref="DecoderMissingException">The file needs ffmpeg, which is not installed.</exception>
    /// <exception cref="BusyException">Decoding took too long because this machine has too much to do.</exception>
    public async Task<AudioBuffer> DecodeAsync(ReadOnlyMemory<byte> file, CancellationToken cancellationToken)
    {
        if (file.IsEmpty)
            throw new AudioFormatException("The file is empty.");
        if (!WavReader.IsWav(file.Span))
        {
            var container = AudioContainer.Of(file.Span)
                ?? throw new AudioFormatException("The file is no WAV, FLAC, MP3, Ogg, WebM, MP4 or AIFF.");
            file = await ffmpeg.ToWavAsync(file, container, cancellationToken);
        }

        // The header and the number of bytes tell, before anything is decoded.
        if (WavReader.ReadDuration(file.Span) > _maxDuration)
            throw new AudioFormatException($"The audio is longer than {_maxDuration.TotalMinutes:0.#} minutes; split it.");
        return WavReader.Read(file.Span);
    }
}
