using System.Buffers.Binary;
using Affect.Audio;

namespace Affect.Features.Audio;

/// <summary>
/// Decodes an audio track with ffmpeg to 16 bits. ffmpeg writes SMJPEG, the simplest of its formats whose samples have timestamps: where
/// they jump, silence keeps the time line.
/// </summary>
/// <param name="ffmpeg">The sandboxed program.</param>
/// <param name="maxDuration">Longest audio, including silence.</param>
internal sealed class FfmpegAudio(Ffmpeg ffmpeg, TimeSpan maxDuration)
{
    /// <summary>
    /// Higher rates are resampled, which takes less memory. Not to the 22,050 Hz of the features: models notice the filter of the last step.
    /// </summary>
    private const int MaxSampleRate = 24_000;

    /// <summary>Samples of each channel that are stored together: an array that grows would leave copies of itself as garbage.</summary>
    private const int BlockLength = 1 << 16;

    /// <summary>Encoders pad a recording of the maximum duration; the padding is dropped, in seconds.</summary>
    private const int Padding = 1;

    /// <summary>Samples of all channels together: two channels may have the maximum duration.</summary>
    private readonly long _maxSamples = (long)(2 * MaxSampleRate * maxDuration.TotalSeconds);

    /// <summary>Decodes the default audio track of a file, or the one with most channels if several or none are marked as default.</summary>
    /// <exception cref="AudioFormatException">The file is broken, has no audio, is too long, or takes too long to decode.</exception>
    /// <exception cref="DecoderMissingException">ffmpeg is not installed.</exception>
    /// <exception cref="BusyException">Decoding timed out because the machine is overloaded.</exception>
    public async Task<DecodedAudio> DecodeAsync(ReadOnlyMemory<byte> file, AudioContainer container, CancellationToken cancellationToken)
    {
        string[] arguments =
        [
            "-loglevel", "info", "-nostats",
            "-copyts", // otherwise time starts with the first packet, and jumps of more than 10 s are removed
            "-f", container.Demuxer, "-i", "pipe:0", "-vn", "-sn", "-dn", "-map_metadata", "-1",
            "-af", $"aformat=sample_rates=8000|11025|12000|16000|22050|{MaxSampleRate}",
            "-c:a", "pcm_s16le", "-bitexact", "-f", "smjpeg", "pipe:1",
        ];
        var log = new FfmpegLog();
        try
        {
            var audio = await ffmpeg.RunAsync(arguments, container.Prepare(file), ReadAsync, log.ReadAsync, cancellationToken);
            return audio is null
                ? throw new AudioFormatException($"must be {container.Name} with audio that can be decoded")
                : new DecodedAudio(audio, log.Track);
        }
        catch (TimeoutException exception)
        {
            throw new AudioFormatException(exception.Message);
        }

        async Task<AudioBuffer?> ReadAsync(Stream output, CancellationToken stop) =>
            await ReadSamplesAsync(output, container.StartsAtZero ? 0 : await log.StartAsync(stop), stop);
    }

    /// <summary>
    /// Reads SMJPEG: a header with blocks of a type, a length and a content, which ends with HEND, and chunks of a type, a time in
    /// milliseconds, a length and samples. Null without samples: ffmpeg reports an error for a truncated file, but has decoded it up to there.
    /// </summary>
    /// <param name="output">SMJPEG.</param>
    /// <param name="zero">Timestamp at which the time line starts, in seconds.</param>
    /// <param name="cancellationToken">Stops reading.</param>
    private async Task<AudioBuffer?> ReadSamplesAsync(Stream output, double zero, CancellationToken cancellationToken)
    {
        const int magic = 16, chunkHeader = 12, maxHeader = 1 << 16;
        // Players tolerate timestamps that are a little off; so does ffmpeg's own compensation.
        const double tolerance = 0.1;

        await using var buffered = new BufferedStream(output, 64 << 10);
        var header = new byte[magic];
        if (!await TryReadAsync(header))
            return null;
        int rate = 0, channels = 0;
        while (await TryReadAsync(header.AsMemory(0, 4)) && !header.AsSpan(0, 4).SequenceEqual("HEND"u8))
        {
            if (!await TryReadAsync(header.AsMemory(4, 4)))
                return null;
            var block = new byte[Math.Min(BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(4)), maxHeader)];
            if (!await TryReadAsync(block))
                return null;
            if (header.AsSpan(0, 4).SequenceEqual("_SND"u8))
                (rate, channels) = (BinaryPrimitives.ReadUInt16BigEndian(block), block[3]);
        }

        if (rate == 0 || channels == 0)
            return null;
        if (channels > AudioDecoder.MaxChannels)
            throw new AudioFormatException($"must have at most {AudioDecoder.MaxChannels} channels; it has {channels}");

        var frame = sizeof(short) * channels;
        var blocks = new List<byte[]>();
        var length = 0L; // in bytes
        var offset = -zero; // of the time line from the timestamps, in seconds
        var complete = true;
        while (complete && await TryReadAsync(header.AsMemory(0, chunkHeader)))
        {
            var time = BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(4)) / 1000.0;
            var gap = time + offset - Seconds(length);
            if (gap < -tolerance)
                offset -= gap; // the timestamps start again: nothing is dropped
            else if (gap > tolerance)
                await AppendAsync((long)(gap * rate) * frame, silent: true);
            complete = await AppendAsync(BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(8)), silent: false);
        }

        var samples = (int)Math.Min(length / frame, (long)(maxDuration.TotalSeconds * rate));
        return samples == 0 ? null : ToAudio(blocks, samples, channels, rate);

        async ValueTask<bool> TryReadAsync(Memory<byte> bytes) =>
            await buffered.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, cancellationToken) == bytes.Length;

        double Seconds(long bytes) => bytes / frame / (double)rate;

        // False at the end of the output, which ffmpeg may not have completed.
        async ValueTask<bool> AppendAsync(long bytes, bool silent)
        {
            var total = length + bytes;
            if (Seconds(total) > maxDuration.TotalSeconds + Padding)
                throw new AudioFormatException($"must be at most {maxDuration.TotalMinutes:0.#} minutes long");
            if (total / sizeof(short) > _maxSamples + (long)Padding * channels * rate)
            {
                throw new AudioFormatException(
                    $"must be at most {(double)_maxSamples / channels / rate / 60:0.#} minutes long with {channels} channels");
            }

            while (length < total)
            {
                var at = (int)(length % (BlockLength * frame));
                if (at == 0)
                    blocks.Add(new byte[BlockLength * frame]); // filled with zeros
                var part = (int)Math.Min(total - length, BlockLength * frame - at);
                if (!silent && !await TryReadAsync(blocks[^1].AsMemory(at, part)))
                    return false;
                length += part;
            }

            return true;
        }
    }

    private static AudioBuffer ToAudio(List<byte[]> blocks, int length, int channels, int rate)
    {
        var samples = new float[channels][];
        for (var channel = 0; channel < channels; channel++)
        {
            samples[channel] = GC.AllocateUninitializedArray<float>(length);
            for (var start = 0; start < length; start += BlockLength)
                SampleEncoding.Signed16.TryDecode(
                    blocks[start / BlockLength].AsSpan(channel * sizeof(short)), channels * sizeof(short),
                    samples[channel].AsSpan(start, Math.Min(BlockLength, length - start)));
        }

        return new AudioBuffer(samples, rate);
    }
}
