using System.Buffers.Binary;

namespace Affect.Audio;

/// <summary>
/// Reads RIFF/WAVE (and RF64, EBU Tech 3306) files: PCM of 8 to 32 bits, float of 32 and 64 bits, A-law
/// and µ-law, any number of channels, also behind WAVE_FORMAT_EXTENSIBLE.
/// </summary>
/// <remarks>
/// Size fields are taken for claims, not facts: writers that cannot seek leave 0 or 0xFFFFFFFF, and a
/// cut file claims more than it has. What is there is read, and nothing is allocated for what is not.
/// </remarks>
public static class WavReader
{
    /// <summary>The lowest and the highest sample rate that are accepted, in hertz.</summary>
    public const int MinSampleRate = 4_000, MaxSampleRate = 192_000;

    private const ushort Pcm = 1, Float = 3, ALaw = 6, MuLaw = 7, Extensible = 0xFFFE;

    /// <summary>What follows the format tag in the sub-format GUID of WAVE_FORMAT_EXTENSIBLE.</summary>
    private static ReadOnlySpan<byte> SubFormatTail =>
        [0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x80, 0x00, 0x00, 0xAA, 0x00, 0x38, 0x9B, 0x71];

    /// <summary>Whether the bytes start as a WAV file does; twelve bytes are enough to tell.</summary>
    public static bool IsWav(ReadOnlySpan<byte> bytes) =>
        bytes.Length >= 12
        && (bytes.StartsWith("RIFF"u8) || bytes.StartsWith("RF64"u8))
        && bytes[8..12].SequenceEqual("WAVE"u8);

    /// <summary>Decodes a whole file. Float samples beyond full scale are clipped to it.</summary>
    /// <exception cref="AudioFormatException">The file is empty, cut off in its header, or not such a WAV.</exception>
    public static AudioBuffer Read(ReadOnlySpan<byte> file)
    {
        var data = FindData(file, out var format);
        return Decode(data, format);
    }

    /// <summary>How long a file plays, from its header and its number of bytes: nothing is decoded.</summary>
    /// <exception cref="AudioFormatException">The file is empty, cut off in its header, or not such a WAV.</exception>
    public static TimeSpan ReadDuration(ReadOnlySpan<byte> file)
    {
        var data = FindData(file, out var format);
        return TimeSpan.FromSeconds((double)(data.Length / (format.Width * format.Channels)) / format.SampleRate);
    }

    private static ReadOnlySpan<byte> FindData(ReadOnlySpan<byte> file, out Format found)
    {
        if (file.IsEmpty)
            throw new AudioFormatException("The file is empty.");
        if (!IsWav(file))
            throw new AudioFormatException("The file is not a WAV file.");

        Format? format = null;
        ulong longDataSize = uint.MaxValue; // what an RF64 file says in place of its 32-bit field
        var rest = file[12..];
        while (rest.Length >= 8)
        {
            var id = rest[..4];
            var size = BinaryPrimitives.ReadUInt32LittleEndian(rest[4..]);
            var body = rest[8..];

            if (id.SequenceEqual("data"u8))
            {
                if (format is null)
                    throw new AudioFormatException("The WAV header has no format before its data.");
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

            // Chunks are padded to even length with a zero; some writers forget, and no id starts with one.
            var next = (int)size;
            if (next % 2 == 1 && next < body.Length && body[next] == 0)
                next++;
            rest = body[next..];
        }

        throw new AudioFormatException("The WAV header is cut off.");
    }

    /// <summary>
    /// Whether the writer came back and filled in the sizes: then an empty data chunk is what it says,
    /// and otherwise the mark of a stream.
    /// </summary>
    private static bool SizesAreFinal(ReadOnlySpan<byte> file) =>
        Math.Abs(BinaryPrimitives.ReadUInt32LittleEndian(file[4..]) + 8L - file.Length) <= 1;

    private static Format ReadFormat(ReadOnlySpan<byte> chunk)
    {
        if (chunk.Length < 16)
            throw new AudioFormatException("The WAV header is cut off.");

        var tag = BinaryPrimitives.ReadUInt16LittleEndian(chunk);
        var channels = BinaryPrimitives.ReadUInt16LittleEndian(chunk[2..]);
        var sampleRate = BinaryPrimitives.ReadUInt32LittleEndian(chunk[4..]);
        var blockSize = BinaryPrimitives.ReadUInt16LittleEndian(chunk[12..]);
        var bits = BinaryPrimitives.ReadUInt16LittleEndian(chunk[14..]);

        if (tag == Extensible)
        {
            if (chunk.Length < 40)
                throw new AudioFormatException("The WAV header is cut off.");
            tag = chunk[26..40].SequenceEqual(SubFormatTail)
                ? BinaryPrimitives.ReadUInt16LittleEndian(chunk[24..])
                : Extensible;
        }

        if (sampleRate is < MinSampleRate or > MaxSampleRate)
            throw new AudioFormatException($"The sample rate must be between {MinSampleRate} and {MaxSampleRate} Hz; the WAV header says {sampleRate}.");
        if (channels == 0)
            throw new AudioFormatException("The WAV header says that there are no channels.");

        // A sample may sit left-justified in a container that is wider than its bits (12 in 16, 24 in 32).
        var width = blockSize == 0 ? (bits + 7) / 8 : blockSize / channels;
        if (bits == 0 || blockSize % channels != 0 || width * 8 < bits)
            throw new AudioFormatException("The WAV header contradicts itself.");

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
            : throw new AudioFormatException("The WAV file's sample format is not supported.");
    }

    private static AudioBuffer Decode(ReadOnlySpan<byte> data, Format format)
    {
        var frameSize = format.Width * format.Channels;
        var length = data.Length / frameSize; // a last frame that is cut off is dropped
        if (length == 0)
            throw new AudioFormatException("The WAV file has no samples.");

        var channels = new float[format.Channels][];
        for (var channel = 0; channel < channels.Length; channel++)
        {
            var samples = channels[channel] = GC.AllocateUninitializedArray<float>(length);
            if (!format.Encoding.TryDecode(data[(channel * format.Width)..], frameSize, samples))
                throw new AudioFormatException("The WAV file's samples must be finite.");
        }

        return new AudioBuffer(channels, format.SampleRate);
    }

    /// <param name="Encoding">How one sample is written.</param>
    /// <param name="Channels">Channels, interleaved.</param>
    /// <param name="SampleRate">In hertz.</param>
    /// <param name="Width">Bytes of one sample.</param>
    private readonly record struct Format(SampleEncoding Encoding, int Channels, int SampleRate, int Width);
}
