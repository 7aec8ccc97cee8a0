using System.Buffers.Binary;
using OpenCvSharp;

namespace Affect.Features.Pictures;

/// <summary>
/// HEIF files (ISO/IEC 23008-12) with a picture of HEVC (HEIC) or AV1 (AVIF), in one piece or made of tiles, as phones write them. Reads
/// the primary picture; thumbnails, depth maps, transparency, sequences and metadata are ignored.
/// </summary>
internal static class Heif
{
    /// <summary>Boxes of one level, items of a file, and tiles of a picture. Phones write about 200 tiles.</summary>
    private const int MaxBoxes = 4096, MaxTiles = 1024;

    private static readonly ReadOnlyMemory<byte> StartCode = new byte[] { 0, 0, 0, 1 };

    private static readonly string[] Brands = ["heic", "heix", "heim", "heis", "hevc", "hevx", "heif", "mif1", "mif2", "msf1", "avif", "avis"];

    /// <summary>True if one of the brands in the first box is that of a picture.</summary>
    public static bool IsHeif(ReadOnlySpan<byte> file)
    {
        if (file.Length < 16 || !file[4..8].SequenceEqual("ftyp"u8))
            return false;
        var length = Math.Min(BinaryPrimitives.ReadUInt32BigEndian(file), Math.Min(file.Length, 256));
        for (var at = 8; at + 4 <= length; at += at == 8 ? 8 : 4)
            if (Brands.Contains(Type(file[at..])))
                return true;
        return false;
    }

    /// <summary>Reads the structure of a file.</summary>
    /// <exception cref="PictureFormatException">The file is broken, or its picture has another codec.</exception>
    public static FfmpegPicture Read(ReadOnlyMemory<byte> file)
    {
        try
        {
            return new Reader(file).Read();
        }
        catch (Exception exception) when (exception is ArgumentOutOfRangeException or IndexOutOfRangeException or OverflowException)
        {
            throw Broken();
        }
    }

    private static PictureFormatException Broken() => new("must be a HEIC or AVIF with a complete picture");

    private static string Type(ReadOnlySpan<byte> bytes) => System.Text.Encoding.Latin1.GetString(bytes[..4]);

    private static IEnumerable<(string Type, ReadOnlyMemory<byte> Body)> Boxes(ReadOnlyMemory<byte> bytes)
    {
        for (var count = 0; bytes.Length >= 8; count++)
        {
            if (count == MaxBoxes)
                throw Broken();
            long size = BinaryPrimitives.ReadUInt32BigEndian(bytes.Span), header = 8;
            if (size == 1 && bytes.Length >= 16)
                (size, header) = (BinaryPrimitives.ReadInt64BigEndian(bytes.Span[8..]), 16);
            else if (size == 0)
                size = bytes.Length; // to the end of the file
            if (size < header)
                throw Broken();
            var end = (int)Math.Min(size, bytes.Length);
            yield return (Type(bytes.Span[4..]), bytes[(int)header..end]);
            bytes = bytes[end..];
        }
    }

    private sealed class Reader(ReadOnlyMemory<byte> file)
    {
        private readonly Dictionary<uint, string> _types = [];
        private readonly Dictionary<uint, List<ReadOnlyMemory<byte>>> _data = [];
        private readonly Dictionary<uint, List<uint>> _tiles = [];
        private readonly Dictionary<uint, List<(string Type, ReadOnlyMemory<byte> Body)>> _properties = [];
        private uint _primary;
        private ReadOnlyMemory<byte> _idat;

