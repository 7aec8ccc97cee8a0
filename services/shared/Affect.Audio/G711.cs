using System.Numerics;

namespace Affect.Audio;

/// <summary>
/// The two telephone codecs of ITU-T G.711: A-law (Europe) and µ-law (North America, Japan), one byte a
/// sample. Decoded values are 16-bit, as G.191's <c>alaw_expand</c> and <c>ulaw_expand</c> give them.
/// </summary>
public static class G711
{
    private const int MuLawBias = 33 << 2; // G.711 adds 33 to 14-bit samples; ours are 16-bit
    private const int MuLawClip = 32635;   // the largest magnitude that the bias does not overflow

    private static readonly short[] ALaw = Table(ExpandALaw);
    private static readonly short[] MuLaw = Table(ExpandMuLaw);

    public static short DecodeALaw(byte code) => ALaw[code];

    public static short DecodeMuLaw(byte code) => MuLaw[code];

    public static byte EncodeALaw(short sample)
    {
        // One's complement for negative values, as the standard has it: -1 and 0 are mirror images.
        var sign = sample >= 0 ? 0x80 : 0;
        var magnitude = (sample >= 0 ? sample : ~sample) >> 4; // 11 bits
        var exponent = Math.Max(0, BitOperations.Log2((uint)magnitude | 1) - 4);
        var segment = magnitude < 32 ? magnitude >> 4 : exponent;
        var mantissa = magnitude >> Math.Max(0, segment - 1) & 0x0F;
        return (byte)((sign | segment << 4 | mantissa) ^ 0x55);
    }

    public static byte EncodeMuLaw(short sample)
    {
        var sign = sample < 0 ? 0x80 : 0;
        var magnitude = Math.Min(Math.Abs((int)sample), MuLawClip) + MuLawBias;
        var exponent = BitOperations.Log2((uint)magnitude) - 7;
        var mantissa = magnitude >> exponent + 3 & 0x0F;
        return (byte)~(sign | exponent << 4 | mantissa);
    }

    /// <summary>Sends <paramref name="samples"/> (full scale is 1) over a µ-law line and back, in place.</summary>
    public static void RoundTripMuLaw(Span<float> samples)
    {
        foreach (ref var sample in samples)
            sample = DecodeMuLaw(EncodeMuLaw(ToInt16(sample))) / 32768f;
    }

    /// <summary>Sends <paramref name="samples"/> (full scale is 1) over an A-law line and back, in place.</summary>
    public static void RoundTripALaw(Span<float> samples)
    {
        foreach (ref var sample in samples)
            sample = DecodeALaw(EncodeALaw(ToInt16(sample))) / 32768f;
    }

    private static short ToInt16(float sample) =>
        (short)Math.Clamp(MathF.Round(sample * 32768f), short.MinValue, short.MaxValue);

    private static short ExpandALaw(byte code)
    {
        var bits = code ^ 0x55; // every second bit is inverted on the line
        var segment = bits >> 4 & 7;
        var magnitude = (bits & 0x0F) << 4 | 8;
        if (segment > 0)
            magnitude = magnitude + 0x100 << segment - 1;
        return (short)((bits & 0x80) != 0 ? magnitude : -magnitude);
    }

    private static short ExpandMuLaw(byte code)
    {
        var bits = ~code;
        var magnitude = (((bits & 0x0F) << 3) + MuLawBias << (bits >> 4 & 7)) - MuLawBias;
        return (short)((bits & 0x80) != 0 ? -magnitude : magnitude);
    }

    private static short[] Table(Func<byte, short> expand)
    {
        var table = new short[256];
        for (var code = 0; code < table.Length; code++)
            table[code] = expand((byte)code);
        return table;
    }
}
