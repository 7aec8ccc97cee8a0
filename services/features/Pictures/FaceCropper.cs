using OpenCvSharp;

namespace Affect.Features.Pictures;

/// <summary>Crops faces with the alignment of FER2013, on which face models are trained.</summary>
internal static class FaceCropper
{
    /// <summary>
    /// Landmarks of FER2013's faces as fractions of the edge: medians of YuNet's detections in 3,000 training pictures, made
    /// symmetric. Eyes, nose tip, corners of the mouth, left before right.
    /// </summary>
    private static readonly Point2f[] Template =
        [new(0.314f, 0.382f), new(0.686f, 0.382f), new(0.5f, 0.594f), new(0.349f, 0.763f), new(0.651f, 0.763f)];

    /// <summary>
    /// Crops a face, square and upright: rotated, scaled and shifted so that its landmarks match those of FER2013. Without landmarks,
    /// crops the box.
    /// </summary>
    /// <param name="picture">8 bits, BGR.</param>
    /// <param name="face">In pixels of the picture.</param>
    /// <param name="size">Edge of the crop in pixels.</param>
    /// <param name="gray">One channel, or three in the order red, green, blue.</param>
    /// <returns>[row][column][channel].</returns>
    public static byte[] Crop(Mat picture, DetectedFace face, int size, bool gray)
    {
        // q = scale · R · p + shift maps a point of the picture to the crop.
        var (a, b, dx, dy) = face.Landmarks is { } landmarks && Align(landmarks, size) is { } aligned ? aligned : Frame(face.Box, size);

        // The part of the picture that the crop covers, with a border for interpolation.
        var square = a * a + b * b;
        var corners = Array.ConvertAll<(int X, int Y), Point2d>(
            [(0, 0), (size, 0), (0, size), (size, size)],
            corner => new(
                (a * (corner.X - dx) + b * (corner.Y - dy)) / square,
                (a * (corner.Y - dy) - b * (corner.X - dx)) / square));
        var shrink = Math.Max(1, (int)(1 / Math.Sqrt(square)));
        var left = Math.Clamp((int)corners.Min(corner => corner.X) - 2 * shrink, 0, picture.Width - 1);
        var top = Math.Clamp((int)corners.Min(corner => corner.Y) - 2 * shrink, 0, picture.Height - 1);
        var right = Math.Clamp((int)corners.Max(corner => corner.X) + 2 * shrink, left + 1, picture.Width);
        var bottom = Math.Clamp((int)corners.Max(corner => corner.Y) + 2 * shrink, top + 1, picture.Height);

        // A large face is reduced by averaging before the rotation: sampling single pixels would alias.
        using var part = picture[new Rect(left, top, right - left, bottom - top)];
        using var reduced = part.Resize(
            new Size(Math.Max(1, part.Width / shrink), Math.Max(1, part.Height / shrink)), interpolation: InterpolationFlags.Area);
        double sx = (double)part.Width / reduced.Width, sy = (double)part.Height / reduced.Height;

        // Pixel i covers i to i + 1 in all of the above; OpenCV's warp counts from pixel centers.
        using var transform = Mat.FromPixelData(2, 3, MatType.CV_64FC1, new[]
        {
            a * sx, -b * sy, a * (left + sx / 2) - b * (top + sy / 2) + dx - 0.5,
            b * sx, a * sy, b * (left + sx / 2) + a * (top + sy / 2) + dy - 0.5,
        });
        using var crop = new Mat();
        Cv2.WarpAffine(
            reduced, crop, transform, new Size(size, size), InterpolationFlags.Linear, BorderTypes.Replicate);

        using var pixels = crop.CvtColor(gray ? ColorConversionCodes.BGR2GRAY : ColorConversionCodes.BGR2RGB);
        var result = new byte[size * size * (gray ? 1 : 3)];
        System.Runtime.InteropServices.Marshal.Copy(pixels.Data, result, 0, result.Length);
        return result;
    }

    /// <summary>
    /// The similarity transform that maps the landmarks to the template with the least mean square error; null if they are not those
    /// of a face.
    /// </summary>
    private static (double A, double B, double Dx, double Dy)? Align(Point2f[] landmarks, int size)
    {
        // Umeyama (1991) in two dimensions, in closed form: points as complex numbers,
        // q = (a + ib) · p + shift.
        double px = 0, py = 0, qx = 0, qy = 0;
        for (var i = 0; i < Template.Length; i++)
        {
            px += landmarks[i].X / Template.Length;
            py += landmarks[i].Y / Template.Length;
            qx += Template[i].X * size / Template.Length;
            qy += Template[i].Y * size / Template.Length;
        }

        double real = 0, imaginary = 0, power = 0;
        for (var i = 0; i < Template.Length; i++)
        {
            double x = landmarks[i].X - px, y = landmarks[i].Y - py;
            double u = Template[i].X * size - qx, v = Template[i].Y * size - qy;
            real += x * u + y * v;
            imaginary += x * v - y * u;
            power += x * x + y * y;
        }

        // Rotated by more than a right angle, or all at one point: not the landmarks of a face.
        if (!(real > 0) || !(power >= 1))
            return null;
        double a = real / power, b = imaginary / power;
        return (a, b, qx - a * px + b * py, qy - b * px - a * py);
    }

    /// <summary>The square around the box, as in FER2013's own pictures.</summary>
    private static (double A, double B, double Dx, double Dy) Frame(Rect2f box, int size)
    {
        var edge = Math.Max(box.Width, box.Height);
        var scale = size / edge;
        return (
            scale, 0,
            -scale * (box.X + box.Width / 2 - edge / 2),
            -scale * (box.Y + box.Height / 2 - edge / 2));
    }
}
