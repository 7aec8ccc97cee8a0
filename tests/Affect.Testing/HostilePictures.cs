using System.Buffers.Binary;
using System.IO.Compression;

namespace Affect.Testing;

/// <summary>Small pictures that make decoders allocate or compute a lot, each by other means of its format; and pictures with metadata.</summary>
public static class HostilePictures
{
    /// <summary>The largest picture that features accepts: 50 megapixels.</summary>
    public const int Width = 8_192, Height = 6_144;

    /// <summary>Height of a lossless WebP that takes almost as much memory as features allows: 32 megapixels.</summary>
    private const int WebPHeight = 3_906;

    /// <summary>Every picture by its name; made when it is needed.</summary>
    public static IReadOnlyDictionary<string, Func<byte[]>> All { get; } = new Dictionary<string, Func<byte[]>>
    {
        ["PNG, zTXt"] = () => PngWithText("zTXt", 200),
        ["PNG, iTXt"] = () => PngWithText("iTXt", 200),
        ["PNG, iCCP"] = () => PngWithText("iCCP", 200),
        ["PNG, tEXt"] = () => PngWithText("tEXt", 400),
        ["PNG, eXIf"] = () => PngWithText("eXIf", 4),
        ["PNG, unknown chunk"] = () => PngWithText("quQu", 4),
        ["PNG, 16 bits"] = () => PngOf16Bits(interlaced: false),
        ["PNG, 16 bits, interlaced"] = () => PngOf16Bits(interlaced: true),
        ["PNG, animation"] = PngAnimation,
        ["PNG, palettes"] = PngWithPalettes,
        ["PNG, data after the pixels"] = PngWithLongData,
        ["JPEG"] = () => Jpeg(Width, Height, 3),
        ["JPEG, rotated"] = () => Jpeg(Width, Height, 3, orientation: 6),
        ["JPEG, CMYK"] = () => Jpeg(Width, Height, 4),
        ["JPEG, scan per component"] = () => Jpeg(Width, Height, 3, separate: true),
        ["JPEG, progressive"] = () => Jpeg(Width, Height, 3, progressive: true),
        ["JPEG, progressive, large"] = () => Jpeg(Width, Height, 3, progressive: true, trailer: 28_000_000),
        ["JPEG, progressive, CMYK"] = () => Jpeg(Width, Height, 4, progressive: true),
        ["JPEG, 40 scans"] = () => Jpeg(Width, Height, 3, progressive: true, scans: 39),
        ["JPEG, application segments"] = () => Jpeg(64, 64, 3, application: 450),
        ["JPEG, trailer"] = () => Jpeg(64, 64, 3, trailer: 30_000_000),
        ["WebP"] = () => WebP(Width, WebPHeight),
        ["WebP, 50 megapixels"] = () => WebP(Width, Height),
        ["WebP, prefix codes"] = () => WebP(1024, 1024, 65_536),
        ["WebP, prefix codes, large"] = () => WebP(Width, WebPHeight, 65_536),
        ["WebP, animation"] = () => WebPAnimation(),
        ["WebP, metadata"] = WebPWithMetadata,
        ["BMP"] = () => Bmp(),
        ["BMP, long header"] = () => Bmp(headerSize: 0x7FFF_FFF0),
        ["BMP, trailer"] = () => Bmp(trailer: 30_000_000),
        ["GIF, claims 50 megapixels"] = () => [.. "GIF89a"u8, 0, Width >> 8, 0, Height >> 8, 0, 0, 0, (byte)','],
        ["GIF, 13 megapixels"] = () => Encoded("gif", 4_160, 3_072),
        ["GIF, claims 11 megapixels"] = () => [.. "GIF89a"u8, 0, 16, 0x80, 10, 0, 0, 0, (byte)','],
        ["TIFF, 17 megapixels"] = () => Encoded("tiff", 4_992, 3_328, "-compression_algo", "deflate", "-pix_fmt", "rgba"),
        ["TIFF, 37 megapixels, gray"] = () => Encoded("tiff", 7_168, 5_216, "-compression_algo", "deflate", "-pix_fmt", "gray"),
        ["TIFF, 10 megapixels, 16 bits"] = () => Encoded("tiff", 3_888, 2_480, "-compression_algo", "deflate", "-pix_fmt", "rgba64le"),
        ["HEIC, tiles"] = () => Heif(512, 512, Width, Height),
        ["HEIC, large tiles"] = () => Heif(4_096, 2_048, Width, Height),
        ["HEIC, in one piece"] = () => Heif(5_184, 4_016, null, null),
        ["AVIF, tiles"] = () => Heif(512, 512, Width, Height, av1: true),
        ["AVIF, in one piece"] = () => Heif(5_184, 4_016, null, null, av1: true),
    };

