using System.Buffers.Binary;
using OpenCvSharp;

namespace Affect.Features.Pictures;

/// <summary>
/// The parts of a picture file that its pixels depend on. Decoders get nothing else: of metadata they keep copies, and libpng inflates
/// each compressed text of a PNG to up to 8 MB.
/// </summary>
/// <remarks>
/// To add a format, write a method that passes its parts to <see cref="Keep"/>, reads its orientation, and returns the bytes that its
/// decoder allocates beside the decoded picture.
/// </remarks>
internal sealed class PictureContent : IDisposable
{
    /// <summary>Largest memory that the decoding of a picture takes, including the request and its copies.</summary>
    public const long MaxMemory = 250 << 20;

    /// <summary>A JPEG with more pixels is decoded at half of its edges: faces are detected in a copy of about a megapixel.</summary>
    public const int MaxFullPixels = 16_000_000;

    /// <summary>
    /// Largest number of scans. A progressive JPEG covers the whole picture in every scan, which may be a few bytes long: a megabyte of
    /// scans takes a decoder hours. Encoders write about ten.
    /// </summary>
    private const int MaxScans = 100;

    /// <summary>A decoder of WebP gets at least this number of bytes.</summary>
    private const int MinWebP = 32;

    private const int RiffHeader = 12, ChunkHeader = 8;

    private readonly PictureHeader _header;

    // The start of the file, or, after something was dropped, a copy in native memory, which is returned as soon as the picture is decoded.
    // Its pages take memory only once they are written.
    private readonly ReadOnlyMemory<byte> _file;
    private int _length;
    private Mat? _copy;

    private PictureContent(ReadOnlyMemory<byte> file, PictureHeader header)
    {
        _file = file;
        _header = header;
    }

    /// <summary>EXIF orientation, 1 to 8.</summary>
    public int Orientation { get; private set; } = 1;

    /// <summary>Position of the decoded picture in a canvas of the size in the header: not (0, 0) only for animations.</summary>
    private Point Position { get; set; }

    private bool Reduced => _header.Format == PictureFormat.Jpeg && (long)_header.Width * _header.Height > MaxFullPixels;

    private long DecodedMemory => 3L * _header.Width * _header.Height / (Reduced ? 4 : 1);

    /// <summary>The bytes that the decoder gets.</summary>
    internal ReadOnlySpan<byte> Bytes => _copy is null ? _file.Span[.._length] : _copy.AsSpan<byte>()[.._length];

    /// <summary>Reads the parts of a file.</summary>
    /// <exception cref="PictureFormatException">Decoding would take too much memory or time, or the file is broken.</exception>
    public static PictureContent Read(ReadOnlyMemory<byte> file, PictureHeader header)
    {
        var content = new PictureContent(file, header);
        try
        {
            var memory = header.Format switch
            {
                PictureFormat.Jpeg => content.ReadJpeg(file.Span),
                PictureFormat.Png => content.ReadPng(file.Span),
                PictureFormat.WebP => content.ReadWebP(file.Span),
                _ => content.ReadBmp(),
            };
            content.LimitMemory(memory);
            return content;
        }
        catch
        {
            content.Dispose();
            throw;
        }
    }

    /// <summary>Decodes the picture: 8 bits, BGR, as stored, a large JPEG at half of its edges. Empty if the file is broken.</summary>
    public Mat Decode()
    {
        var mode = (Reduced ? ImreadModes.ReducedColor2 : ImreadModes.Color) | ImreadModes.IgnoreOrientation;
        Mat picture;
        if (_copy is null)
        {
            picture = Cv2.ImDecode(_file.Span[.._length], mode);
        }
        else
        {
            using var bytes = _copy.ColRange(0, _length);
            picture = Cv2.ImDecode(bytes, mode);
        }

        if (Reduced || picture.Empty() || (picture.Width == _header.Width && picture.Height == _header.Height))
            return picture;
        using (picture)
        {
            var canvas = new Mat();
            Cv2.CopyMakeBorder(
                picture, canvas, Position.Y, _header.Height - picture.Height - Position.Y,
                Position.X, _header.Width - picture.Width - Position.X, BorderTypes.Constant, Scalar.Black);
            return canvas;
        }
    }

    public void Dispose() => _copy?.Dispose();

