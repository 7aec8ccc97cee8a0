using Affect.Features.Pictures;
using OpenCvSharp;

namespace Affect.UnitTests.Features;

public sealed class FaceCropperTests
{
    /// <summary>Eyes, nose, corners of the mouth in a crop of 48 pixels, as FER2013 has them.</summary>
    private static readonly Point2f[] Upright = [new(15.1f, 18.3f), new(32.9f, 18.3f), new(24, 28.5f), new(16.7f, 36.6f), new(31.3f, 36.6f)];

    [Theory]
    [InlineData(1, 0)]
    [InlineData(3, 0)]
    [InlineData(3, 25)]
    [InlineData(8, -40)]
    [InlineData(0.6, 10)]
    public void Crop_AnyPose_MatchesTheLandmarksOfFer2013(double scale, double degrees)
    {
        // A face of five white discs, rotated and scaled around the center of a picture.
        var (sin, cos) = Math.SinCos(degrees * Math.PI / 180);
        var landmarks = Array.ConvertAll(Upright, point => new Point2f(
            (float)(300 + scale * (cos * (point.X - 24) - sin * (point.Y - 24))),
            (float)(250 + scale * (sin * (point.X - 24) + cos * (point.Y - 24)))));
        using var picture = new Mat(500, 600, MatType.CV_8UC3, OpenCvSharp.Scalar.Black);
        foreach (var point in landmarks)
        {
            // Eight bits of subpixels; OpenCV draws from pixel centers.
            Cv2.Circle(
                picture, (int)Math.Round((point.X - 0.5) * 256), (int)Math.Round((point.Y - 0.5) * 256), (int)(2.5 * scale * 256),
                OpenCvSharp.Scalar.White, -1, LineTypes.AntiAlias, shift: 8);
        }

        var crop = FaceCropper.Crop(picture, new DetectedFace(default, 1, landmarks), 48, gray: true);

        foreach (var point in Upright)
        {
            // The center of the bright area around the point.
            double weight = 0, x = 0, y = 0;
            for (var row = (int)point.Y - 4; row <= (int)point.Y + 4; row++)
            {
                for (var column = (int)point.X - 4; column <= (int)point.X + 4; column++)
                {
                    var value = crop[row * 48 + column];
                    weight += value;
                    x += value * (column + 0.5);
                    y += value * (row + 0.5);
                }
            }
            Assert.Equal(point.X, x / weight, 0.5);
            Assert.Equal(point.Y, y / weight, 0.5);
        }
    }

    [Fact]
    public void Crop_ColorAndGray_AreRgbAndLuma()
    {
        using var picture = new Mat(100, 100, MatType.CV_8UC3, new OpenCvSharp.Scalar(30, 20, 200)); // blue, green, red
        var face = new DetectedFace(new Rect2f(20, 20, 40, 50), 1, null);
        var color = FaceCropper.Crop(picture, face, 16, gray: false);
        Assert.Equal(16 * 16 * 3, color.Length);
        Assert.Equal([200, 20, 30], color[^3..]);
        var gray = FaceCropper.Crop(picture, face, 16, gray: true);
        Assert.Equal(16 * 16, gray.Length);
        Assert.All(gray, value => Assert.Equal(0.299 * 200 + 0.587 * 20 + 0.114 * 30, value, 1.0));
    }

    [Fact]
    public void Crop_NoLandmarks_IsTheBox()
    {
        // Left half black, right half white; the center of the box lies on the edge between them.
        using var picture = new Mat(200, 200, MatType.CV_8UC3, OpenCvSharp.Scalar.Black);
        Cv2.Rectangle(picture, new Rect(100, 0, 100, 200), OpenCvSharp.Scalar.White, -1);
        var crop = FaceCropper.Crop(picture, new DetectedFace(new Rect2f(60, 60, 80, 80), 1, null), 40, gray: true);
        for (var row = 0; row < 40; row++)
        {
            Assert.Equal(0, crop[row * 40 + 17]);
            Assert.Equal(255, crop[row * 40 + 22]);
        }
    }

    [Fact]
    public void Crop_FaceBeyondThePicture_RepeatsTheEdge()
    {
        using var picture = new Mat(100, 100, MatType.CV_8UC3, new OpenCvSharp.Scalar(50, 50, 50));
        foreach (var (x, y) in new[] { (-40f, -40f), (60f, 60f), (-500f, 20f), (5000f, 5000f) })
        {
            var box = new Rect2f(x, y, 80, 80);
            var landmarks = Array.ConvertAll(Upright, point => new Point2f(x + point.X * 80 / 48, y + point.Y * 80 / 48));
            Assert.All(FaceCropper.Crop(picture, new DetectedFace(box, 1, landmarks), 48, gray: true), value => Assert.Equal(50, value));
        }
    }

    [Fact]
    public void Crop_InvalidLandmarks_IsTheBox()
    {
        using var picture = new Mat(100, 100, MatType.CV_8UC3, new OpenCvSharp.Scalar(50, 50, 50));
        Point2f[] onePlace = [new(5, 5), new(5, 5), new(5, 5), new(5, 5), new(5, 5)];
        Point2f[] none = Array.ConvertAll(onePlace, _ => new Point2f(float.NaN, float.NaN));
        foreach (var landmarks in new[] { onePlace, none })
            Assert.All(FaceCropper.Crop(picture, new DetectedFace(new Rect2f(10, 10, 50, 50), 1, landmarks), 48, gray: true), value => Assert.Equal(50, value));
    }
}