    /// <summary>A gradient, encoded by ffmpeg.</summary>
    public static byte[] Encoded(string extension, int width, int height, params string[] options) => AudioFile.RunFfmpeg(
        extension, ["-f", "lavfi", "-i", $"gradients=s={width}x{height}:x0=0:y0=0:x1={width}:y1={height}:nb_colors=2:seed=1", "-frames:v", "1", .. options]);

    /// <summary>A HEIC or AVIF file; in one piece without a size.</summary>
    public static byte[] Heif(int tileWidth, int tileHeight, int? width, int? height, bool av1 = false)
    {
        var tile = av1
            ? Encoded("obu", tileWidth, tileHeight, "-c:v", "libaom-av1", "-cpu-used", "8", "-pix_fmt", "yuv420p", "-crf", "50")
            : Encoded("hevc", tileWidth, tileHeight, "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error:info=0", "-pix_fmt", "yuv420p");
        var count = width is null ? 1 : ((width.Value - 1) / tileWidth + 1) * ((height!.Value - 1) / tileHeight + 1);
        return new HeifFile
        {
            Tile = (tileWidth, tileHeight),
            Grid = width is null ? null : (width.Value, height!.Value),
            Tiles = [.. Enumerable.Repeat(tile, count)],
            Av1 = av1,
        }.ToBytes();
    }

    /// <summary>Chunks of text that inflate to 7.9 MB each; libpng caches them all.</summary>
    /// <param name="type">tEXt, zTXt, iTXt, iCCP or another.</param>
    /// <param name="count">Number of chunks.</param>
    public static byte[] PngWithText(string type, int count)
    {
        var text = new byte[7_900_000];
        text.AsSpan().Fill((byte)'a');
        byte[] content = type switch
        {
            "zTXt" or "iCCP" => [.. "Comment\0\0"u8, .. Deflate(text)],
            "iTXt" => [.. "Comment\0\u0001\0\0\0"u8, .. Deflate(text)],
            "tEXt" => [.. "Comment\0"u8, .. text.AsSpan(0, 28_000_000 / Math.Max(4, count))],
            _ => text[..(28_000_000 / Math.Max(4, count))],
        };
        return Png(64, 64, depth: 8, color: 0, interlaced: false, png =>
        {
            for (var i = 0; i < count; i++)
                TestMedia.Chunk(png, System.Text.Encoding.ASCII.GetBytes(type), content);
        });
    }

    /// <summary>A PNG of 64 x 48 pixels with EXIF metadata.</summary>
    /// <param name="exif">From the TIFF header on.</param>
    /// <param name="last">True if it follows the pixels.</param>
    public static byte[] PngOriented(byte[] exif, bool last)
    {
        var plain = TestMedia.Png(64, 48);
        var at = last ? plain.Length - 12 : 33;
        var png = new MemoryStream();
        png.Write(plain, 0, at);
        TestMedia.Chunk(png, "eXIf"u8, exif);
        png.Write(plain, at, plain.Length - at);
        return png.ToArray();
    }

    /// <summary>RGBA of 16 bits per channel.</summary>
    public static byte[] PngOf16Bits(bool interlaced) => Png(Width, Height, depth: 16, color: 6, interlaced, _ => { });

