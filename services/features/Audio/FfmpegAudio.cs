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
    /// <summary>Higher rates are resampled: features need 22,050 Hz, and less memory is needed.</summary>
    private const int MaxSampleRate = 24_000;

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
        const int magic = 16, chunkHeader = 12, maxChunk = 16 << 20;
        const int frame = sizeof(short);
        // Players tolerate timestamps that are a little off; so does ffmpeg's own compensation.
        const double tolerance = 0.1;

        await using var buffered = new BufferedStream(output, 64 << 10);
        var header = new byte[magic];
        if (!await TryReadAsync(header))
            return null;
        int rate = 0, channels = 0;
        while (await TryReadAsync(header.AsMemory(0, 4)) && !header.AsSpan(0, 4).SequenceEqual("HEND"u8))
        {
            await buffered.ReadExactlyAsync(header.AsMemory(4, 4), cancellationToken);
            var block = new byte[Math.Min(BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(4)), maxChunk)];
            await buffered.ReadExactlyAsync(block, cancellationToken);
            if (header.AsSpan(0, 4).SequenceEqual("_SND"u8))
                (rate, channels) = (BinaryPrimitives.ReadUInt16BigEndian(block), block[3]);
        }

        if (rate == 0 || channels == 0)
            return null;
        if (channels > AudioDecoder.MaxChannels)
            throw new AudioFormatException($"must have at most {AudioDecoder.MaxChannels} channels; it has {channels}");

        var samples = new MemoryStream();
        var offset = -zero; // of the time line from the timestamps, in seconds
        while (await TryReadAsync(header.AsMemory(0, chunkHeader)))
        {
            var time = BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(4)) / 1000.0;
            var length = (int)Math.Min(BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(8)), maxChunk);
            var gap = time + offset - Seconds(samples.Length);
            if (gap < -tolerance)
                offset -= gap; // the timestamps start again: nothing is dropped
            else if (gap > tolerance)
                Grow((long)(gap * rate) * frame * channels);
            var start = (int)samples.Length;
            Grow(length);
            await buffered.ReadExactlyAsync(samples.GetBuffer().AsMemory(start, length), cancellationToken);
        }

        var end = (int)Math.Min(samples.Length, (long)(maxDuration.TotalSeconds * rate) * frame * channels);
        return end < frame * channels ? null : ToAudio(samples.GetBuffer().AsSpan(0, end), channels, rate);

        async ValueTask<bool> TryReadAsync(Memory<byte> bytes) =>
            await buffered.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, cancellationToken) == bytes.Length;

        double Seconds(long bytes) => bytes / (frame * channels) / (double)rate;

        void Grow(long bytes)
        {
            var total = samples.Length + bytes;
            if (Seconds(total) > maxDuration.TotalSeconds + Padding)
                throw new AudioFormatException($"must be at most {maxDuration.TotalMinutes:0.#} minutes long");
            if (total / frame > _maxSamples + (long)Padding * channels * rate)
            {
                throw new AudioFormatException(
                    $"must be at most {(double)_maxSamples / channels / rate / 60:0.#} minutes long with {channels} channels");
            }

            samples.SetLength(total); // filled with zeros
        }
    }

    private static AudioBuffer ToAudio(ReadOnlySpan<byte> interleaved, int channels, int rate)
    {
        var stride = sizeof(short) * channels;
        var samples = new float[channels][];
        for (var channel = 0; channel < channels; channel++)
        {
            samples[channel] = GC.AllocateUninitializedArray<float>(interleaved.Length / stride);
            SampleEncoding.Signed16.TryDecode(interleaved[(channel * sizeof(short))..], stride, samples[channel]);
        }

        return new AudioBuffer(samples, rate);
    }
}
