using Affect.V1;
using OpenCvSharp;

namespace Affect.FunctionalTests;

/// <summary>Pictures of many people, made from one.</summary>
internal static class Collage
{
    private const int Cell = 150;

    /// <summary>One face of a photograph, with half its size around it, in each cell of a grid, as JPEG.</summary>
    public static byte[] Of(byte[] photo, BoundingBox face, int columns, int rows)
    {
        using var picture = Cv2.ImDecode(photo, ImreadModes.Color);
        var around = new Rect(face.Left - face.Width / 2, face.Top - face.Height / 2, face.Width * 2, face.Height * 2);
        using var person = picture[around & new Rect(0, 0, picture.Width, picture.Height)];
        using var tile = new Mat();
        Cv2.Resize(person, tile, new Size(Cell, Cell), interpolation: InterpolationFlags.Area);
        using var sheet = new Mat();
        Cv2.Repeat(tile, rows, columns, sheet);
        Cv2.ImEncode(".jpg", sheet, out var jpeg);
        return jpeg;
    }
}