    /// <summary>An animation, for which decoders keep several canvases.</summary>
    public static byte[] PngAnimation() => Png(Width, Height, depth: 16, color: 6, interlaced: false, png =>
    {
        TestMedia.Chunk(png, "acTL"u8, [0, 0, 0, 2, 0, 0, 0, 0]);
        var control = new byte[26];
        BinaryPrimitives.WriteInt32BigEndian(control.AsSpan(4), Width);
        BinaryPrimitives.WriteInt32BigEndian(control.AsSpan(8), Height);
        TestMedia.Chunk(png, "fcTL"u8, control);
    });

    /// <summary>Thousands of palettes.</summary>
    public static byte[] PngWithPalettes() => Png(64, 64, depth: 8, color: 3, interlaced: false, png =>
    {
        for (var i = 0; i < 30_000; i++)
            TestMedia.Chunk(png, "PLTE"u8, new byte[768]);
    });

    /// <summary>Pixels that end after a few rows, and then 30 MB of further data.</summary>
    public static byte[] PngWithLongData() => Png(Width, Height, depth: 8, color: 2, interlaced: false, _ => { }, extra: 28_000_000);

    private static byte[] Png(int width, int height, byte depth, byte color, bool interlaced, Action<Stream> ancillary, int extra = 0)
    {
        var header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), height);
        (header[8], header[9], header[12]) = (depth, color, interlaced ? (byte)1 : (byte)0);
        var samples = color switch { 2 => 3, 6 => 4, _ => 1 };
        // With interlacing, the seven passes have up to a row and a filter byte each more.
        var rows = new byte[1 + width * samples * depth / 8];
        var data = new MemoryStream();
        using (var zlib = new ZLibStream(data, CompressionLevel.Fastest, leaveOpen: true))
            for (var y = 0; y < height + (interlaced ? height / 4 + 8 : 0); y++)
                zlib.Write(rows);
        data.Write(new byte[extra]);

        var png = new MemoryStream();
        png.Write([0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A]);
        TestMedia.Chunk(png, "IHDR"u8, header);
        ancillary(png);
        if (color == 3)
            TestMedia.Chunk(png, "PLTE"u8, new byte[768]);
        TestMedia.Chunk(png, "IDAT"u8, data.ToArray());
        TestMedia.Chunk(png, "IEND"u8, []);
        return png.ToArray();
    }

    private static byte[] Deflate(byte[] content)
    {
        var data = new MemoryStream();
        using (var zlib = new ZLibStream(data, CompressionLevel.SmallestSize, leaveOpen: true))
            zlib.Write(content);
        return data.ToArray();
    }

    /// <summary>A gray or colored JPEG without coefficients.</summary>
    /// <param name="width">In pixels.</param>
    /// <param name="height">In pixels.</param>
    /// <param name="components">1 (gray), 3 (YCbCr) or 4 (CMYK), none of which is subsampled.</param>
    /// <param name="progressive">True for SOF2: a decoder keeps all coefficients.</param>
    /// <param name="scans">Refinements of all coefficients after the first scan, at most 13 per component.</param>
    /// <param name="orientation">EXIF orientation.</param>
    /// <param name="separate">One scan per component; a decoder keeps all coefficients of such a file, too.</param>
    /// <param name="application">Application segments of 64 KB before the picture.</param>
    /// <param name="trailer">Bytes after the end of the picture.</param>
    public static byte[] Jpeg(
        int width, int height, int components, bool progressive = false, int scans = 0, int orientation = 1, bool separate = false,
        int application = 0, int trailer = 0)
    {
        var file = new MemoryStream();
        file.Write([0xFF, 0xD8]);
        Segment(0xE1, [.. "Exif\0\0"u8, .. "MM\0*"u8, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, (byte)orientation, 0, 0, 0, 0, 0, 0]);
        for (var i = 0; i < application; i++)
            Segment(i % 2 == 0 ? (byte)0xE1 : (byte)0xFE, [.. "Exif\0\0"u8, .. new byte[65_000]]);
        Segment(0xDB, [0, .. Enumerable.Repeat((byte)1, 64)]);
        byte[] sampling = [.. Enumerable.Range(1, components).SelectMany(id => new byte[] { (byte)id, 0x11, 0 })];
        Segment(progressive ? (byte)0xC2 : (byte)0xC0, [8, (byte)(height >> 8), (byte)height, (byte)(width >> 8), (byte)width, (byte)components, .. sampling]);
        // Two codes of one and two bits. DC: category 0. AC: a run of 2^14 blocks without coefficients; baseline: end of block.
        Segment(0xC4, [0x00, 1, 1, .. new byte[14], 0, 1]);
        Segment(0xC4, [0x10, 1, 1, .. new byte[14], progressive ? (byte)0xE0 : (byte)0, 1]);

        var blocks = ((width + 7) / 8) * ((height + 7) / 8);
        var bits = progressive ? 1 : 2;
        if (separate)
        {
            for (var id = 1; id <= components; id++)
                Scan([id], 0, progressive ? 0 : 63, 0, blocks * bits);
        }
        else
        {
            Scan([.. Enumerable.Range(1, components)], 0, progressive ? 0 : 63, progressive && scans > 0 ? 13 : 0, (long)blocks * bits * components);
        }

        for (var i = 0; i < scans; i++)
        {
            var (id, level) = (i % components + 1, 13 - i / components);
            if (level == 13)
                Scan([id], 1, 63, 13, (blocks + 16_383) / 16_384 * 15L);
            else if (level >= 0)
                Scan([id], 1, 63, (level + 1) << 4 | level, (blocks + 16_383) / 16_384 * 15L);
        }

        file.Write([0xFF, 0xD9]);
        file.Write(new byte[trailer]);
        return file.ToArray();

        void Scan(int[] ids, int first, int last, int approximation, long length)
        {
            Segment(0xDA, [(byte)ids.Length, .. ids.SelectMany(id => new byte[] { (byte)id, 0 }), (byte)first, (byte)last, (byte)approximation]);
            file.Write(new byte[(length + 7) / 8]); // the code 0, and runs whose extra bits are 0
        }

        void Segment(byte marker, byte[] content)
        {
            file.Write([0xFF, marker, (byte)((content.Length + 2) >> 8), (byte)(content.Length + 2)]);
            file.Write(content);
        }
    }

    /// <summary>A lossless WebP of one color.</summary>
    /// <param name="width">In pixels.</param>
    /// <param name="height">In pixels.</param>
    /// <param name="groups">Groups of prefix codes, each for some blocks of 4 × 4 pixels; at most 65,536. A decoder allocates kilobytes for each.</param>
    public static byte[] WebP(int width, int height, int groups = 1) => Riff(RiffChunk("VP8L", Lossless(width, height, groups)));

    /// <summary>An animation, for which decoders keep two canvases.</summary>
    public static byte[] WebPAnimation(int width = Width, int height = WebPHeight)
    {
        var frame = new byte[16];
        Write24(frame.AsSpan(6), width - 1);
        Write24(frame.AsSpan(9), height - 1);
        byte[] content = [.. frame, .. RiffChunk("VP8L", Lossless(width, height, 1))];
        return Riff([.. Extended(width, height, flags: 0x02), .. RiffChunk("ANIM", new byte[6]), .. RiffChunk("ANMF", content), .. RiffChunk("ANMF", content)]);
    }

    /// <summary>A WebP with 28 MB of metadata.</summary>
    public static byte[] WebPWithMetadata() => Riff(
    [
        .. Extended(64, 64, flags: 0x2C), .. RiffChunk("ICCP", new byte[9_000_000]), .. RiffChunk("VP8L", Lossless(64, 64, 1)),
        .. RiffChunk("EXIF", [.. "MM\0*"u8, .. new byte[9_000_000]]), .. RiffChunk("XMP ", new byte[9_000_000]),
    ]);

    /// <summary>A WebP of 64 x 48 pixels with EXIF metadata.</summary>
    public static byte[] WebPOriented(byte[] exif) =>
        Riff([.. Extended(64, 48, flags: 0x08), .. RiffChunk("VP8L", Lossless(64, 48, 1)), .. RiffChunk("EXIF", exif)]);

    private static byte[] Extended(int width, int height, byte flags)
    {
        var content = new byte[10];
        content[0] = flags;
        Write24(content.AsSpan(4), width - 1);
        Write24(content.AsSpan(7), height - 1);
        return RiffChunk("VP8X", content);
    }

    /// <summary>RFC 9649, section 3: without transforms and color cache; every group of prefix codes has single symbols.</summary>
    private static byte[] Lossless(int width, int height, int groups)
    {
        var bits = new BitWriter();
        bits.Write(0x2F, 8);
        bits.Write(width - 1, 14);
        bits.Write(height - 1, 14);
        bits.Write(0, 1 + 3); // no alpha, version 0
        bits.Write(0, 1 + 1); // no transforms, no color cache
        bits.Write(groups > 1 ? 1 : 0, 1);
        if (groups > 1)
        {
            // The entropy image: blocks of 4 pixels; green and red are the index of the group, both with codes of 8 bits.
            bits.Write(0, 3);
            bits.Write(0, 1);
            FlatCode(alphabet: 280);
            FlatCode(alphabet: 256);
            for (var i = 0; i < 3; i++)
                bits.Write(0b0001, 4);
            var blocks = (width + 3) / 4 * ((height + 3) / 4);
            for (var i = 0; i < blocks; i++)
            {
                var group = i % groups;
                bits.Write(Reversed((byte)group), 8);
                bits.Write(Reversed((byte)(group >> 8)), 8);
            }
        }

        for (var i = 0; i < groups * 5; i++)
            bits.Write(0b0001, 4); // one symbol: 0
        bits.Write(0, 64); // decoders expect some bytes after the pixels, which take none
        return bits.ToArray();

        void FlatCode(int alphabet)
        {
            bits.Write(0, 1);
            bits.Write(12 - 4, 4); // lengths of the codes 17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8
            for (var i = 0; i < 12; i++)
                bits.Write(i is 1 or 11 ? 1 : 0, 3);
            bits.Write(0, 1);
            for (var i = 0; i < 256; i++)
                bits.Write(0, 1); // length 8
            if (alphabet > 256)
            {
                bits.Write(1, 1); // repeat zeros
                bits.Write(alphabet - 256 - 11, 7);
            }
        }

        static int Reversed(byte value)
        {
            var reversed = 0;
            for (var i = 0; i < 8; i++)
                reversed |= (value >> i & 1) << (7 - i);
            return reversed;
        }
    }

    private static byte[] Riff(byte[] chunks)
    {
        var length = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, chunks.Length + 4);
        return [.. "RIFF"u8, .. length, .. "WEBP"u8, .. chunks];
    }

    private static byte[] RiffChunk(string type, byte[] content)
    {
        var length = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, content.Length);
        return [.. System.Text.Encoding.ASCII.GetBytes(type), .. length, .. content, .. new byte[content.Length % 2]];
    }

    private static void Write24(Span<byte> bytes, int value) =>
        (bytes[0], bytes[1], bytes[2]) = ((byte)value, (byte)(value >> 8), (byte)(value >> 16));

    /// <summary>A run-length encoded BMP that ends at its first row.</summary>
    /// <param name="headerSize">Size that the header claims.</param>
    /// <param name="trailer">Bytes after the picture.</param>
    public static byte[] Bmp(int headerSize = 40, int trailer = 0)
    {
        var file = new byte[14 + 40 + 1024 + 2 + trailer];
        "BM"u8.CopyTo(file);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(2), file.Length);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(10), 14 + 40 + 1024);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(14), headerSize);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(18), Width);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(22), Height);
        file[26] = 1;
        file[28] = 8;
        file[30] = 1; // BI_RLE8
        (file[1078], file[1079]) = (0, 1); // end of bitmap
        return file;
    }

    private sealed class BitWriter
    {
        private readonly List<byte> _bytes = [];
        private int _bit;

        public void Write(int value, int count)
        {
            for (var i = 0; i < count; i++)
            {
                if (_bit == 0)
                    _bytes.Add(0);
                _bytes[^1] |= (byte)((value >> i & 1) << _bit);
                _bit = (_bit + 1) % 8;
            }
        }

        public byte[] ToArray() => [.. _bytes];
    }
}
