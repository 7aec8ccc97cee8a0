using System.Buffers.Binary;

namespace Affect.Testing;

/// <summary>Sample format of a <see cref="WavFile"/>.</summary>
public enum WavEncoding
{
    Pcm8,
    Pcm16,
    Pcm24,
    Pcm32,
    Ieee32,
    Ieee64,
    ALaw,
    MuLaw,
}

/// <summary>
/// Writes valid and invalid WAV files: header fields can differ from the data. Deliberately independent of the reader under
/// test.
/// </summary>
public sealed class WavFile
{
    private const uint Streaming = uint.MaxValue;

    /// <summary>Interleaved samples; full scale is ±1.</summary>
    public required float[] Samples { get; init; }

    /// <summary>Sample rate in the header, in hertz.</summary>
    public int SampleRate { get; init; } = 22050;

    /// <summary>Number of interleaved channels.</summary>
    public int Channels { get; init; } = 1;

    /// <summary>Sample format.</summary>
    public WavEncoding Encoding { get; init; } = WavEncoding.Pcm16;

    /// <summary>True if the header uses WAVE_FORMAT_EXTENSIBLE.</summary>
    public bool Extensible { get; init; }

    /// <summary>Data length in the header, in bytes; the actual length if null.</summary>
    public uint? ClaimedDataLength { get; init; }

    /// <summary>A chunk between format and data that readers must skip; an odd length is padded.</summary>
    public byte[]? ExtraChunk { get; init; }

    /// <summary>A mono file.</summary>
    public static byte[] Mono(float[] samples, int sampleRate = 22050, WavEncoding encoding = WavEncoding.Pcm16) =>
        new WavFile { Samples = samples, SampleRate = sampleRate, Encoding = encoding }.ToBytes();

    /// <summary>A mono file as a streaming writer leaves it: every size is 0xFFFFFFFF.</summary>
    public static byte[] Streamed(float[] samples, int sampleRate = 22050) =>
        new WavFile { Samples = samples, SampleRate = sampleRate, ClaimedDataLength = Streaming }.ToBytes();

    /// <summary>Encodes the file.</summary>
    public byte[] ToBytes()
    {
        var data = Encode();
        var bytes = new MemoryStream();
        var writer = new BinaryWriter(bytes);
        var bits = Bits(Encoding);
        ushort tag = Encoding switch
        {
            WavEncoding.Ieee32 or WavEncoding.Ieee64 => 3,
            WavEncoding.ALaw => 6,
            WavEncoding.MuLaw => 7,
            _ => 1,
        };

        var format = new MemoryStream();
        var fields = new BinaryWriter(format);
        fields.Write(Extensible ? (ushort)0xFFFE : tag);
        fields.Write((ushort)Channels);
        fields.Write((uint)SampleRate);
        fields.Write((uint)(SampleRate * Channels * (bits / 8)));
        fields.Write((ushort)(Channels * (bits / 8)));
        fields.Write((ushort)bits);
        if (Extensible)
        {
            fields.Write((ushort)22);
            fields.Write((ushort)bits);
            fields.Write(0u);
            // KSDATAFORMAT_SUBTYPE_*: the tag, then the common suffix.
            fields.Write((uint)tag);
            fields.Write([0x00, 0x00, 0x10, 0x00, 0x80, 0x00, 0x00, 0xAA, 0x00, 0x38, 0x9B, 0x71]);
        }

        var body = new MemoryStream();
        var chunks = new BinaryWriter(body);
        Chunk(chunks, "fmt ", format.ToArray());
        if (ExtraChunk is not null)
            Chunk(chunks, "LIST", ExtraChunk);
        Chunk(chunks, "data", data, ClaimedDataLength);

        writer.Write("RIFF"u8);
        writer.Write(ClaimedDataLength == Streaming ? Streaming : (uint)(body.Length + 4));
        writer.Write("WAVE"u8);
        writer.Write(body.ToArray());
        return bytes.ToArray();
    }

    private static void Chunk(BinaryWriter writer, string id, byte[] content, uint? claimed = null)
    {
        writer.Write(System.Text.Encoding.ASCII.GetBytes(id));
        writer.Write(claimed ?? (uint)content.Length);
        writer.Write(content);
        if (content.Length % 2 == 1)
            writer.Write((byte)0);
    }

    private static int Bits(WavEncoding encoding) => encoding switch
    {
        WavEncoding.Pcm8 or WavEncoding.ALaw or WavEncoding.MuLaw => 8,
        WavEncoding.Pcm16 => 16,
        WavEncoding.Pcm24 => 24,
        WavEncoding.Pcm32 or WavEncoding.Ieee32 => 32,
        _ => 64,
    };

    private byte[] Encode()
    {
        var size = Bits(Encoding) / 8;
        var data = new byte[Samples.Length * size];
        for (var i = 0; i < Samples.Length; i++)
        {
            var to = data.AsSpan(i * size, size);
            var sample = Samples[i];
            switch (Encoding)
            {
                case WavEncoding.Pcm8:
                    to[0] = (byte)(128 + Integer(sample, 7));
                    break;
                case WavEncoding.Pcm16:
                    BinaryPrimitives.WriteInt16LittleEndian(to, (short)Integer(sample, 15));
                    break;
                case WavEncoding.Pcm24:
                    var value = Integer(sample, 23);
                    (to[0], to[1], to[2]) = ((byte)value, (byte)(value >> 8), (byte)(value >> 16));
                    break;
                case WavEncoding.Pcm32:
                    BinaryPrimitives.WriteInt32LittleEndian(to, (int)Integer(sample, 31));
                    break;
                case WavEncoding.Ieee32:
                    BinaryPrimitives.WriteSingleLittleEndian(to, sample);
                    break;
                case WavEncoding.Ieee64:
                    BinaryPrimitives.WriteDoubleLittleEndian(to, sample);
                    break;
                case WavEncoding.ALaw:
                    to[0] = ALaw((int)Integer(sample, 15));
                    break;
                case WavEncoding.MuLaw:
                    to[0] = MuLaw((int)Integer(sample, 15));
                    break;
            }
        }
        return data;
    }

    private static long Integer(float sample, int bits)
    {
        var full = 1L << bits;
        return Math.Clamp((long)Math.Round((double)sample * full), -full, full - 1);
    }

    // ITU-T G.711, as in the reference code of G.191: 13 bits into sign, three of exponent, four of mantissa.
    private static byte ALaw(int sample)
    {
        var magnitude = (sample < 0 ? ~sample : sample) >> 4;
        if (magnitude > 15)
        {
            var exponent = 1;
            while (magnitude > 31)
            {
                magnitude >>= 1;
                exponent++;
            }
            magnitude = magnitude - 16 + (exponent << 4);
        }
        return (byte)((sample >= 0 ? magnitude | 0x80 : magnitude) ^ 0x55);
    }

    // ITU-T G.711: 14 bits with a bias of 33, complemented.
    private static byte MuLaw(int sample)
    {
        var magnitude = Math.Min(((sample < 0 ? ~sample : sample) >> 2) + 33, 0x1FFF);
        var segment = 1;
        for (var rest = magnitude >> 6; rest != 0; rest >>= 1)
            segment++;
        var code = ((8 - segment) << 4) | (0x0F - ((magnitude >> segment) & 0x0F));
        return (byte)(sample >= 0 ? code | 0x80 : code);
    }
}