        public FfmpegPicture Read()
        {
            var meta = Boxes(file).FirstOrDefault(box => box.Type == "meta").Body[4..];
            var boxes = Boxes(meta).ToList();
            _idat = boxes.FirstOrDefault(box => box.Type == "idat").Body;
            foreach (var (type, body) in boxes)
                Read(type, body);
            if (!_types.TryGetValue(_primary, out var kind))
                throw Broken();

            var (columns, rows, tiles) = (1, 1, new List<uint> { _primary });
            var size = Extent(_primary);
            if (kind == "grid")
            {
                var grid = new Fields(Whole(_primary));
                var wide = (grid.Read(2) & 1) == 1;
                (rows, columns) = ((int)grid.Read(1) + 1, (int)grid.Read(1) + 1);
                size = new((int)grid.Read(wide ? 4 : 2), (int)grid.Read(wide ? 4 : 2));
                tiles = _tiles.GetValueOrDefault(_primary) ?? [];
                if (tiles.Count != columns * rows || tiles.Count > MaxTiles || tiles.Exists(tile => Extent(tile) != Extent(tiles[0])))
                    throw Broken();
                kind = _types.GetValueOrDefault(tiles[0]) ?? "";
            }

            var extent = Extent(tiles[0]);
            if ((long)extent.Width * columns < size.Width || (long)extent.Height * rows < size.Height
                || tiles.Exists(tile => _types.GetValueOrDefault(tile) != kind))
                throw Broken();
            var (name, demuxer, bitstream) = kind switch
            {
                "hvc1" or "hev1" => ("HEIC", "hevc", Hevc(tiles)),
                "av01" => ("AVIF", "ivf", Av1(tiles, extent)),
                _ => throw new PictureFormatException($"must be a HEIF with a picture of HEVC (HEIC) or AV1 (AVIF); its codec is '{Printable(kind)}'"),
            };
            return new FfmpegPicture(name, size.Width, size.Height, ["-f", demuxer], bitstream, BytesPerPixel(tiles[0]))
            {
                Columns = columns,
                Rows = rows,
                Tile = extent,
                Crop = Crop(size),
                Orientation = Orientation(),
                Color = Color(),
            };
        }

        private static string Printable(string type) => new([.. type.Where(char.IsAsciiLetterOrDigit)]);

        private void Read(string type, ReadOnlyMemory<byte> body)
        {
            switch (type)
            {
                case "pitm":
                    var primary = new Fields(body);
                    _primary = primary.Read(primary.ReadVersion() == 0 ? 2 : 4);
                    break;
                case "iinf":
                    foreach (var (entry, info) in Boxes(body[(body.Span[0] == 0 ? 6 : 8)..]))
                        if (entry == "infe" && info.Span[0] is >= 2 and var version)
                        {
                            var item = new Fields(info[4..]);
                            var id = item.Read(version == 2 ? 2 : 4);
                            item.Read(2); // protection
                            _types[id] = Type(item.Rest.Span);
                        }

                    break;
                case "iloc":
                    ReadLocations(new Fields(body));
                    break;
                case "iref":
                    foreach (var (reference, items) in Boxes(body[4..]))
                        if (reference == "dimg")
                        {
                            var fields = new Fields(items);
                            var bytes = body.Span[0] == 0 ? 2 : 4;
                            var from = fields.Read(bytes);
                            var to = new List<uint>();
                            for (var count = fields.Read(2); count > 0 && to.Count <= MaxTiles; count--)
                                to.Add(fields.Read(bytes));
                            _tiles[from] = to;
                        }

                    break;
                case "iprp":
                    ReadProperties(Boxes(body).ToList());
                    break;
            }
        }

        private void ReadLocations(Fields fields)
        {
            var version = fields.ReadVersion();
            var sizes = fields.Read(2);
            int offsetSize = (int)(sizes >> 12), lengthSize = (int)(sizes >> 8 & 15), baseSize = (int)(sizes >> 4 & 15);
            var indexSize = version > 0 ? (int)(sizes & 15) : 0;
            var (extents, total) = (0, 0L);
            for (var count = fields.Read(version < 2 ? 2 : 4); count > 0; count--)
            {
                var id = fields.Read(version < 2 ? 2 : 4);
                var method = version > 0 ? fields.Read(2) & 15 : 0;
                if (fields.Read(2) != 0)
                    throw new PictureFormatException("must be a HEIC or AVIF that does not refer to another file");
                var start = fields.ReadLong(baseSize);
                var parts = new List<ReadOnlyMemory<byte>>();
                for (var left = fields.Read(2); left > 0; left--)
                {
                    if (++extents > MaxBoxes)
                        throw Broken();
                    fields.ReadLong(indexSize);
                    var offset = checked(start + fields.ReadLong(offsetSize));
                    var length = fields.ReadLong(lengthSize);
                    var source = method switch { 0 => file, 1 => _idat, _ => default };
                    if (offset > source.Length || length > source.Length - offset)
                        throw Broken();
                    parts.Add(source.Slice((int)offset, length == 0 ? source.Length - (int)offset : (int)length));
                    if ((total += parts[^1].Length) > file.Length)
                        throw Broken(); // the same bytes many times
                }

                _data[id] = parts;
            }
        }

