namespace Affect.Features.Pictures;

/// <summary>
/// The start of a lossless WebP bitstream (RFC 9649, section 3), up to its groups of prefix codes. A decoder allocates tables for each
/// group, up to 20 KB, and 160 KB of bitstream can define 65,536 groups. Encoders write at most 2,600.
/// </summary>
internal ref struct LosslessWebP
{
    private const int Predictor = 0, CrossColor = 1, ColorIndexing = 3;

    /// <summary>Literals, lengths of copies, and distances.</summary>
    private const int Literals = 256, Lengths = 24, Distances = 40;

    private const int MaxCodeLength = 15, MaxCacheBits = 11;

    /// <summary>Entries of the tables for one group: at most 630 for red, blue and alpha each, 410 for distances, 654 for green.</summary>
    private const int TableEntries = 3 * 630 + 410 + 654, TableEntrySize = 4, GroupSize = 600;

    private readonly ReadOnlySpan<byte> _bytes;
    private long _position;

    private LosslessWebP(ReadOnlySpan<byte> bytes) => _bytes = bytes;

    private static ReadOnlySpan<byte> CodeLengthOrder => [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

    /// <summary>Computes the memory of the decoder for pixels and prefix codes, in bytes, without the decoded picture.</summary>
    /// <param name="bitstream">The content of the chunk VP8L.</param>
    /// <exception cref="PictureFormatException">The bitstream is broken or truncated.</exception>
    public static long DecoderMemory(ReadOnlySpan<byte> bitstream)
    {
        var reader = new LosslessWebP(bitstream);
        reader.Read(8); // signature
        var (width, height) = (reader.Read(14) + 1, reader.Read(14) + 1);
        var pixels = (long)width * height * sizeof(uint);
        reader.Read(1 + 3); // alpha, version

        for (var transforms = 0; reader.Read(1) == 1; transforms++)
        {
            if (transforms == 4)
                throw Broken();
            switch (reader.Read(2))
            {
                case Predictor or CrossColor:
                    var bits = reader.Read(3) + 2;
                    reader.ReadImage(Blocks(width, bits), Blocks(height, bits));
                    break;
                case ColorIndexing:
                    var colors = reader.Read(8) + 1;
                    reader.ReadImage(colors, 1);
                    width = Blocks(width, colors <= 2 ? 3 : colors <= 4 ? 2 : colors <= 16 ? 1 : 0);
                    break;
            }
        }

        var cache = reader.ReadCacheSize();
        var groups = 1;
        if (reader.Read(1) == 1)
        {
            var bits = reader.Read(3) + 2;
            groups = reader.ReadImage(Blocks(width, bits), Blocks(height, bits)) + 1;
        }

        return pixels + (long)groups * (GroupSize + TableEntrySize * (TableEntries + cache));
    }

    private static int Blocks(int pixels, int bits) => (pixels + (1 << bits) - 1) >> bits;

    private static PictureFormatException Broken() => new("must be a WebP that can be decoded");

    /// <summary>
    /// Reads an image of the bitstream. Returns the largest index of a group (red and green) among its literal pixels: copies and the color
    /// cache only repeat them.
    /// </summary>
    private int ReadImage(int width, int height)
    {
        var cache = ReadCacheSize();
        var green = ReadCode(Literals + Lengths + cache);
        var red = ReadCode(Literals);
        var blue = ReadCode(Literals);
        var alpha = ReadCode(Literals);
        var distance = ReadCode(Distances);

        var largest = 0;
        for (long pixels = (long)width * height; pixels > 0;)
        {
            var symbol = ReadSymbol(green);
            if (symbol < Literals)
            {
                largest = Math.Max(largest, ReadSymbol(red) << 8 | symbol);
                ReadSymbol(blue);
                ReadSymbol(alpha);
                pixels--;
            }
            else if (symbol < Literals + Lengths)
            {
                pixels -= ReadLength(symbol - Literals);
                ReadLength(ReadSymbol(distance));
            }
            else
            {
                pixels--;
            }
        }

        return largest;
    }

    private int ReadCacheSize()
    {
        if (Read(1) == 0)
            return 0;
        var bits = Read(4);
        return bits is >= 1 and <= MaxCacheBits ? 1 << bits : throw Broken();
    }

    /// <summary>A length or a distance: its prefix and extra bits.</summary>
    private int ReadLength(int prefix)
    {
        if (prefix < 4)
            return prefix + 1;
        var bits = (prefix - 2) >> 1;
        return ((2 + (prefix & 1)) << bits) + Read(bits) + 1;
    }

    private PrefixCode ReadCode(int alphabet)
    {
        if (Read(1) == 1)
        {
            // One or two symbols; the first takes one or eight bits.
            var two = Read(1) == 1;
            var first = Read(Read(1) == 1 ? 8 : 1);
            return two ? new(alphabet, [(first, 1), (Read(8), 1)]) : new(alphabet, [(first, 1)]);
        }

        var lengthCodes = new List<(int Symbol, int Length)>();
        var count = Read(4) + 4;
        for (var i = 0; i < count; i++)
            if (Read(3) is var length and > 0)
                lengthCodes.Add((i < CodeLengthOrder.Length ? CodeLengthOrder[i] : throw Broken(), length));
        var lengthCode = new PrefixCode(CodeLengthOrder.Length, lengthCodes);

        var left = Read(1) == 1 ? 2 + Read(2 + 2 * Read(3)) : alphabet;
        var codes = new List<(int Symbol, int Length)>();
        var previous = 8;
        for (var symbol = 0; symbol < alphabet && left > 0; left--)
        {
            var length = ReadSymbol(lengthCode);
            var repeat = 1;
            if (length <= MaxCodeLength)
                previous = length > 0 ? length : previous;
            else
                (length, repeat) = length switch { 16 => (previous, 3 + Read(2)), 17 => (0, 3 + Read(3)), _ => (0, 11 + Read(7)) };
            if (symbol + repeat > alphabet)
                throw Broken();
            for (; repeat > 0; repeat--, symbol++)
                if (length > 0)
                    codes.Add((symbol, length));
        }

        return new(alphabet, codes);
    }

    private int ReadSymbol(PrefixCode code)
    {
        if (code.Symbols.Length == 1)
            return code.Symbols[0]; // takes no bits
        int value = 0, first = 0, index = 0;
        for (var length = 1; length <= MaxCodeLength; length++)
        {
            value |= Read(1);
            var count = code.Counts[length];
            if (value - count < first)
                return code.Symbols[index + value - first];
            index += count;
            first = (first + count) << 1;
            value <<= 1;
        }

        throw Broken();
    }

    /// <summary>Reads bits, the least significant first.</summary>
    private int Read(int count)
    {
        if (_position + count > 8L * _bytes.Length)
            throw Broken();
        var value = 0;
        for (var i = 0; i < count; i++, _position++)
            value |= (_bytes[(int)(_position >> 3)] >> (int)(_position & 7) & 1) << i;
        return value;
    }

    /// <summary>A canonical prefix code: the number of codes of each length, and the symbols in the order of their codes.</summary>
    private sealed class PrefixCode
    {
        public PrefixCode(int alphabet, List<(int Symbol, int Length)> codes)
        {
            if (codes.Count == 0 || codes[^1].Symbol >= alphabet)
                throw Broken();
            foreach (var (_, length) in codes)
                Counts[length]++;
            Symbols = [.. codes.OrderBy(code => code.Length).ThenBy(code => code.Symbol).Select(code => code.Symbol)];
        }

        public int[] Counts { get; } = new int[MaxCodeLength + 1];

        public int[] Symbols { get; }
    }
}
