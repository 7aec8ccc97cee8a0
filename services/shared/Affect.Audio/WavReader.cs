using System.Buffers.Binary;

namespace Affect.Audio;

/// <summary>
/// Reads RIFF/WAVE (also RF64, EBU Tech 3306, and BW64, ITU-R BS.2088) files: PCM of 8 to 32 bits, float of 32 and 64 bits, A-law
/// and µ-law, any number of channels, also as WAVE_FORMAT_EXTENSIBLE.
/// </summary>
/// <remarks>
/// <para>
/// Size fields are not trusted: writers that cannot seek leave 0 or 0xFFFFFFFF, and a truncated file claims more than it has. Existing
/// bytes are read, and memory is allocated for them only.
/// </para>
/// <para>
/// Of fields that say the same twice, those are read that recorders fill in correctly: BitsPerSample, but for G.711, whose samples have
/// eight bits whatever the header says. BlockAlign matters if BitsPerSample is 0, or if it makes room for more bits.
/// </para>
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
        && (bytes.StartsWith("RIFF"u8) || bytes.StartsWith("RF64"u8) || bytes.StartsWith("BW64"u8))
        && bytes[8..12].SequenceEqual("WAVE"u8);

    /// <summary>Decodes a whole file. Float samples beyond full scale are clipped to it.</summary>
    /// <exception cref="AudioFormatException">The file is empty, not such a WAV file, or has a truncated header.</exception>
    public static AudioBuffer Read(ReadOnlySpan<byte> file)
    {
        var data = FindData(file, out var format);
        return Decode(data, format);
    }

    /// <summary>Duration and number of channels of a file, from its header and its number of bytes: nothing is decoded.</summary>
    /// <exception cref="AudioFormatException">The file is empty, not such a WAV file, or has a truncated header.</exception>
    public static (TimeSpan Duration, int Channels) ReadInfo(ReadOnlySpan<byte> file)
    {
        var data = FindData(file, out var format);
        return (TimeSpan.FromSeconds((double)(data.Length / (format.Width * format.Channels)) / format.SampleRate), format.Channels);
    }

    /// <summary>False if the samples have another codec than PCM, float or G.711, such as GSM or ADPCM. The header may still be broken.</summary>
    public static bool CanRead(ReadOnlySpan<byte> file) => IsWav(file) && ReadFormatTag(file) is null or Pcm or Float or ALaw or MuLaw;

    /// <summary>The format tag of a WAV file, which identifies the codec; null if its header is broken.</summary>
    public static int? ReadFormatTag(ReadOnlySpan<byte> file)
    {
        for (var rest = file[12..]; rest.Length >= 8;)
        {
            var size = Math.Min(BinaryPrimitives.ReadUInt32LittleEndian(rest[4..]), rest.Length - 8);
            var body = rest.Slice(8, (int)size);
            if (rest.StartsWith("fmt "u8) && size >= 16)
                return ReadTag(body);
            rest = AfterChunk(rest[8..], (int)size);
        }

        return null;
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

            rest = AfterChunk(body, (int)size);
        }

        throw new AudioFormatException("must have a complete WAV header");
    }

    /// <summary>Chunks are padded to even length with a zero; some writers omit it, and no id starts with a zero.</summary>
    private static ReadOnlySpan<byte> AfterChunk(ReadOnlySpan<byte> body, int size) =>
        body[(size % 2 == 1 && size < body.Length && body[size] == 0 ? size + 1 : size)..];

    /// <summary>
    /// True if the writer has filled in the sizes at the end: then an empty data chunk is empty, and otherwise it marks a stream.
    /// </summary>
    private static bool SizesAreFinal(ReadOnlySpan<byte> file) =>
        Math.Abs(BinaryPrimitives.ReadUInt32LittleEndian(file[4..]) + 8L - file.Length) <= 1;

    private static Format ReadFormat(ReadOnlySpan<byte> chunk)
    {
        if (chunk.Length < 16)
            throw new AudioFormatException("must have a complete WAV header");

        var tag = ReadTag(chunk);
        var channels = BinaryPrimitives.ReadUInt16LittleEndian(chunk[2..]);
        var sampleRate = BinaryPrimitives.ReadUInt32LittleEndian(chunk[4..]);
        var byteRate = BinaryPrimitives.ReadUInt32LittleEndian(chunk[8..]);
        var blockAlign = BinaryPrimitives.ReadUInt16LittleEndian(chunk[12..]);
        var bits = BinaryPrimitives.ReadUInt16LittleEndian(chunk[14..]);

        if (tag is not (Pcm or Float or ALaw or MuLaw))
            throw new AudioFormatException("must have PCM, float, A-law or µ-law samples");
        if (sampleRate is < MinSampleRate or > MaxSampleRate)
            throw new AudioFormatException($"must have a sample rate of {MinSampleRate} to {MaxSampleRate} Hz; it has {sampleRate}");
        if (channels == 0)
            throw new AudioFormatException("must have at least one channel");

        var width = tag is ALaw or MuLaw ? 1 : ReadWidth(channels, sampleRate, byteRate, blockAlign, bits);
        SampleEncoding? encoding = (tag, width) switch
        {
            (Pcm, 1) => SampleEncoding.Unsigned8,
            (Pcm, 2) => SampleEncoding.Signed16,
            (Pcm, 3) => SampleEncoding.Signed24,
            (Pcm, 4) => SampleEncoding.Signed32,
            (Float, 4) => SampleEncoding.Ieee32,
            (Float, 8) => SampleEncoding.Ieee64,
            (ALaw, _) => SampleEncoding.ALaw,
            (MuLaw, _) => SampleEncoding.MuLaw,
            _ => null,
        };
        return encoding is { } known
            ? new Format(known, channels, (int)sampleRate, width)
            : throw new AudioFormatException(
                $"must have a consistent WAV header: FormatTag {tag} ({(tag == Pcm ? "PCM" : "float")}) and BitsPerSample {bits} contradict each other");
    }

    /// <summary>The format tag, of WAVE_FORMAT_EXTENSIBLE that of its sub-format.</summary>
    private static ushort ReadTag(ReadOnlySpan<byte> format)
    {
        var tag = BinaryPrimitives.ReadUInt16LittleEndian(format);
        return tag == Extensible && format.Length >= 40 && format[26..40].SequenceEqual(SubFormatTail)
            ? BinaryPrimitives.ReadUInt16LittleEndian(format[24..])
            : tag;
    }

    /// <summary>Bytes of a sample of PCM or float.</summary>
    private static int ReadWidth(int channels, uint sampleRate, uint byteRate, int blockAlign, int bits)
    {
        var width = (bits + 7) / 8;
        var room = blockAlign % channels == 0 ? blockAlign / channels : 0;
        if (width == 0 && room == 0)
            throw new AudioFormatException($"must have a consistent WAV header: BitsPerSample {bits} and BlockAlign {blockAlign} contradict each other");
        if (width == 0)
            return room;
        if (room <= width || byteRate == (long)sampleRate * channels * width)
            return width;

        // A sample may sit left-justified in a container that is wider than its bits (12 in 16, 24 in 32).
        return bits != 8 && (bits % 8 != 0 || bits == 24 || byteRate == (long)sampleRate * blockAlign)
            ? room
            : throw new AudioFormatException($"must have a consistent WAV header: BitsPerSample {bits} and BlockAlign {blockAlign} contradict each other");
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
