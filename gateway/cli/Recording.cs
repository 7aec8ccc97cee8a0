using System.Buffers.Binary;
using Affect.Client;

namespace Affect.Cli;

/// <summary>Audio that can be streamed without conversion: the data of a WAV file, or raw samples.</summary>
internal sealed class Recording : IAsyncDisposable
{
    private const ushort Pcm = 1, Float = 3, ALaw = 6, MuLaw = 7, Extensible = 0xFFFE;

    // Bound for the chunks before the data.
    private const int MaxChunkBytes = 16 * 1024 * 1024;

    private const string Convert = "convert it, as in: ffmpeg -i FILE -f wav - | affect stream -";

    private readonly Stream _data;
    private long _left;
    private ReadOnlyMemory<byte> _first; // the first sample, until it is read again

    private Recording(AudioFormat format, Stream data, long length)
    {
        Format = format;
        _data = data;
        _left = length;
    }

    /// <summary>Format of the audio.</summary>
    public AudioFormat Format { get; }

    /// <summary>Opens a file, or standard input for the name "-".</summary>
    /// <param name="name">The name on the command line.</param>
    /// <param name="roles">Role of the speaker on each channel; by default the customer, then the agent.</param>
    /// <param name="raw">Encoding and sample rate of raw samples; null for a WAV file.</param>
    /// <param name="cancellation">Cancels reading.</param>
    /// <exception cref="IOException">The file does not exist, cannot be read, or has an unsupported format.</exception>
    public static async Task<Recording> OpenAsync(
        string name, IReadOnlyList<SpeakerRole> roles, (AudioEncoding Encoding, int Rate)? raw, CancellationToken cancellation)
    {
        var stream = name == "-" ? Console.OpenStandardInput() : InputFile.OpenRead(name);
        try
        {
            var recording = raw is var (encoding, rate)
                ? new Recording(new AudioFormat(encoding, rate, roles.Count == 0 ? [SpeakerRole.Customer] : roles), stream, long.MaxValue)
                : await ReadHeaderAsync(stream, roles, cancellation);
            var first = new byte[recording.Format.BlockSize];
            if (await recording.ReadAsync(first, cancellation) < first.Length)
                throw new IOException("The file is empty: it has no samples");
            recording._first = first;
            return recording;
        }
        catch (EndOfStreamException)
        {
            await stream.DisposeAsync();
            throw new IOException("The WAV header is truncated");
        }
        catch
        {
            await stream.DisposeAsync();
            throw;
        }
    }

    /// <summary>Reads until the buffer is full or the audio ends; returns 0 after the end.</summary>
    public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellation)
    {
        var first = Math.Min(_first.Length, buffer.Length);
        _first[..first].CopyTo(buffer);
        _first = _first[first..];
        var wanted = buffer[first..(int)Math.Min(buffer.Length, first + Math.Min(buffer.Length, _left))];
        // Reading a terminal or pipe ignores the token.
        var read = await _data.ReadAtLeastAsync(wanted, wanted.Length, throwOnEndOfStream: false, cancellation).AsTask().WaitAsync(cancellation);
        _left -= read;
        return first + read;
    }

    /// <summary>Reads the rest.</summary>
    public async Task<byte[]> ReadAllAsync(CancellationToken cancellation)
    {
        var all = new MemoryStream();
        var buffer = new byte[64 * 1024];
        for (int read; (read = await ReadAsync(buffer, cancellation)) > 0;)
            all.Write(buffer, 0, read);
        return all.ToArray();
    }

    public ValueTask DisposeAsync() => _data.DisposeAsync();

    // Reads chunks in order up to the data, because standard input cannot seek. Writers that cannot seek leave a size of 0 or
    // 0xFFFFFFFF: the data then extend to the end.
    private static async Task<Recording> ReadHeaderAsync(Stream stream, IReadOnlyList<SpeakerRole> roles, CancellationToken cancellation)
    {
        var riff = new byte[12];
        var length = await stream.ReadAtLeastAsync(riff, riff.Length, throwOnEndOfStream: false, cancellation);
        if (length == 0)
            throw new IOException("The file is empty");
        if (!riff.AsSpan().StartsWith("RIFF"u8[..Math.Min(length, 4)]) || (length == riff.Length && !riff.AsSpan(8).SequenceEqual("WAVE"u8)))
            throw new IOException($"Not a WAV file; {Convert}, or set --encoding and --rate for raw samples");
        if (length < riff.Length)
            throw new EndOfStreamException();
        byte[]? format = null;
        while (true)
        {
            var chunk = await ReadAsync(stream, 8, cancellation);
            var size = BinaryPrimitives.ReadUInt32LittleEndian(chunk.AsSpan(4));
            if (chunk.AsSpan().StartsWith("data"u8))
                return new Recording(
                    ReadFormat(format ?? throw new IOException("The WAV header has no format chunk before the data"), roles),
                    stream, size is 0 or uint.MaxValue ? long.MaxValue : size);
            if (size > MaxChunkBytes)
                throw new IOException("The WAV header is invalid: a chunk exceeds 16 MiB");
            var body = await ReadAsync(stream, (int)(size + size % 2), cancellation);
            if (chunk.AsSpan().StartsWith("fmt "u8))
                format = body;
        }
    }

    private static AudioFormat ReadFormat(ReadOnlySpan<byte> chunk, IReadOnlyList<SpeakerRole> roles)
    {
        if (chunk.Length < 16)
            throw new IOException("The WAV header is truncated");
        var tag = BinaryPrimitives.ReadUInt16LittleEndian(chunk);
        // WAVE_FORMAT_EXTENSIBLE has the format at the start of the sub-format's GUID.
        if (tag == Extensible && chunk.Length >= 26)
            tag = BinaryPrimitives.ReadUInt16LittleEndian(chunk[24..]);
        var channels = BinaryPrimitives.ReadUInt16LittleEndian(chunk[2..]);
        var rate = BinaryPrimitives.ReadInt32LittleEndian(chunk[4..]);
        var bits = BinaryPrimitives.ReadUInt16LittleEndian(chunk[14..]);
        AudioEncoding encoding = (tag, bits) switch
        {
            (Pcm, 16) => AudioEncoding.L16,
            (Float, 32) => AudioEncoding.Float32,
            // Some recorders write 0, 13 or 16 bits; G.711 always has 8.
            (ALaw, _) => AudioEncoding.ALaw,
            (MuLaw, _) => AudioEncoding.MuLaw,
            _ => throw new IOException(
                $"{bits}-bit {(tag switch { Pcm => "PCM", Float => "float", _ => $"WAVE format {tag}" })} is not supported; " +
                $"must be 16-bit PCM, 32-bit float, A-law or µ-law; {Convert}"),
        };
        if (roles.Count == 0 && channels is 1 or 2)
            roles = channels == 1 ? [SpeakerRole.Customer] : [SpeakerRole.Customer, SpeakerRole.Agent];
        if (roles.Count != channels)
            throw new IOException($"The file has {channels} {(channels == 1 ? "channel" : "channels")}; set the role of each with --channels");
        return new AudioFormat(encoding, rate, roles);
    }

    private static async Task<byte[]> ReadAsync(Stream stream, int length, CancellationToken cancellation)
    {
        var bytes = new byte[length];
        await stream.ReadExactlyAsync(bytes, cancellation);
        return bytes;
    }
}
