using System.Buffers.Binary;

namespace Affect.Audio;

/// <summary>
/// Reads RIFF/WAVE (and RF64, EBU Tech 3306) files: PCM of 8 to 32 bits, float of 32 and 64 bits, A-law
/// and µ-law, any number of channels, also as WAVE_FORMAT_EXTENSIBLE.
/// </summary>
/// <remarks>
/// Size fields are not trusted: writers that cannot seek leave 0 or 0xFFFFFFFF, and a truncated file claims more than it has. Existing
/// bytes are read, and memory is allocated for them only.
/// </remarks>
public static class WavReader
{
    /// <summary>Limits of the sample rate in hertz.</summary>
    public const int MinSampleRate = 4_000, MaxSampleRate = 192_000;

    private const ushort Pcm = 1, Float = 3, ALaw = 6, MuLaw = 7, Extensible = 0xFFFE;

    /// <summary>The sub-format GUID of WAVE_FORMAT_EXTENSIBLE after the format tag.</summary>
    private static ReadOnlySpan<byte> SubFormatTail =>
        [0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x80, 0x00, 0x00, 0xAA, 0x00, 0x38, 0x9B, 0x71];

    /// <summary>True if the bytes start with the header of a WAV file; twelve bytes suffice.</summary>
    public static bool IsWav(ReadOnlySpan<byte> bytes) =>
        bytes.Length >= 12
        && (bytes.StartsWith("RIFF"u8) || bytes.StartsWith("RF64"u8))
        && bytes[8..12].SequenceEqual("WAVE"u8);

    /// <summary>Decodes a whole file. Float samples beyond full scale are clipped to it.</summary>
    /// <exception cref="AudioFormatException">The file is empty, not such a WAV file, or has a truncated header.</exception>
    public static AudioBuffer Read(ReadOnlySpan<byte> file)
    {
        var data = FindData(file, out var format);
        return Decode(data, format);
    }

    /// <summary>Duration of a file, from its header and its number of bytes: nothing is decoded.</summary>
    /// <exception cref="AudioFormatException">The file is empty, not such a WAV file, or has a truncated header.</exception>
    public static TimeSpan ReadDuration(ReadOnlySpan<byte> file)
    {
        var data = FindData(file, out var format);
        return TimeSpan.FromSeconds((double)(data.Length / (format.Width * format.Channels)) / format.SampleRate);
    }

    private static ReadOnlySpan<byte> FindData(ReadOnlySpan<byte> file, out Format found)
    {
        if (file.IsEmpty)
            throw new AudioFormatException("must not be empty");
        if (!IsWav(file))
            throw new AudioFormatException("must be a WAV file");

        Format? format = null;
        ulong longDataSize = uint.MaxValue; // replaces the 32-bit field in RF64 files
        var rest = file[12..];
        while (rest.Length >= 8)
        {
            var id = rest[..4];
            var size = BinaryPrimitives.ReadUInt32LittleEndian(rest[4..]);
            var body = rest[8..];

            if (id.SequenceEqual("data"u8))
            {
                if (format is null)
                    throw new AudioFormatException("must have its format before its data");
                var claimed = size == uint.MaxValue ? longDataSize : size;
                if (claimed == 0 && !SizesAreFinal(file))
                    claimed = uint.MaxValue;
                found = format.Value;
                return body[..(int)Math.Min(claimed, (ulong)body.Length)];
            }

            if (size > body.Length)
                break;
            if (id.SequenceEqual("fmt "u8))
                format = ReadFormat(body[..(int)size]);
            else if (id.SequenceEqual("ds64"u8) && size >= 16)
                longDataSize = BinaryPrimitives.ReadUInt64LittleEndian(body[8..]);

            // Chunks are padded to even length with a zero; some writers omit it, and no id starts with a zero.
            var next = (int)size;
            if (next % 2 == 1 && next < body.Length && body[next] == 0)
                next++;
            rest = body[next..];
        }

        throw new AudioFormatException("must have a complete WAV header");
    }

