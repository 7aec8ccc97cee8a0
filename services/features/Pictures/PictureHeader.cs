using System.Buffers.Binary;

namespace Affect.Features.Pictures;

internal enum PictureFormat
{
    Jpeg,
    Png,
    WebP,
    Bmp,
}

/// <summary>
/// Format and size of a picture. Read from its first bytes before any decoder gets the file: a few kilobytes can claim gigabytes,
/// which decoders allocate.
/// </summary>
/// <param name="Format">Identified by magic bytes; names and media types are ignored.</param>
/// <param name="Width">In pixels, as stored: EXIF orientation is not applied.</param>
/// <param name="Height">In pixels, as stored.</param>
internal readonly record struct PictureHeader(PictureFormat Format, int Width, int Height)
{
    /// <summary>Limits of the edges in pixels: the contract of Clip.images.</summary>
    public const int MinEdge = 16, MaxEdge = 16_384;

    /// <summary>Largest number of pixels, those of a camera of "50 megapixels"; as BGR they take 144 MiB.</summary>
    public const int MaxPixels = 8_192 * 6_144;

    private static ReadOnlySpan<byte> PngSignature => [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A];

    /// <summary>Reads the header and checks it against the limits.</summary>
    /// <exception cref="PictureFormatException">The file is not such a picture, has a truncated header, or is too small or too large.</exception>
    public static PictureHeader Read(ReadOnlySpan<byte> file)
    {
        if (file.IsEmpty)
            throw new PictureFormatException("must not be empty");

        var header =
            file.StartsWith<byte>([0xFF, 0xD8, 0xFF]) ? Jpeg(file)
            : file.StartsWith(PngSignature) ? Png(file)
            : file.Length >= 12 && file.StartsWith("RIFF"u8) && file[8..12].SequenceEqual("WEBP"u8) ? WebP(file)
            : file.StartsWith("BM"u8) ? Bmp(file)
            : throw new PictureFormatException("must be a JPEG, PNG, WebP, BMP, GIF, TIFF, HEIC or AVIF");
        CheckSize(header.Width, header.Height);
        return header;
    }

    /// <summary>Checks a size against the limits.</summary>
    /// <exception cref="PictureFormatException">It is too small or too large.</exception>
    public static void CheckSize(int width, int height)
    {
        if (Math.Min(width, height) < MinEdge)
            throw new PictureFormatException($"must have at least {MinEdge} pixels on each edge; it has {width}x{height}");
        if (Math.Max(width, height) > MaxEdge || (long)width * height > MaxPixels)
            throw new PictureFormatException($"must have at most {MaxEdge} pixels on each edge and {MaxPixels / 1_000_000} megapixels; it has {width}x{height}");
    }

    /// <summary>ITU-T T.81, annex B: segments up to the frame header (SOFn).</summary>
    private static PictureHeader Jpeg(ReadOnlySpan<byte> file)
    {
        var rest = file[2..];
        while (true)
        {
            // Skips bytes between segments, as decoders do; 0xFF may be repeated as fill.
            var start = rest.IndexOf((byte)0xFF);
            rest = start < 0 ? [] : rest[start..].TrimStart((byte)0xFF);
            if (rest.IsEmpty)
                throw Truncated("JPEG");

            var marker = rest[0];
            rest = rest[1..];
            if (marker is 0x00 or 0x01 or (>= 0xD0 and <= 0xD8))
                continue; // no segment follows
            if (marker is 0xD9 or 0xDA || rest.Length < 2)
                throw Truncated("JPEG");

            var length = BinaryPrimitives.ReadUInt16BigEndian(rest);
            if (length < 2 || length > rest.Length)
                throw Truncated("JPEG");
            if (marker is >= 0xC0 and <= 0xCF and not (0xC4 or 0xC8 or 0xCC))
            {
                if (length < 8)
                    throw Truncated("JPEG");
                return new PictureHeader(
                    PictureFormat.Jpeg,
                    Width: BinaryPrimitives.ReadUInt16BigEndian(rest[5..]),
                    Height: BinaryPrimitives.ReadUInt16BigEndian(rest[3..]));
            }

            rest = rest[length..];
        }
    }

    /// <summary>PNG specification (third edition), 11.2.1: IHDR comes first.</summary>
    private static PictureHeader Png(ReadOnlySpan<byte> file)
    {
        if (file.Length < 24 || !file[12..16].SequenceEqual("IHDR"u8))
            throw Truncated("PNG");
        return new PictureHeader(
            PictureFormat.Png,
            Width: Edge(BinaryPrimitives.ReadUInt32BigEndian(file[16..])),
            Height: Edge(BinaryPrimitives.ReadUInt32BigEndian(file[20..])));
    }

    /// <summary>RFC 9649: lossy (RFC 6386, 9.1), lossless (RFC 9649, 3.4) or extended (2.7).</summary>
    private static PictureHeader WebP(ReadOnlySpan<byte> file)
    {
        if (file.Length < 30)
            throw Truncated("WebP");

        var chunk = file[12..16];
        var body = file[20..];
        if (chunk.SequenceEqual("VP8 "u8))
        {
            return new PictureHeader(
                PictureFormat.WebP,
                Width: BinaryPrimitives.ReadUInt16LittleEndian(body[6..]) & 0x3FFF,
                Height: BinaryPrimitives.ReadUInt16LittleEndian(body[8..]) & 0x3FFF);
        }

        if (chunk.SequenceEqual("VP8L"u8))
        {
            var bits = BinaryPrimitives.ReadUInt32LittleEndian(body[1..]);
            return new PictureHeader(
                PictureFormat.WebP, Width: (int)(bits & 0x3FFF) + 1, Height: (int)(bits >> 14 & 0x3FFF) + 1);
        }

        if (chunk.SequenceEqual("VP8X"u8))
        {
            return new PictureHeader(
                PictureFormat.WebP,
                Width: 1 + (body[4] | body[5] << 8 | body[6] << 16),
                Height: 1 + (body[7] | body[8] << 8 | body[9] << 16));
        }

        throw Truncated("WebP");
    }

    /// <summary>BITMAPCOREHEADER (12 bytes) or one of the BITMAPINFOHEADERs; a negative height means top to bottom.</summary>
    private static PictureHeader Bmp(ReadOnlySpan<byte> file)
    {
        if (file.Length < 26)
            throw Truncated("BMP");
        return BinaryPrimitives.ReadUInt32LittleEndian(file[14..]) == 12
            ? new PictureHeader(
                PictureFormat.Bmp,
                Width: BinaryPrimitives.ReadUInt16LittleEndian(file[18..]),
                Height: BinaryPrimitives.ReadUInt16LittleEndian(file[20..]))
            : new PictureHeader(
                PictureFormat.Bmp,
                Width: Math.Max(0, BinaryPrimitives.ReadInt32LittleEndian(file[18..])),
                Height: Edge((uint)Math.Abs((long)BinaryPrimitives.ReadInt32LittleEndian(file[22..]))));
    }

    private static int Edge(uint pixels) => (int)Math.Min(pixels, int.MaxValue);

    private static PictureFormatException Truncated(string format) => new($"must be a {format} with a complete header");
}
