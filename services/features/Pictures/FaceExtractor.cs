using Affect.Features.Audio;
using OpenCvSharp;

namespace Affect.Features.Pictures;

/// <summary>The faces of one picture.</summary>
/// <param name="Width">In pixels, EXIF orientation applied.</param>
/// <param name="Height">In pixels.</param>
/// <param name="Faces">Largest first.</param>
internal sealed record Picture(int Width, int Height, IReadOnlyList<Face> Faces);

/// <summary>One cropped face.</summary>
/// <param name="Box">In pixels, inside the picture.</param>
/// <param name="Confidence">[0, 1].</param>
/// <param name="Pixels">[row][column][channel], one byte per value.</param>
internal sealed record Face(Rect Box, float Confidence, byte[] Pixels);

/// <summary>Extracts the faces of pictures. Thread-safe.</summary>
/// <param name="detector">Detects the faces.</param>
/// <param name="ffmpeg">Decodes GIF, TIFF, HEIC and AVIF.</param>
/// <param name="maxFaces">Maximum number of faces; the largest are kept.</param>
internal sealed class FaceExtractor(FaceDetector detector, Ffmpeg ffmpeg, int maxFaces)
{
    /// <summary>Decodes a picture and crops its faces.</summary>
    /// <param name="file">JPEG, PNG, WebP, BMP, GIF, TIFF, HEIC or AVIF.</param>
    /// <param name="size">Edge of the crops in pixels.</param>
    /// <param name="gray">One channel, or three in the order red, green, blue.</param>
    /// <param name="cancellationToken">Ends ffmpeg.</param>
    /// <exception cref="PictureFormatException">The file is not such a picture, is broken, too small or too large.</exception>
    /// <exception cref="DecoderMissingException">The file needs ffmpeg, which is not installed.</exception>
    /// <exception cref="BusyException">Decoding timed out because the machine is overloaded.</exception>
    public Picture Extract(ReadOnlyMemory<byte> file, int size, bool gray, CancellationToken cancellationToken)
    {
        var (picture, bounds) = Decode(file, cancellationToken);
        using var _ = picture;
        float scaleX = (float)bounds.Width / picture.Width, scaleY = (float)bounds.Height / picture.Height;
        var faces = detector.Detect(picture)
            .Select(face => (Face: face, Box: Pixels(face.Box, scaleX, scaleY) & bounds))
            .Where(found => found.Box is { Width: > 0, Height: > 0 })
            .OrderByDescending(found => found.Box.Width * found.Box.Height)
            .Take(maxFaces)
            .Select(found => new Face(
                found.Box, Math.Clamp(found.Face.Confidence, 0, 1), FaceCropper.Crop(picture, found.Face, size, gray)))
            .ToList();
        return new Picture(bounds.Width, bounds.Height, faces);
    }

    private static Rect Pixels(Rect2f box, float scaleX, float scaleY) => Rect.FromLTRB(
        (int)MathF.Floor(box.Left * scaleX), (int)MathF.Floor(box.Top * scaleY),
        (int)MathF.Ceiling(box.Right * scaleX), (int)MathF.Ceiling(box.Bottom * scaleY));

    /// <summary>8 bits, BGR, orientation applied, perhaps smaller than the picture in the file, whose bounds are returned too.</summary>
    private (Mat Picture, Rect Bounds) Decode(ReadOnlyMemory<byte> file, CancellationToken cancellationToken)
    {
        if (FfmpegPicture.Read(file) is { } other)
        {
            // Blocks a dedicated thread.
            var decoded = other.DecodeAsync(ffmpeg, cancellationToken).GetAwaiter().GetResult();
            return (Upright(decoded, other.Orientation), Bounds(other.Crop.Width, other.Crop.Height, other.Orientation));
        }

        var header = PictureHeader.Read(file.Span);
        Mat picture;
        int orientation;
        using (var content = PictureContent.Read(file, header))
        {
            orientation = content.Orientation;
            try
            {
                picture = content.Decode();
            }
            catch (OpenCVException)
            {
                throw Broken(header);
            }
        }

        if (!picture.Empty())
            return (Upright(picture, orientation), Bounds(header.Width, header.Height, orientation));
        picture.Dispose();
        throw Broken(header);
    }

    private static Rect Bounds(int width, int height, int orientation) =>
        orientation >= 5 ? new(0, 0, height, width) : new(0, 0, width, height);

    private static Mat Upright(Mat picture, int orientation)
    {
        if (orientation >= 5)
        {
            using var stored = picture;
            picture = new Mat();
            Cv2.Transpose(stored, picture);
        }

        // Mirrored along the vertical, both or the horizontal axis, after a transposition from 5 on.
        if (orientation is 2 or 6)
            Cv2.Flip(picture, picture, FlipMode.Y);
        else if (orientation is 3 or 7)
            Cv2.Flip(picture, picture, FlipMode.XY);
        else if (orientation is 4 or 8)
            Cv2.Flip(picture, picture, FlipMode.X);
        return picture;
    }

    private static PictureFormatException Broken(PictureHeader header) =>
        new($"must be a {header.Format switch { PictureFormat.Jpeg => "JPEG", PictureFormat.Png => "PNG", PictureFormat.Bmp => "BMP", _ => "WebP" }} that can be decoded");
}