    /// <summary>
    /// True if the writer has filled in the sizes at the end: then an empty data chunk is empty, and otherwise it marks a stream.
    /// </summary>
    private static bool SizesAreFinal(ReadOnlySpan<byte> file) =>
        Math.Abs(BinaryPrimitives.ReadUInt32LittleEndian(file[4..]) + 8L - file.Length) <= 1;

    private static Format ReadFormat(ReadOnlySpan<byte> chunk)
    {
        if (chunk.Length < 16)
            throw new AudioFormatException("must have a complete WAV header");

        var tag = BinaryPrimitives.ReadUInt16LittleEndian(chunk);
        var channels = BinaryPrimitives.ReadUInt16LittleEndian(chunk[2..]);
        var sampleRate = BinaryPrimitives.ReadUInt32LittleEndian(chunk[4..]);
        var blockSize = BinaryPrimitives.ReadUInt16LittleEndian(chunk[12..]);
        var bits = BinaryPrimitives.ReadUInt16LittleEndian(chunk[14..]);

        if (tag == Extensible)
        {
            if (chunk.Length < 40)
                throw new AudioFormatException("must have a complete WAV header");
            tag = chunk[26..40].SequenceEqual(SubFormatTail)
                ? BinaryPrimitives.ReadUInt16LittleEndian(chunk[24..])
                : Extensible;
        }

        if (sampleRate is < MinSampleRate or > MaxSampleRate)
            throw new AudioFormatException($"must have a sample rate of {MinSampleRate} to {MaxSampleRate} Hz; it has {sampleRate}");
        if (channels == 0)
            throw new AudioFormatException("must have at least one channel");

        // A sample may sit left-justified in a container that is wider than its bits (12 in 16, 24 in 32).
        var width = blockSize == 0 ? (bits + 7) / 8 : blockSize / channels;
        if (bits == 0 || blockSize % channels != 0 || width * 8 < bits)
            throw new AudioFormatException("must have a consistent WAV header");

        SampleEncoding? encoding = (tag, width) switch
        {
            (Pcm, 1) => SampleEncoding.Unsigned8,
            (Pcm, 2) => SampleEncoding.Signed16,
            (Pcm, 3) => SampleEncoding.Signed24,
            (Pcm, 4) => SampleEncoding.Signed32,
            (Float, 4) when bits == 32 => SampleEncoding.Ieee32,
            (Float, 8) when bits == 64 => SampleEncoding.Ieee64,
            (ALaw, 1) => SampleEncoding.ALaw,
            (MuLaw, 1) => SampleEncoding.MuLaw,
            _ => null,
        };
        return encoding is { } known
            ? new Format(known, channels, (int)sampleRate, width)
            : throw new AudioFormatException("must have PCM, float, A-law or µ-law samples");
    }

    private static AudioBuffer Decode(ReadOnlySpan<byte> data, Format format)
    {
        var frameSize = format.Width * format.Channels;
        var length = data.Length / frameSize; // an incomplete last frame is dropped
        if (length == 0)
            throw new AudioFormatException("must have samples");

        var channels = new float[format.Channels][];
        for (var channel = 0; channel < channels.Length; channel++)
        {
            var samples = channels[channel] = GC.AllocateUninitializedArray<float>(length);
            if (!format.Encoding.TryDecode(data[(channel * format.Width)..], frameSize, samples))
                throw new AudioFormatException("must have finite samples");
        }

        return new AudioBuffer(channels, format.SampleRate);
    }

    /// <param name="Encoding">Encoding of a sample.</param>
    /// <param name="Channels">Interleaved channels.</param>
    /// <param name="SampleRate">In hertz.</param>
    /// <param name="Width">Bytes of a sample.</param>
    private readonly record struct Format(SampleEncoding Encoding, int Channels, int SampleRate, int Width);
}
