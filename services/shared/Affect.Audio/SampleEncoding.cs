using System.Buffers.Binary;

namespace Affect.Audio;

/// <summary>Encoding of one sample; multi-byte samples are little-endian.</summary>
public enum SampleEncoding
{
    /// <summary>One byte, silence at 128.</summary>
    Unsigned8,

    /// <summary>Two bytes.</summary>
    Signed16,

    /// <summary>Three bytes.</summary>
    Signed24,

    /// <summary>Four bytes.</summary>
    Signed32,

    /// <summary>Four bytes of IEEE 754 floating point, full scale is 1.</summary>
    Ieee32,

    /// <summary>Eight bytes of IEEE 754 floating point, full scale is 1.</summary>
    Ieee64,

    /// <summary>ITU-T G.711 A-law, one byte.</summary>
    ALaw,

    /// <summary>ITU-T G.711 µ-law, one byte.</summary>
    MuLaw,
}

/// <summary>Decodes bytes to samples.</summary>
public static class SampleEncodings
{
    /// <summary>Bytes of one sample.</summary>
    public static int Width(this SampleEncoding encoding) => encoding switch
    {
        SampleEncoding.Signed16 => 2,
        SampleEncoding.Signed24 => 3,
        SampleEncoding.Signed32 or SampleEncoding.Ieee32 => 4,
        SampleEncoding.Ieee64 => 8,
        _ => 1,
    };

    /// <summary>The byte value of silence.</summary>
    public static byte Silence(this SampleEncoding encoding) => encoding switch
    {
        SampleEncoding.Unsigned8 => 0x80,
        SampleEncoding.ALaw => 0xD5,
        SampleEncoding.MuLaw => 0xFF,
        _ => 0,
    };

    /// <summary>
    /// Decodes one sample at every <paramref name="stride"/>-th byte, beginning with the first. Floats are clipped to full scale.
    /// </summary>
    /// <returns>False if a float is not finite; the samples are then undefined.</returns>
    public static bool TryDecode(this SampleEncoding encoding, ReadOnlySpan<byte> data, int stride, Span<float> samples)
    {
        switch (encoding)
        {
            case SampleEncoding.Unsigned8:
                for (var i = 0; i < samples.Length; i++)
                    samples[i] = (data[i * stride] - 128) / 128f;
                break;
            case SampleEncoding.Signed16:
                for (var i = 0; i < samples.Length; i++)
                    samples[i] = BinaryPrimitives.ReadInt16LittleEndian(data[(i * stride)..]) / 32768f;
                break;
            case SampleEncoding.Signed24:
                for (var i = 0; i < samples.Length; i++)
                {
                    var bytes = data.Slice(i * stride, 3);
                    samples[i] = (bytes[0] << 8 | bytes[1] << 16 | bytes[2] << 24) / 2147483648f;
                }

                break;
            case SampleEncoding.Signed32:
                for (var i = 0; i < samples.Length; i++)
                    samples[i] = BinaryPrimitives.ReadInt32LittleEndian(data[(i * stride)..]) / 2147483648f;
                break;
            case SampleEncoding.Ieee32:
                for (var i = 0; i < samples.Length; i++)
                    if (!TryClip(BinaryPrimitives.ReadSingleLittleEndian(data[(i * stride)..]), out samples[i]))
                        return false;
                break;
            case SampleEncoding.Ieee64:
                for (var i = 0; i < samples.Length; i++)
                    if (!TryClip(BinaryPrimitives.ReadDoubleLittleEndian(data[(i * stride)..]), out samples[i]))
                        return false;
                break;
            case SampleEncoding.ALaw:
                LookUp(G711.ALawSamples, data, stride, samples);
                break;
            case SampleEncoding.MuLaw:
                LookUp(G711.MuLawSamples, data, stride, samples);
                break;
        }

        return true;
    }

    private static void LookUp(float[] table, ReadOnlySpan<byte> data, int stride, Span<float> samples)
    {
        for (int i = 0, at = 0; i < samples.Length; i++, at += stride)
            samples[i] = table[data[at]];
    }

    private static bool TryClip(double sample, out float clipped)
    {
        clipped = (float)Math.Clamp(sample, -1, 1);
        return double.IsFinite(sample);
    }
}
