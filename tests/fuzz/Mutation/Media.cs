using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using Affect.Testing;

namespace Affect.Fuzz.Mutation;

/// <summary>Mutations of audio files and pictures along their chunks: RIFF, IFF, PNG, JPEG and ISO base media.</summary>
internal static class Media
{
    private const int HeaderBytes = 64;

    private static readonly string[] Ids =
    [
        "fmt ", "data", "fact", "LIST", "VP8 ", "VP8L", "VP8X", "ANIM", "ANMF", "ALPH", "EXIF", "ICCP", "IHDR", "PLTE", "IDAT", "IEND",
        "tRNS", "zTXt", "iTXt", "iCCP", "eXIf", "acTL", "moov", "mdat", "stsz", "ftyp", "COMM", "SSND",
    ];

    private static readonly int[] Edges = [0, 1, 15, 16, 3_000, 8_192, 8_193, 65_535, int.MaxValue, -1];

    public static byte[] Mutate(Random random, byte[] file)
    {
        for (var rounds = 1 + random.Next(2); rounds > 0; rounds--)
            file = random.Chance(0.4) ? Bytes.Mutate(random, file, random.Chance(0.7) ? HeaderBytes : int.MaxValue)
                : file is [0xFF, 0xD8, ..] ? MutateJpeg(random, file)
                : file is [0x89, (byte)'P', ..] ? [.. file[..8], .. Chunks(random, file[8..], Layout.Png)]
                : file is [(byte)'R', (byte)'I', ..] && file.Length > 12 ? [.. file[..12], .. Chunks(random, file[12..], Layout.Riff)]
                : file is [(byte)'F', (byte)'O', ..] && file.Length > 12 ? [.. file[..12], .. Chunks(random, file[12..], Layout.Iff)]
                : file.Length > 8 && file.AsSpan(4, 4).SequenceEqual("ftyp"u8) ? Chunks(random, file, Layout.Boxes)
                : Bytes.Mutate(random, file, HeaderBytes);
        return file;
    }

    /// <summary>Where a format has the length of a chunk, and whether the length includes its own eight bytes.</summary>
    private sealed record Layout(bool BigEndian, bool LengthFirst, int Included, int Trailer, bool Padded)
    {
        public static readonly Layout
            Riff = new(BigEndian: false, LengthFirst: false, Included: 0, Trailer: 0, Padded: true),
            Iff = Riff with { BigEndian = true },
            Png = new(BigEndian: true, LengthFirst: true, Included: 0, Trailer: 4, Padded: false),
            Boxes = Png with { Included = 8, Trailer = 0 };
    }

    private sealed record Chunk(byte[] Id, byte[] Content, uint? Length = null, bool Damaged = false);

    private static byte[] Chunks(Random random, byte[] file, Layout layout)
    {
        var chunks = Parse(file, layout);
        return [.. Sequence.Mutate(random, chunks, chunk => Mutate(random, chunk)).SelectMany(chunk => Encode(chunk, layout))];
    }

    private static Chunk Mutate(Random random, Chunk chunk) => random.Next(6) switch
    {
        0 => chunk with { Length = (uint)random.Pick(Hostile.Integers) },
        1 => chunk with { Id = Encoding.ASCII.GetBytes(random.Pick(Ids)) },
        2 => new(Encoding.ASCII.GetBytes(random.Pick(["zTXt", "iCCP"])), [.. "a\0\0"u8, .. Compressed(1 << random.Next(8, 20))]),
        3 => chunk with { Damaged = true },
        4 => chunk with { Content = Dimensions(random, chunk.Content) },
        _ => chunk with { Content = Bytes.Mutate(random, chunk.Content, HeaderBytes) },
    };

    /// <summary>Overwrites the first or second four bytes with a number, as IHDR and VP8X have their edges there.</summary>
    private static byte[] Dimensions(Random random, byte[] content)
    {
        var copy = content.ToArray();
        if (copy.Length >= 8)
            BinaryPrimitives.WriteInt32BigEndian(copy.AsSpan(4 * random.Next(2)), random.Pick(Edges));
        return copy;
    }

    private static byte[] MutateJpeg(Random random, byte[] file)
    {
        var segments = new List<byte[]>();
        var rest = file.AsSpan(2);
        while (rest.Length >= 4 && rest[0] == 0xFF && rest[1] != 0xDA)
        {
            var length = Math.Min(rest.Length, 2 + BinaryPrimitives.ReadUInt16BigEndian(rest[2..]));
            segments.Add(rest[..length].ToArray());
            rest = rest[length..];
        }
        segments.Add(rest.ToArray());
        var mutated = Sequence.Mutate(random, segments, segment => random.Next(3) switch
        {
            0 => [0xFF, (byte)random.Next(0xC0, 0x100), 0xFF, 0xFF, .. new byte[65_533]],
            1 when segment is [0xFF, 0xC0 or 0xC2, _, _, _, _, _, _, _, ..] => [.. segment[..5], .. random.Bytes(4), .. segment[9..]],
            _ => Bytes.Mutate(random, segment, 16),
        });
        return [0xFF, 0xD8, .. mutated.SelectMany(segment => segment)];
    }

    private static List<Chunk> Parse(ReadOnlySpan<byte> file, Layout layout)
    {
        var chunks = new List<Chunk>();
        while (file.Length >= 8)
        {
            var id = layout.LengthFirst ? file[4..8] : file[..4];
            var size = layout.LengthFirst ? file : file[4..];
            var length = layout.BigEndian ? BinaryPrimitives.ReadUInt32BigEndian(size) : BinaryPrimitives.ReadUInt32LittleEndian(size);
            var content = (int)Math.Clamp((long)length - layout.Included, 0, file.Length - 8);
            chunks.Add(new(id.ToArray(), file.Slice(8, content).ToArray()));
            file = file[Math.Min(file.Length, 8 + content + layout.Trailer + (layout.Padded ? content & 1 : 0))..];
        }
        return chunks;
    }

    private static byte[] Encode(Chunk chunk, Layout layout)
    {
        var length = new byte[4];
        var claimed = chunk.Length ?? (uint)(chunk.Content.Length + layout.Included);
        if (layout.BigEndian)
            BinaryPrimitives.WriteUInt32BigEndian(length, claimed);
        else
            BinaryPrimitives.WriteUInt32LittleEndian(length, claimed);
        byte[] trailer = [];
        if (layout.Trailer > 0)
        {
            trailer = new byte[4];
            BinaryPrimitives.WriteUInt32BigEndian(trailer, chunk.Damaged ? 0 : TestMedia.Crc([.. chunk.Id, .. chunk.Content]));
        }
        return
        [
            .. layout.LengthFirst ? (byte[])[.. length, .. chunk.Id] : [.. chunk.Id, .. length],
            .. chunk.Content, .. layout.Padded && chunk.Content.Length % 2 == 1 ? new byte[1] : [], .. trailer,
        ];
    }

    private static byte[] Compressed(int length)
    {
        var data = new MemoryStream();
        using (var zlib = new ZLibStream(data, CompressionLevel.Fastest, leaveOpen: true))
            zlib.Write(new byte[length]);
        return data.ToArray();
    }
}