        private void ReadProperties(List<(string Type, ReadOnlyMemory<byte> Body)> boxes)
        {
            var properties = boxes.Where(box => box.Type == "ipco").SelectMany(box => Boxes(box.Body)).ToList();
            var total = 0;
            foreach (var (_, body) in boxes.Where(box => box.Type == "ipma"))
            {
                var wide = (body.Span[3] & 1) == 1;
                var fields = new Fields(body);
                var version = fields.ReadVersion();
                for (var count = fields.Read(4); count > 0; count--)
                {
                    var id = fields.Read(version == 0 ? 2 : 4);
                    var list = new List<(string, ReadOnlyMemory<byte>)>();
                    for (var left = fields.Read(1); left > 0; left--)
                    {
                        if (++total > 16 * MaxBoxes)
                            throw Broken();
                        var index = (int)(wide ? fields.Read(2) & 0x7FFF : fields.Read(1) & 0x7F);
                        if (index > 0)
                            list.Add(properties[index - 1]);
                    }

                    _properties[id] = list;
                }
            }
        }

        private List<(string Type, ReadOnlyMemory<byte> Body)> Properties(uint item) => _properties.GetValueOrDefault(item) ?? [];

        private ReadOnlyMemory<byte> Property(uint item, string type) => Properties(item).FirstOrDefault(property => property.Type == type).Body;

        private Size Extent(uint item)
        {
            var fields = new Fields(Property(item, "ispe"));
            fields.ReadVersion();
            return new((int)Math.Min(fields.Read(4), int.MaxValue), (int)Math.Min(fields.Read(4), int.MaxValue));
        }

        /// <summary>The data of a small item.</summary>
        private ReadOnlyMemory<byte> Whole(uint item) => _data.GetValueOrDefault(item) is [var only] ? only : throw Broken();

        /// <summary>
        /// Clean aperture (ISO/IEC 14496-12, 12.1.4): fractions of the size, and of the distance of its center from that of the picture. It
        /// precedes rotations and reflections (ISO/IEC 23000-22, 7.3.6.7).
        /// </summary>
        private Rect Crop(Size size)
        {
            var aperture = Property(_primary, "clap");
            if (aperture.IsEmpty)
                return new(0, 0, size.Width, size.Height);
            var fields = new Fields(aperture);
            var (width, height, x, y) = (Fraction(), Fraction(), Fraction(), Fraction());
            var (left, top) = (Edge(size.Width, x - width / 2), Edge(size.Height, y - height / 2));
            var crop = new Rect(left, top, Edge(size.Width, x + width / 2) - left, Edge(size.Height, y + height / 2) - top);
            return crop is { Width: > 0, Height: > 0 } ? crop : throw Broken();

            double Fraction() => (int)fields.Read(4) / (double)fields.Read(4);

            // NaN, for a denominator of 0, becomes 0.
            static int Edge(int size, double fromCenter) => (int)Math.Clamp(Math.Round(size / 2.0 + fromCenter), 0, size);
        }

        /// <summary>Rotations and reflections in their order, as an orientation of EXIF.</summary>
        private int Orientation()
        {
            // Transposed, then mirrored left to right and top to bottom.
            var (transposed, x, y) = (false, false, false);
            foreach (var (type, body) in Properties(_primary))
            {
                if (type == "irot")
                {
                    for (var quarters = body.Span[0] & 3; quarters > 0; quarters--)
                        (transposed, x, y) = (!transposed, y, !x); // counterclockwise: a transposition, then mirrored top to bottom
                }
                else if (type == "imir")
                {
                    (x, y) = (body.Span[0] & 1) == 1 ? (!x, y) : (x, !y);
                }
            }

            return (transposed ? 5 : 1) + (x, y) switch { (false, false) => 0, (true, false) => 1, (true, true) => 2, _ => 3 };
        }

        /// <summary>Range and matrix of the property colr, which has precedence over the bitstream.</summary>
        private string Color()
        {
            var color = Properties(_primary).FirstOrDefault(property => property.Type == "colr" && property.Body.Span.StartsWith("nclx"u8)).Body;
            if (color.Length < 11)
                return "";
            var matrix = BinaryPrimitives.ReadUInt16BigEndian(color.Span[8..]) switch { 1 => "bt709", 5 or 6 => "bt601", 9 => "bt2020", _ => "" };
            return matrix.Length == 0 ? "" : $":in_range={(color.Span[10] >= 0x80 ? "full" : "limited")}:in_color_matrix={matrix}";
        }

