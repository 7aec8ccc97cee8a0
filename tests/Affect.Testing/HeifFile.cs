using System.Buffers.Binary;
using System.Text;

namespace Affect.Testing;

/// <summary>Writes HEIF files, as phones do: a picture of HEVC (HEIC) or AV1 (AVIF), in one piece or made of tiles.</summary>
public sealed class HeifFile
{
    private const int PrimaryId = 1;

    /// <summary>Size of each tile, or of the only picture.</summary>
    public required (int Width, int Height) Tile { get; init; }

    /// <summary>Size of a picture made of tiles; null for one in one piece.</summary>
    public (int Width, int Height)? Grid { get; init; }

    /// <summary>The bitstream of each tile: HEVC in the form of annex B, or OBUs of AV1.</summary>
    public required IReadOnlyList<byte[]> Tiles { get; init; }

    /// <summary>True for AV1, false for HEVC.</summary>
    public bool Av1 { get; init; }

    /// <summary>Type of the coded items; null for the one of the codec.</summary>
    public string? ItemType { get; init; }

    /// <summary>The part that is shown, before rotation; null for all of it.</summary>
    public (int X, int Y, int Width, int Height)? Crop { get; init; }

    /// <summary>Quarter turns counterclockwise.</summary>
    public int Rotation { get; init; }

    /// <summary>0: top and bottom exchanged, 1: left and right; null: neither.</summary>
    public int? Mirror { get; init; }

    /// <summary>Nonzero for data in another file.</summary>
    public int DataReference { get; init; }

