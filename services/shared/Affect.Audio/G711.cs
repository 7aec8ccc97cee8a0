using System.Numerics;

namespace Affect.Audio;

/// <summary>
/// The telephone codecs of ITU-T G.711: A-law (Europe) and µ-law (North America, Japan), one byte per sample. Decoded values
/// are 16-bit, as those of <c>alaw_expand</c> and <c>ulaw_expand</c> in G.191.
/// </summary>
public static class G711
{
    private const int MuLawBias = 33; // added to 14-bit magnitudes: segments are then powers of two apart

    private static readonly short[] ALaw = Table(ExpandALaw);
    private static readonly short[] MuLaw = Table(ExpandMuLaw);

    /// <summary>Decoded samples by code; full scale is 1.</summary>
    internal static readonly float[] ALawSamples = Array.ConvertAll(ALaw, sample => sample / 32768f);

    /// <inheritdoc cref="ALawSamples"/>
    internal static readonly float[] MuLawSamples = Array.ConvertAll(MuLaw, sample => sample / 32768f);

    public static short DecodeALaw(byte code) => ALaw[code];

    public static short DecodeMuLaw(byte code) => MuLaw[code];

    public static byte EncodeALaw(short sample)
    {
        var magnitude = Magnitude(sample) >> 4;
        var segment = Math.Max(0, BitOperations.Log2((uint)magnitude) - 3);
        var mantissa = magnitude >> Math.Max(0, segment - 1) & 0x0F;
        return (byte)(((sample < 0 ? 0 : 0x80) | segment << 4 | mantissa) ^ 0x55); // every second bit is inverted on the line
    }

    public static byte EncodeMuLaw(short sample)
    {
        var magnitude = Math.Min((Magnitude(sample) >> 2) + MuLawBias, 0x1FFF);
        var segment = BitOperations.Log2((uint)magnitude) - 5;
        var mantissa = magnitude >> segment + 1 & 0x0F;
        return (byte)~((sample < 0 ? 0x80 : 0) | segment << 4 | mantissa);
    }

    /// <summary>Magnitude in one's complement, as in G.711: -1 mirrors 0.</summary>
    private static int Magnitude(short sample) => sample < 0 ? ~sample : sample;

    /// <summary>Encodes <paramref name="samples"/> (full scale is 1) to µ-law and decodes them, in place.</summary>
    public static void RoundTripMuLaw(Span<float> samples)
    {
        foreach (ref var sample in samples)
            sample = DecodeMuLaw(EncodeMuLaw(ToInt16(sample))) / 32768f;
    }

    /// <summary>Encodes <paramref name="samples"/> (full scale is 1) to A-law and decodes them, in place.</summary>
    public static void RoundTripALaw(Span<float> samples)
    {
        foreach (ref var sample in samples)
            sample = DecodeALaw(EncodeALaw(ToInt16(sample))) / 32768f;
    }

    private static short ToInt16(float sample) =>
        (short)Math.Clamp(MathF.Round(sample * 32768f), short.MinValue, short.MaxValue);

    private static short ExpandALaw(byte code)
    {
        var bits = code ^ 0x55;
        var segment = bits >> 4 & 7;
        var magnitude = (bits & 0x0F) << 4 | 8;
        if (segment > 0)
            magnitude = magnitude + 0x100 << segment - 1;
        return (short)((bits & 0x80) != 0 ? magnitude : -magnitude);
    }

    private static short ExpandMuLaw(byte code)
    {
        var bits = ~code;
        var magnitude = (((bits & 0x0F) << 1) + MuLawBias << (bits >> 4 & 7)) - MuLawBias << 2;
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