        /// <summary>Memory of a decoder: two pictures with the samples and bits of the configuration.</summary>
        private double BytesPerPixel(uint item)
        {
            var (samples, deep) = (3.0, true);
            if (Property(item, "hvcC") is { Length: >= 18 } hevc)
                (samples, deep) = ((hevc.Span[16] & 3) switch { 0 or 1 => 1.5, 2 => 2, _ => 3 }, (hevc.Span[17] & 7) > 0);
            else if (Property(item, "av1C") is { Length: >= 3 } av1)
                (samples, deep) = ((av1.Span[2] >> 2 & 3) switch { 3 => 1.5, 2 => 2, _ => 3 }, (av1.Span[2] & 0x40) != 0);
            return 2 * samples * (deep ? 2 : 1);
        }

        /// <summary>ISO/IEC 14496-15, 8.3: parameter sets and NAL units with their lengths, which become a byte stream (ITU-T H.265, annex B).</summary>
        private IEnumerable<ReadOnlyMemory<byte>> Hevc(List<uint> tiles)
        {
            ReadOnlyMemory<byte> configuration = default;
            foreach (var tile in tiles)
            {
                var own = Property(tile, "hvcC");
                if (own.Length < 23)
                    throw Broken();
                if (!own.Equals(configuration))
                {
                    configuration = own;
                    foreach (var set in ParameterSets(own))
                    {
                        yield return StartCode;
                        yield return set;
                    }
                }

                var data = _data.GetValueOrDefault(tile) ?? [];
                var rest = data.Count == 1 ? data[0] : Concatenated(data);
                var lengthSize = (own.Span[21] & 3) + 1;
                while (rest.Length > lengthSize)
                {
                    var length = new Fields(rest).ReadLong(lengthSize);
                    if (length > rest.Length - lengthSize)
                        throw Broken();
                    yield return StartCode;
                    yield return rest.Slice(lengthSize, (int)length);
                    rest = rest[(lengthSize + (int)length)..];
                }
            }

            static ReadOnlyMemory<byte> Concatenated(List<ReadOnlyMemory<byte>> parts)
            {
                var whole = new byte[parts.Sum(part => part.Length)];
                var at = 0;
                foreach (var part in parts)
                {
                    part.CopyTo(whole.AsMemory(at));
                    at += part.Length;
                }

                return whole;
            }

            static List<ReadOnlyMemory<byte>> ParameterSets(ReadOnlyMemory<byte> configuration)
            {
                var sets = new List<ReadOnlyMemory<byte>>();
                var fields = new Fields(configuration[22..]);
                try
                {
                    for (var arrays = fields.Read(1); arrays > 0; arrays--)
                    {
                        fields.Read(1); // type
                        for (var count = fields.Read(2); count > 0; count--)
                            sets.Add(fields.Take((int)fields.Read(2)));
                    }
                }
                catch (ArgumentOutOfRangeException)
                {
                    throw Broken();
                }

                return sets;
            }
        }

        /// <summary>Each tile as a frame of IVF, behind a temporal delimiter, which HEIF leaves out.</summary>
        private IEnumerable<ReadOnlyMemory<byte>> Av1(List<uint> tiles, Size size)
        {
            var header = new byte[32];
            "DKIF\0\0\u0020\0AV01"u8.CopyTo(header);
            BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(12), (ushort)size.Width);
            BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(14), (ushort)size.Height);
            (header[16], header[20]) = (25, 1); // frames per second
            yield return header;
            foreach (var (index, tile) in tiles.Index())
            {
                var data = _data.GetValueOrDefault(tile) ?? [];
                var frame = new byte[14];
                BinaryPrimitives.WriteInt32LittleEndian(frame, checked(data.Sum(part => part.Length) + 2));
                BinaryPrimitives.WriteInt32LittleEndian(frame.AsSpan(4), index);
                frame[12] = 0x12; // temporal delimiter without content
                yield return frame;
                foreach (var part in data)
                    yield return part;
            }
        }
    }

    /// <summary>Reads big-endian numbers.</summary>
    private sealed class Fields(ReadOnlyMemory<byte> bytes)
    {
        public ReadOnlyMemory<byte> Rest { get; private set; } = bytes;

        /// <summary>The version of a full box, behind which the flags are skipped.</summary>
        public uint ReadVersion() => Read(4) >> 24;

        public uint Read(int size) => (uint)ReadLong(size);

        public long ReadLong(int size)
        {
            var value = 0UL;
            foreach (var next in Take(size).Span)
                value = value << 8 | next;
            return checked((long)value);
        }

        public ReadOnlyMemory<byte> Take(int size)
        {
            var taken = Rest[..size];
            Rest = Rest[size..];
            return taken;
        }
    }
}
