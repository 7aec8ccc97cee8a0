using System.Buffers.Binary;
using Affect.Client;

namespace Affect.Cli;

/// <summary>Audio that goes into a call as it is, sample for sample: the data of a WAV file, or bytes without a header.</summary>
internal sealed class Recording : IAsyncDisposable
{
    private const ushort Pcm = 1, Float = 3, ALaw = 6, MuLaw = 7, Extensible = 0xFFFE;

    // As much as a header may have before its data.
    private const int LargestChunk = 16 * 1024 * 1024;

    private readonly Stream _data;
    private long _left;

    private Recording(AudioFormat format, Stream data, long length)
    {
        Format = format;
        _data = data;
        _left = length;
    }

    /// <summary>What the bytes are.</summary>
    public AudioFormat Format { get; }

    /// <summary>Opens a file, or standard input where the name is "-".</summary>
    /// <param name="name">As it was given.</param>
    /// <param name="roles">Who speaks on which channel; the usual where empty: the customer, then the agent.</param>
    /// <param name="raw">Encoding and rate of bytes without a header; null for a WAV file.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="IOException">It is not there, cannot be read, or is nothing that a call takes.</exception>
    public static async Task<Recording> OpenAsync(
        string name, IReadOnlyList<SpeakerRole> roles, (AudioEncoding Encoding, int Rate)? raw, CancellationToken cancellation)
    {
        var stream = Open(name);
        try
        {
            if (raw is var (encoding, rate))
                return new Recording(new AudioFormat(encoding, rate, roles.Count == 0 ? [SpeakerRole.Customer] : roles), stream, long.MaxValue);
            return await ReadHeaderAsync(stream, roles, cancellation);
        }
        catch (EndOfStreamException)
        {
            await stream.DisposeAsync();
            throw new IOException("The WAV header is cut off");
        }
        catch
        {
            await stream.DisposeAsync();
            throw;
        }
    }

    /// <summary>The next bytes: as many as there is room for, fewer at the end, none behind it.</summary>
    public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellation)
    {
        var wanted = buffer[..(int)Math.Min(buffer.Length, _left)];
        // A terminal or pipe does not notice that nobody waits any more.
        var read = await _data.ReadAtLeastAsync(wanted, wanted.Length, throwOnEndOfStream: false, cancellation).AsTask().WaitAsync(cancellation);
        _left -= read;
        return read;
    }

    /// <summary>All that is left.</summary>
    public async Task<byte[]> ReadAllAsync(CancellationToken cancellation)
    {
        var all = new MemoryStream();
        var buffer = new byte[64 * 1024];
        for (int read; (read = await ReadAsync(buffer, cancellation)) > 0;)
            all.Write(buffer, 0, read);
        return all.ToArray();
    }

    public ValueTask DisposeAsync() => _data.DisposeAsync();

    private static Stream Open(string name)
    {
        if (name == "-")
            return Console.OpenStandardInput();
        if (Directory.Exists(name))
            throw new IOException("Is a directory");
        try
        {
            return File.OpenRead(name);
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new IOException("No such file or directory");
        }
        catch (UnauthorizedAccessException)
        {
            throw new IOException("Permission denied");
        }
    }

    // Chunk by chunk up to the data, for standard input cannot go back. Sizes of 0 and 0xFFFFFFFF are what
    // writers leave that cannot either: the data go on to the end then.
    private static async Task<Recording> ReadHeaderAsync(Stream stream, IReadOnlyList<SpeakerRole> roles, CancellationToken cancellation)
    {
        var riff = await ReadAsync(stream, 12, cancellation);
        if (!riff.AsSpan().StartsWith("RIFF"u8) || !riff.AsSpan(8).SequenceEqual("WAVE"u8))
            throw new IOException("Not a WAV file: convert it, or name --encoding and --rate of bytes without a header");
        byte[]? format = null;
        while (true)
        {
            var chunk = await ReadAsync(stream, 8, cancellation);
            var size = BinaryPrimitives.ReadUInt32LittleEndian(chunk.AsSpan(4));
            if (chunk.AsSpan().StartsWith("data"u8))
                return new Recording(
                    ReadFormat(format ?? throw new IOException("The WAV header has no format before its data"), roles),
                    stream, size is 0 or uint.MaxValue ? long.MaxValue : size);
            if (size > LargestChunk)
                throw new IOException("The WAV header contradicts itself");
            var body = await ReadAsync(stream, (int)(size + size % 2), cancellation);
            if (chunk.AsSpan().StartsWith("fmt "u8))
                format = body;
        }
    }

    private static AudioFormat ReadFormat(ReadOnlySpan<byte> chunk, IReadOnlyList<SpeakerRole> roles)
    {
        if (chunk.Length < 16)
            throw new IOException("The WAV header is cut off");
        var tag = BinaryPrimitives.ReadUInt16LittleEndian(chunk);
        // The format itself is at the beginning of the sub-format's GUID then.
        if (tag == Extensible && chunk.Length >= 26)
            tag = BinaryPrimitives.ReadUInt16LittleEndian(chunk[24..]);
        var channels = BinaryPrimitives.ReadUInt16LittleEndian(chunk[2..]);
        var rate = BinaryPrimitives.ReadInt32LittleEndian(chunk[4..]);
        var bits = BinaryPrimitives.ReadUInt16LittleEndian(chunk[14..]);
        AudioEncoding encoding = (tag, bits) switch
        {
            (Pcm, 16) => AudioEncoding.L16,
            (Float, 32) => AudioEncoding.Float32,
            (ALaw, 8) => AudioEncoding.ALaw,
            (MuLaw, 8) => AudioEncoding.MuLaw,
            _ => throw new IOException(
                $"{bits} bits of {(tag switch { Pcm => "PCM", Float => "float", _ => $"WAVE format {tag}" })} cannot be streamed: " +
                "16-bit PCM, 32-bit float, A-law and µ-law can"),
        };
        if (roles.Count == 0 && channels is 1 or 2)
            roles = channels == 1 ? [SpeakerRole.Customer] : [SpeakerRole.Customer, SpeakerRole.Agent];
        if (roles.Count != channels)
            throw new IOException($"The file has {channels} {(channels == 1 ? "channel" : "channels")}: name the role of each with --channels");
        return new AudioFormat(encoding, rate, roles);
    }

    private static async Task<byte[]> ReadAsync(Stream stream, int length, CancellationToken cancellation)
    {
        var bytes = new byte[length];
        await stream.ReadExactlyAsync(bytes, cancellation);
        return bytes;
    }
}