    public byte[] ToBytes()
    {
        var grid = Grid is { } size ? new[] { size.Width, size.Height } : null;
        var (columns, rows) = grid is null ? (1, 1) : ((grid[0] - 1) / Tile.Width + 1, (grid[1] - 1) / Tile.Height + 1);
        var first = grid is null ? PrimaryId : PrimaryId + 1;
        var parameters = Av1 ? [] : Units(Tiles[0]).Where(IsParameterSet).ToList();
        var data = Tiles.Select(tile => Av1 ? tile : Units(tile).Where(unit => !IsParameterSet(unit)).SelectMany(unit => (byte[])[.. U32(unit.Length), .. unit]).ToArray()).ToList();
        var codec = ItemType ?? (Av1 ? "av01" : "hvc1");

        // Properties, counted from 1: configuration, size of a tile, rotation, mirror, size of the grid, crop.
        byte[] configuration = Av1
            ? Box("av1C", [0x81, 0, 0x0C, 0])
            : Box("hvcC", [1, .. new byte[15], 0xFD, 0xF8, 0xF8, 0, 0, 0x03, 1, 0x20, .. U16(parameters.Count), .. parameters.SelectMany(set => (byte[])[.. U16(set.Length), .. set])]);
        byte[] properties =
        [
            .. configuration, .. Box("ispe", [0, 0, 0, 0, .. U32(Tile.Width), .. U32(Tile.Height)]),
            .. Box("irot", [(byte)Rotation]), .. Box("imir", [(byte)(Mirror ?? 0)]),
            .. Box("ispe", [0, 0, 0, 0, .. U32(grid?[0] ?? 0), .. U32(grid?[1] ?? 0)]),
            .. Box("clap", CleanAperture()),
        ];
        byte[] transforms = [.. Crop is null ? Array.Empty<byte>() : [0x86], 0x83, .. Mirror is null ? Array.Empty<byte>() : [0x84]];
        var associations = new List<byte[]>();
        if (grid is not null)
            associations.Add([.. U16(PrimaryId), (byte)(1 + transforms.Length), 5, .. transforms]);
        for (var i = 0; i < Tiles.Count; i++)
        {
            byte[] own = grid is null ? transforms : [];
            associations.Add([.. U16(first + i), (byte)(2 + own.Length), 0x81, 2, .. own]);
        }

        byte[] Meta(int mdat)
        {
            var locations = new List<byte[]>();
            if (grid is not null)
                locations.Add([.. U16(PrimaryId), .. U16(1), .. U16(0), .. U16(1), .. U32(0), .. U32(8)]); // in idat
            for (int i = 0, at = mdat; i < Tiles.Count; at += data[i].Length, i++)
                locations.Add([.. U16(first + i), .. U16(0), .. U16(DataReference), .. U16(1), .. U32(at), .. U32(data[i].Length)]);
            var infos = Tiles.Select((_, i) => Box("infe", [2, 0, 0, 0, .. U16(first + i), 0, 0, .. Encoding.ASCII.GetBytes(codec), 0])).ToList();
            if (grid is not null)
                infos.Insert(0, Box("infe", [2, 0, 0, 0, .. U16(PrimaryId), 0, 0, .. "grid"u8, 0]));
            return Box("meta",
            [
                0, 0, 0, 0,
                .. Box("hdlr", [.. new byte[8], .. "pict"u8, .. new byte[13]]),
                .. Box("pitm", [0, 0, 0, 0, .. U16(PrimaryId)]),
                .. Box("iloc", [1, 0, 0, 0, 0x44, 0x00, .. U16(locations.Count), .. locations.SelectMany(item => item)]),
                .. Box("iinf", [0, 0, 0, 0, .. U16(infos.Count), .. infos.SelectMany(info => info)]),
                .. grid is null ? [] : Box("iref", [0, 0, 0, 0, .. Box("dimg",
                    [.. U16(PrimaryId), .. U16(Tiles.Count), .. Enumerable.Range(first, Tiles.Count).SelectMany(U16)])]),
                .. Box("iprp", [.. Box("ipco", properties), .. Box("ipma",
                    [0, 0, 0, 0, .. U32(associations.Count), .. associations.SelectMany(item => item)])]),
                .. grid is null ? [] : Box("idat", [0, 0, (byte)(rows - 1), (byte)(columns - 1), .. U16(grid[0]), .. U16(grid[1])]),
            ]);
        }

        // Fractions; the last two are the distance of its center from that of the picture.
        byte[] CleanAperture() => Crop is not var (x, y, width, height) ? [] :
        [
            .. U32(width), .. U32(1), .. U32(height), .. U32(1),
            .. U32(2 * x + width - (grid?[0] ?? Tile.Width)), .. U32(2), .. U32(2 * y + height - (grid?[1] ?? Tile.Height)), .. U32(2),
        ];

        var brand = Av1 ? "avif"u8 : "heic"u8;
        byte[] start = Box("ftyp", [.. brand, 0, 0, 0, 0, .. "mif1"u8, .. brand]);
        var at = start.Length + Meta(0).Length + 8;
        return [.. start, .. Meta(at), .. Box("mdat", [.. data.SelectMany(tile => tile)])];
    }

    private static bool IsParameterSet(byte[] unit) => (unit[0] >> 1 & 0x3F) is >= 32 and <= 34;

    /// <summary>The NAL units behind the start codes of a byte stream.</summary>
    private static IEnumerable<byte[]> Units(byte[] stream)
    {
        var starts = Enumerable.Range(0, stream.Length - 3).Where(i => stream[i] == 0 && stream[i + 1] == 0 && stream[i + 2] == 1).ToList();
        foreach (var (index, start) in starts.Index())
        {
            var end = index + 1 < starts.Count ? starts[index + 1] : stream.Length;
            while (index + 1 < starts.Count && stream[end - 1] == 0)
                end--;
            yield return stream[(start + 3)..end];
        }
    }

    private static byte[] Box(string type, byte[] body) => [.. U32(8 + body.Length), .. Encoding.ASCII.GetBytes(type), .. body];

    private static byte[] U16(int value) => [(byte)(value >> 8), (byte)value];

    private static byte[] U32(int value)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(bytes, value);
        return bytes;
    }
}