    /// <summary>ITU-T T.81, annex B: the segments that define the picture, with JFIF and Adobe's, which define its colors.</summary>
    private long ReadJpeg(ReadOnlySpan<byte> file)
    {
        Keep(0, 2);
        var (scans, memory, coefficients, components, progressive, oriented) = (0, 0L, 0L, 0, false, false);
        for (var at = 2; NextMarker(file, ref at) is { } marker;)
        {
            if (marker is 0x01 or (>= 0xD0 and <= 0xD8))
                continue; // no segment follows
            if (marker == 0xD9)
            {
                Keep(at - 2, 2);
                break;
            }

            var rest = file[at..];
            var length = rest.Length < 2 ? 0 : BinaryPrimitives.ReadUInt16BigEndian(rest);
            if (length < 2 || length > rest.Length)
                break;
            var segment = rest[2..length];
            switch (marker)
            {
                case 0xE1 when !oriented && segment.StartsWith("Exif\0\0"u8):
                    Orientation = Exif.ReadOrientation(segment[6..]);
                    oriented = true;
                    break;
                case >= 0xC0 and <= 0xCF and not (0xC4 or 0xC8 or 0xCC) when segment.Length >= 6:
                    components = segment[5];
                    coefficients = CoefficientMemory(segment[6..]);
                    progressive = (marker & 3) == 2;
                    break;
                case 0xDA when segment.Length >= 1:
                    if (++scans > MaxScans)
                        throw new PictureFormatException($"must be a JPEG with at most {MaxScans} scans");
                    // A decoder keeps all coefficients if a later scan can add to them.
                    if (progressive || segment[0] < components)
                        memory = Math.Max(memory, coefficients);
                    break;
            }

            var start = at - 2;
            at += length;
            if (marker == 0xDA)
                at = EndOfScan(file, at);
            if (marker is (>= 0xC0 and <= 0xCF) or (>= 0xDA and <= 0xDD) or 0xE0 or 0xEE)
                Keep(start, at - start);
        }

        return memory;

        static int? NextMarker(ReadOnlySpan<byte> file, ref int at)
        {
            // Skips bytes between segments, as decoders do; 0xFF may be repeated as fill.
            while (file[at..].IndexOf((byte)0xFF) is var start and >= 0)
            {
                at += start;
                at += file[at..].IndexOfAnyExcept((byte)0xFF) is var fill and > 0 ? fill : file.Length - at;
                if (at < file.Length && file[at++] is var marker and not 0)
                    return marker;
            }

            return null;
        }

        static int EndOfScan(ReadOnlySpan<byte> file, int at)
        {
            // 0xFF 0x00 is a byte of data, and restart markers are part of the scan.
            while (file[at..].IndexOf((byte)0xFF) is var start and >= 0)
            {
                at += start;
                if (at + 1 < file.Length && file[at + 1] is not (0x00 or 0xFF or (>= 0xD0 and <= 0xD7)))
                    return at;
                at++;
            }

            return file.Length;
        }
    }

    /// <summary>Memory of all coefficients of a JPEG: 2 bytes for each sample of whole blocks.</summary>
    /// <param name="components">Identifier, sampling factors and table of each component.</param>
    private long CoefficientMemory(ReadOnlySpan<byte> components)
    {
        var (maxX, maxY) = (1, 1);
        for (var rest = components; rest.Length >= 3; rest = rest[3..])
            (maxX, maxY) = (Math.Max(maxX, rest[1] >> 4), Math.Max(maxY, rest[1] & 15));
        var (unitsX, unitsY) = ((_header.Width + 8 * maxX - 1) / (8 * maxX), (_header.Height + 8 * maxY - 1) / (8 * maxY));
        var blocks = 0L;
        for (var rest = components; rest.Length >= 3; rest = rest[3..])
            blocks += (long)unitsX * (rest[1] >> 4) * unitsY * (rest[1] & 15);
        return blocks * 64 * sizeof(short);
    }

    private long ReadBmp()
    {
        Keep(0, _file.Length); // the only metadata, a color profile, is not read by the decoder
        return 0;
    }

    /// <summary>PNG specification (third edition), 5.6 and 11.2: IHDR, PLTE, IDAT and IEND. OpenCV drops transparency.</summary>
    private long ReadPng(ReadOnlySpan<byte> file)
    {
        const int signature = 8, overhead = 12, paletteSize = 768;
        Keep(0, signature);
        var (header, palette) = (false, false);
        for (var at = signature; at + overhead <= file.Length;)
        {
            var claimed = BinaryPrimitives.ReadUInt32BigEndian(file[at..]);
            var length = (int)Math.Min(claimed + (long)overhead, file.Length - at);
            var type = file.Slice(at + 4, 4);
            var end = type.SequenceEqual("IEND"u8);
            if (type.SequenceEqual("IDAT"u8) || end
                || (!header && type.SequenceEqual("IHDR"u8))
                || (!palette && claimed <= paletteSize && type.SequenceEqual("PLTE"u8)))
                Keep(at, length);
            else if (Orientation == 1 && type.SequenceEqual("eXIf"u8))
                Orientation = Exif.ReadOrientation(file.Slice(at + 8, length - 8));
            header = true;
            palette |= type.SequenceEqual("PLTE"u8);
            at += length;
            if (end)
                break;
        }

        return _length; // the decoder copies a chunk of data
    }

