using Affect.Client;

namespace Affect.Cli.Load;

/// <summary>A recording that repeats without end. The calls that play it share its bytes.</summary>
internal sealed class LoopedRecording
{
    private readonly byte[] _audio;
    private readonly int _length;

    private LoopedRecording(AudioFormat format, byte[] audio, int length, int chunkLength)
    {
        Format = format;
        _audio = audio;
        _length = length;
        ChunkLength = chunkLength;
        Chunk = TimeSpan.FromSeconds((double)chunkLength / format.BytesPerSecond);
    }

    public AudioFormat Format { get; }

    /// <summary>Duration of a chunk, rounded to whole samples.</summary>
    public TimeSpan Chunk { get; }

    /// <summary>Bytes of a chunk.</summary>
    public int ChunkLength { get; }

    /// <exception cref="IOException">The file cannot be read or is not a supported WAV file; the message names it.</exception>
    public static async Task<LoopedRecording> ReadAsync(string name, TimeSpan chunk, CancellationToken cancellation)
    {
        try
        {
            await using var recording = await Recording.OpenAsync(name, [], raw: null, cancellation);
            return Create(recording.Format, await recording.ReadAllAsync(cancellation), chunk);
        }
        catch (IOException exception)
        {
            throw new IOException($"{name}: {exception.Message}", exception);
        }
    }

    /// <summary>A chunk of the loop, without a copy.</summary>
    /// <param name="offset">Start of the call in the recording, [0, 1).</param>
    /// <param name="index">Index of the chunk in the call.</param>
    public ReadOnlyMemory<byte> GetChunk(double offset, long index)
    {
        var first = (long)(offset * (_length / Format.BlockSize)) * Format.BlockSize;
        return _audio.AsMemory((int)((first + index * ChunkLength) % _length), ChunkLength);
    }

    private static LoopedRecording Create(AudioFormat format, byte[] data, TimeSpan chunk)
    {
        var chunkLength = (int)(format.SampleRate * chunk.TotalSeconds) * format.BlockSize;
        var length = data.Length - data.Length % format.BlockSize;
        // Repeats the beginning after the end, so that every chunk is contiguous.
        var audio = new byte[length + chunkLength];
        for (var written = 0; written < audio.Length; written += length)
            data.AsSpan(0, Math.Min(length, audio.Length - written)).CopyTo(audio.AsSpan(written));
        return new LoopedRecording(format, audio, length, chunkLength);
    }
}
