using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Affect.Features.Audio;
using OpenCvSharp;

namespace Affect.Features.Pictures;

/// <summary>
/// A picture that ffmpeg decodes, in a process with limits of memory and time. It gets the first frame of a GIF or TIFF, or the bitstreams
/// of a HEIF file, of which it does not get the container: no version of it is needed that reads pictures made of tiles.
/// </summary>
/// <param name="Name">Name in error texts.</param>
/// <param name="Width">In pixels, as stored.</param>
/// <param name="Height">In pixels, as stored.</param>
/// <param name="Demuxer">Demuxer of ffmpeg and its options.</param>
/// <param name="Input">The bytes that ffmpeg gets.</param>
/// <param name="BytesPerPixel">Memory of the decoder.</param>
internal sealed record FfmpegPicture(
    string Name, int Width, int Height, string[] Demuxer, IEnumerable<ReadOnlyMemory<byte>> Input, double BytesPerPixel)
{
    /// <summary>Largest memory of ffmpeg for a picture beside the 70 MiB that it takes for any file.</summary>
    private const long MaxMemory = 90 << 20;

    /// <summary>Above this number of pixels, ffmpeg returns a picture or tile of half the edges.</summary>
    private const int MaxFullPixels = 8_000_000;

    /// <summary>Tags of TIFF 6.0 and DNG.</summary>
    private const int SubfileType = 254, ImageWidth = 256, ImageLength = 257, BitsPerSample = 258, Compression = 259, SamplesPerPixel = 277,
        DngVersion = 50706;

    /// <summary>Size of a tile, in pixels; that of the picture if it is not made of tiles.</summary>
    public Size Tile { get; init; } = new(Width, Height);

    /// <summary>Number of tiles in a row; the last may extend beyond the picture.</summary>
    public int Columns { get; init; } = 1;

    public int Rows { get; init; } = 1;

    /// <summary>The part of the picture that is shown, in pixels.</summary>
    public Rect Crop { get; init; } = new(0, 0, Width, Height);

    /// <summary>As in EXIF, 1 to 8. Applied after the crop.</summary>
    public int Orientation { get; init; } = 1;

    /// <summary>Options of ffmpeg's scale filter for the color space; empty if the bitstream defines it.</summary>
    public string Color { get; init; } = "";

    /// <summary>Reads the header of a file; null if it has another format.</summary>
    /// <exception cref="PictureFormatException">The file is broken, or the picture is too small or too large.</exception>
    public static FfmpegPicture? Read(ReadOnlyMemory<byte> file)
    {
        var bytes = file.Span;
        var picture = bytes.StartsWith("GIF87a"u8) || bytes.StartsWith("GIF89a"u8) ? Gif(file)
            : Exif.IsTiff(bytes) ? Tiff(file)
            : Heif.IsHeif(bytes) ? Heif.Read(file)
            : null;
        if (picture is null)
            return null;
        PictureHeader.CheckSize(picture.Width, picture.Height);
        PictureHeader.CheckSize(picture.Crop.Width, picture.Crop.Height);

        if (picture.Columns * picture.Rows == 1)
            picture = picture with { PacketLength = file.Length };
        var needed = picture.Memory(picture.Reduction);
        return needed <= MaxMemory
            ? picture
            : throw new PictureFormatException(
                $"must take at most {MaxMemory >> 20} MiB to decode; it takes {needed >> 20} MiB: reduce its pixels, or save it as a JPEG");
    }

    /// <summary>Bytes that ffmpeg copies before it decodes them; small for tiles.</summary>
    private long PacketLength { get; init; }

    /// <summary>2 if the decoded picture has half the edges, otherwise 1.</summary>
    private int Reduction =>
        (long)Width * Height > PictureContent.MaxFullPixels || (long)Tile.Width * Tile.Height > MaxFullPixels || Memory(1) > MaxMemory ? 2 : 1;

    /// <summary>Memory of ffmpeg in bytes: the decoder, the scaled picture and the copy of it that is written.</summary>
    private long Memory(int reduction) =>
        (long)((double)Tile.Width * Tile.Height * (BytesPerPixel + 2 * 3.0 / (reduction * reduction))) + PacketLength;

    /// <summary>Decodes the part that is shown: 8 bits, BGR, as stored, perhaps of half the edges.</summary>
    /// <exception cref="PictureFormatException">The picture is broken, or takes too long to decode.</exception>
    /// <exception cref="DecoderMissingException">ffmpeg is not installed.</exception>
    /// <exception cref="BusyException">Decoding timed out because the machine is overloaded.</exception>
    public async Task<Mat> DecodeAsync(Ffmpeg ffmpeg, CancellationToken cancellationToken)
    {
        var reduction = Reduction;
        var tile = new Size(Math.Max(1, Tile.Width / reduction), Math.Max(1, Tile.Height / reduction));
        string[] arguments =
        [
            "-noautorotate", .. Demuxer, "-i", "pipe:0", "-map", "0:v:0", "-frames:v", $"{Columns * Rows}", "-fps_mode", "passthrough",
            "-vf", $"scale={tile.Width}:{tile.Height}:flags={(reduction > 1 ? "area" : "bicubic")}{Color}",
            "-pix_fmt", "bgr24", "-f", "rawvideo", "pipe:1",
        ];
        try
        {
            return await ffmpeg.RunAsync(arguments, Input, ReadAsync, cancellationToken);
        }
        catch (EndOfStreamException)
        {
            throw new PictureFormatException($"must be a {Name} that can be decoded");
        }
        catch (TimeoutException exception)
        {
            throw new PictureFormatException(exception.Message);
        }

        async Task<Mat> ReadAsync(Stream output, CancellationToken stop)
        {
            var crop = new Rect(Crop.X / reduction, Crop.Y / reduction, Math.Max(1, Crop.Width / reduction), Math.Max(1, Crop.Height / reduction));
            var picture = new Mat(crop.Height, crop.Width, MatType.CV_8UC3);
            try
            {
                await using var buffered = new BufferedStream(output, 64 << 10);
                var line = new byte[3 * tile.Width];
                for (var index = 0; index < Columns * Rows; index++)
                {
                    var (left, top) = (index % Columns * tile.Width, index / Columns * tile.Height);
                    for (var y = top; y < top + tile.Height; y++)
                    {
                        await buffered.ReadExactlyAsync(line, stop);
                        var shown = new Rect(left, y, tile.Width, 1) & crop;
                        if (shown is { Width: > 0, Height: > 0 })
                            Marshal.Copy(line, 3 * (shown.X - left), picture.Ptr(y - crop.Y) + 3 * (shown.X - crop.X), 3 * shown.Width);
                    }
                }

                return picture;
            }
            catch
            {
                picture.Dispose();
                throw;
            }
        }
    }

    /// <summary>GIF89a, section 18: the logical screen, on which the first frame is drawn.</summary>
    private static FfmpegPicture Gif(ReadOnlyMemory<byte> file) => file.Length < 13
        ? throw new PictureFormatException("must be a GIF with a complete header")
        : new(
            "GIF", BinaryPrimitives.ReadUInt16LittleEndian(file.Span[6..]), BinaryPrimitives.ReadUInt16LittleEndian(file.Span[8..]),
            ["-f", "gif_pipe"], [file], BytesPerPixel: 5);

    /// <summary>TIFF 6.0: the first directory. A frame of 8 or 16 bits per sample.</summary>
    private static FfmpegPicture Tiff(ReadOnlyMemory<byte> file)
    {
        var bytes = file.Span;
        if (Exif.ReadTag(bytes, ImageWidth) is not { } width || Exif.ReadTag(bytes, ImageLength) is not { } height)
            throw new PictureFormatException("must be a TIFF with a complete header");
        if (Exif.ReadTag(bytes, DngVersion) is not null || (Exif.ReadTag(bytes, SubfileType) & 1) == 1)
            throw new PictureFormatException("must not be a camera's raw file: save it as a JPEG");
        if (Exif.ReadTag(bytes, Compression) is 6 or 7)
            throw new PictureFormatException("must be a TIFF without JPEG compression: save it with another compression, or as a JPEG");
        var samples = Math.Clamp(Exif.ReadTag(bytes, SamplesPerPixel) ?? 1, 1, 4);
        var depth = Exif.ReadTag(bytes, BitsPerSample) is > 8 ? 2 : 1;
        return new(
            "TIFF", (int)Math.Min(width, int.MaxValue), (int)Math.Min(height, int.MaxValue),
            ["-f", "tiff_pipe", "-frame_size", $"{file.Length}"], [file], samples * depth)
        {
            Orientation = Exif.ReadOrientation(bytes),
        };
    }
}