    /// <summary>RFC 9649, section 2: the bitstream of the picture, or of an animation's first frame. OpenCV drops transparency.</summary>
    private long ReadWebP(ReadOnlySpan<byte> file)
    {
        var extended = file[RiffHeader..].StartsWith("VP8X"u8);
        var exif = extended && (file[RiffHeader + ChunkHeader] & 0x08) != 0;
        var end = (int)Math.Min(file.Length, BinaryPrimitives.ReadUInt32LittleEndian(file[4..]) + 8L);
        (int Start, int Length)? picture = null;
        var animated = false;
        for (var at = RiffHeader; at + ChunkHeader <= end;)
        {
            var length = Length(file, at, end);
            if (picture is null && IsBitstream(file[at..]))
            {
                picture = (at, length);
            }
            else if (picture is null && file[at..].StartsWith("ANMF"u8) && length >= ChunkHeader + 16)
            {
                animated = true;
                Position = new(2 * UInt24(file[(at + 8)..]), 2 * UInt24(file[(at + 11)..]));
                var next = at + length;
                for (var part = at + ChunkHeader + 16; picture is null && part + ChunkHeader <= next; part += Length(file, part, next))
                    if (IsBitstream(file[part..]))
                        picture = (part, Length(file, part, next));
            }
            else if (exif && file[at..].StartsWith("EXIF"u8))
            {
                Orientation = Exif.ReadOrientation(file.Slice(at + ChunkHeader, length - ChunkHeader));
                exif = false;
            }

            at += length;
        }

        if (picture is not var (start, size))
            throw new PictureFormatException("must be a WebP that can be decoded");
        if (start == RiffHeader && size == file.Length - RiffHeader)
            Keep(0, file.Length);
        else
            CopyBitstream(file.Slice(start, size));

        // The size in the extended header is only a claim.
        var bytes = Bytes;
        var header = PictureHeader.Read(bytes);
        var fits = animated
            ? header.Width + Position.X <= _header.Width && header.Height + Position.Y <= _header.Height
            : header == _header;
        if (!fits)
            throw new PictureFormatException("must be a WebP that can be decoded");
        var memory = file[start..].StartsWith("VP8L"u8) ? LosslessWebP.DecoderMemory(bytes[(RiffHeader + ChunkHeader)..]) : 0;
        return header == _header ? memory : Math.Max(memory, DecodedMemory); // a frame and its canvas

        static bool IsBitstream(ReadOnlySpan<byte> chunk) => chunk.StartsWith("VP8 "u8) || chunk.StartsWith("VP8L"u8);

        static int Length(ReadOnlySpan<byte> file, int at, int end)
        {
            var length = BinaryPrimitives.ReadUInt32LittleEndian(file[(at + 4)..]);
            return (int)Math.Min(ChunkHeader + length + (length & 1L), end - at);
        }

        static int UInt24(ReadOnlySpan<byte> bytes) => bytes[0] | bytes[1] << 8 | bytes[2] << 16;
    }

    /// <summary>Writes a file with a single chunk.</summary>
    private void CopyBitstream(ReadOnlySpan<byte> chunk)
    {
        var size = Math.Max(MinWebP, RiffHeader + chunk.Length);
        _copy = new Mat(1, size, MatType.CV_8UC1, Scalar.Black);
        _length = size;
        var copy = _copy.AsSpan<byte>();
        "RIFF"u8.CopyTo(copy);
        BinaryPrimitives.WriteInt32LittleEndian(copy[4..], size - 8);
        "WEBP"u8.CopyTo(copy[8..]);
        chunk.CopyTo(copy[RiffHeader..]);
        BinaryPrimitives.WriteInt32LittleEndian(copy[(RiffHeader + 4)..], size - RiffHeader - ChunkHeader);
    }

    /// <summary>Appends a part of the file.</summary>
    private void Keep(int start, int length)
    {
        if (_copy is null && start == _length)
        {
            _length += length;
            return;
        }

        if (_copy is null)
        {
            _copy = new Mat(1, _file.Length, MatType.CV_8UC1);
            _file.Span[.._length].CopyTo(_copy.AsSpan<byte>());
        }

        _file.Span.Slice(start, length).CopyTo(_copy.AsSpan<byte>()[_length..]);
        _length += length;
    }

    /// <summary>Rejects a picture whose decoding would take too much memory.</summary>
    /// <param name="decoder">Memory of the decoder beside the decoded picture.</param>
    private void LimitMemory(long decoder)
    {
        // The request is held twice: as the server received it, and as a message. A transposed picture is copied after it was decoded.
        var decoding = decoder + DecodedMemory + (_copy is null ? 0 : _length);
        var needed = Math.Max(decoding, Orientation >= 5 ? 2 * DecodedMemory : 0) + 2L * _file.Length;
        if (needed > MaxMemory)
        {
            throw new PictureFormatException(
                $"must take at most {MaxMemory >> 20} MiB to decode; it takes {needed >> 20} MiB: "
                + "reduce its pixels, or save it as a baseline JPEG");
        }
    }
}
