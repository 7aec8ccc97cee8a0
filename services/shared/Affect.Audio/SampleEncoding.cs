using System.Buffers.Binary;

namespace Affect.Audio;

/// <summary>How one sample is written; more bytes than one are little-endian.</summary>
public enum SampleEncoding
{
    /// <summary>A byte, silence at 128.</summary>
    Unsigned8,

    /// <summary>Two bytes.</summary>
    Signed16,

    /// <summary>Three bytes.</summary>
    Signed24,

    /// <summary>Four bytes.</summary>
    Signed32,

    /// <summary>Four bytes of IEEE 754 floating point, full scale is 1.</summary>
    Ieee32,

    /// <summary>Eight bytes of it.</summary>
    Ieee64,

    /// <summary>A byte of ITU-T G.711.</summary>
    ALaw,

    /// <summary>A byte of ITU-T G.711.</summary>
    MuLaw,
}

/// <summary>Bytes to samples.</summary>
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

    /// <summary>The byte that silence is made of.</summary>
    public static byte Silence(this SampleEncoding encoding) => encoding switch
    {
        SampleEncoding.Unsigned8 => 0x80,
        SampleEncoding.ALaw => 0xD5,
        SampleEncoding.MuLaw => 0xFF,
        _ => 0,
    };

    /// <summary>
    /// Decodes a sample from every <paramref name="stride"/>-th byte on, the first from the first byte. Floats
    /// beyond full scale are clipped to it.
    /// </summary>
    /// <returns>False where a float is none that is finite; the samples are void then.</returns>
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
                for (var i = 0; i < samples.Length; i++)
                    samples[i] = G711.DecodeALaw(data[i * stride]) / 32768f;
                break;
            case SampleEncoding.MuLaw:
                for (var i = 0; i < samples.Length; i++)
                    samples[i] = G711.DecodeMuLaw(data[i * stride]) / 32768f;
                break;
        }

        return true;
    }

    private static bool TryClip(double sample, out float clipped)
    {
        clipped = (float)Math.Clamp(sample, -1, 1);
        return double.IsFinite(sample);
    }
}
