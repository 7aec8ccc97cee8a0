using Affect.Features;
using Affect.Features.Audio;
using Affect.Features.Pictures;
using Affect.Testing;
using Microsoft.Extensions.Options;
using OpenCvSharp;

namespace Affect.UnitTests.Features;

public sealed class FaceExtractorTests
{
    private const string Cascades = "/usr/share/opencv4/haarcascades";

    [Fact]
    public void Extract_TwoPeople_FindsTwoFaces()
    {
        using var detector = YuNet();
        var picture = Extract(detector, Photo("two_people.jpg"));
        Assert.Equal((1126, 661), (picture.Width, picture.Height));
        Assert.Equal(2, picture.Faces.Count);
        Assert.True(picture.Faces[0].Box.Right < picture.Faces[1].Box.Left); // the larger stands on the left
        Assert.All(picture.Faces, face =>
        {
            Assert.InRange(face.Box.Width, 100, 200);
            Assert.InRange(face.Confidence, 0.8f, 1f);
            Assert.Equal(48 * 48, face.Pixels.Length);
        });
    }

    [Fact]
    public void Extract_SeveralFaces_AreLargestFirstAndInsideThePicture()
    {
        using var detector = YuNet();
        foreach (var name in new[] { "9.jpg", "24.jpg", "3.jpg", "18.jpg" })
        {
            var picture = Extract(detector, Photo(name));
            Assert.NotEmpty(picture.Faces);
            var areas = picture.Faces.Select(face => face.Box.Width * face.Box.Height).ToList();
            Assert.Equal(areas.OrderDescending(), areas);
            Assert.All(picture.Faces, face => Assert.True(face.Box is { Left: >= 0, Top: >= 0, Width: > 0, Height: > 0 }
                && face.Box.Right <= picture.Width && face.Box.Bottom <= picture.Height));
        }
    }

    [Fact]
    public void Extract_FortyFaces_FindsAllUpToTheMaximum()
    {
        using var detector = YuNet();
        using var face = Face();
        using var grid = new Mat(5 * 120, 8 * 120, MatType.CV_8UC3, OpenCvSharp.Scalar.Gray);
        using var small = face.Resize(new Size(100, 100), interpolation: InterpolationFlags.Area);
        for (var i = 0; i < 40; i++)
        {
            using var cell = grid[new Rect(i % 8 * 120 + 10, i / 8 * 120 + 10, 100, 100)];
            small.CopyTo(cell);
        }

        var picture = Extract(detector, grid.ImEncode(".png"));
        Assert.Equal(40, picture.Faces.Count);
        Assert.Equal(40, picture.Faces.Select(found => (found.Box.Left / 120, found.Box.Top / 120)).Distinct().Count());
        Assert.Equal(7, Extract(detector, grid.ImEncode(".png"), maxFaces: 7).Faces.Count);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(6)]
    [InlineData(8)]
    public void Extract_ExifOrientation_GivesBoxesInTheUprightPicture(int orientation)
    {
        using var detector = YuNet();
        using var upright = Cv2.ImDecode(Photo("two_people.jpg"), ImreadModes.Color);
        using var stored = upright.Clone();
        if (orientation is 3)
            Cv2.Rotate(upright, stored, RotateFlags.Rotate180);
        else if (orientation is 6)
            Cv2.Rotate(upright, stored, RotateFlags.Rotate90Counterclockwise); // viewers rotate it clockwise
        else if (orientation is 8)
            Cv2.Rotate(upright, stored, RotateFlags.Rotate90Clockwise);
        var jpeg = WithOrientation(stored.ImEncode(".jpg"), orientation);

        var expected = Extract(detector, Photo("two_people.jpg"));
        var picture = Extract(detector, jpeg);
        Assert.Equal((upright.Width, upright.Height), (picture.Width, picture.Height));
        Assert.Equal(expected.Faces.Count, picture.Faces.Count);
        foreach (var (a, b) in expected.Faces.Zip(picture.Faces))
        {
            Assert.Equal(a.Box.Left, b.Box.Left, 5.0);
            Assert.Equal(a.Box.Top, b.Box.Top, 5.0);
        }
    }

    [Theory]
    [InlineData(".png")]
    [InlineData(".webp")]
    [InlineData(".bmp")]
    public void Extract_AnyFormat_FindsTheSameFaces(string extension)
    {
        using var detector = YuNet();
        using var photo = Cv2.ImDecode(Photo("13.jpg"), ImreadModes.Color);
        var picture = Extract(detector, photo.ImEncode(extension));
        Assert.Equal((photo.Width, photo.Height), (picture.Width, picture.Height));
        Assert.Equal(2, picture.Faces.Count);
    }

    [Theory]
    [InlineData(48)]
    [InlineData(100)]
    [InlineData(400)]
    [InlineData(3000)]
    public void Extract_FaceThatFillsThePicture_IsFoundAtAnySize(int edge)
    {
        using var detector = YuNet();
        using var face = Face();
        using var picture = face.Resize(new Size(edge, edge), interpolation: edge < face.Width ? InterpolationFlags.Area : InterpolationFlags.Cubic);
        var found = Assert.Single(Extract(detector, picture.ImEncode(".png")).Faces);
        Assert.InRange(found.Box.Height / (double)edge, 0.5, 1);
    }

    [Theory]
    [InlineData(".jpg")]
    [InlineData(".png")]
    public void Extract_50Megapixels_BoxesAreInPixelsOfTheFile(string extension)
    {
        using var detector = YuNet();
        using var photo = Cv2.ImDecode(Photo("two_people.jpg"), ImreadModes.Color);
        using var large = photo.Resize(new Size(8160, 8160 * photo.Height / photo.Width), interpolation: InterpolationFlags.Linear);
        using var canvas = large.CopyMakeBorder(0, 6120 - large.Height, 0, 0, BorderTypes.Constant, OpenCvSharp.Scalar.Gray);

        var picture = Extract(detector, canvas.ImEncode(extension));

        Assert.Equal((8160, 6120), (picture.Width, picture.Height));
        var expected = Extract(detector, Photo("two_people.jpg"));
        var scale = 8160.0 / photo.Width;
        Assert.Equal(2, picture.Faces.Count);
        foreach (var (a, b) in expected.Faces.Zip(picture.Faces))
        {
            Assert.Equal(a.Box.Left * scale, b.Box.Left, 12 * scale);
            Assert.Equal(a.Box.Top * scale, b.Box.Top, 12 * scale);
            Assert.Equal(a.Box.Width * scale, b.Box.Width, 24 * scale);
        }
    }

    [Theory]
    [InlineData("gif")]
    [InlineData("tiff")]
    [InlineData("avif")]
    public void Extract_FormatOfFfmpeg_FindsTheSameFaces(string extension)
    {
        Assert.SkipUnless(AudioFile.HasFfmpeg, "ffmpeg is not installed");
        using var detector = YuNet();
        Assert.NotEmpty(Photo("two_people.jpg"));
        var path = Path.Combine(Environment.GetEnvironmentVariable("AFFECT_PHOTOS")!, "two_people.jpg");
        var expected = Extract(detector, Photo("two_people.jpg"));

        var picture = Extract(detector, AudioFile.RunFfmpeg(
            extension, ["-i", path, "-frames:v", "1", .. extension == "gif" ? ["-vf", "split[a][b];[a]palettegen[p];[b][p]paletteuse"] : Array.Empty<string>()]));

        Assert.Equal((expected.Width, expected.Height), (picture.Width, picture.Height));
        Assert.Equal(2, picture.Faces.Count);
        // The faces are of almost the same size, so their order may differ.
        foreach (var (a, b) in expected.Faces.OrderBy(face => face.Box.Left).Zip(picture.Faces.OrderBy(face => face.Box.Left)))
            Assert.Equal(a.Box.Left, b.Box.Left, 8.0);
    }

    [Fact]
    public void Extract_PictureWithoutFaces_FindsNoFace()
    {
        using var detector = YuNet();
        var random = new Random(1);
        Assert.Empty(Extract(detector, TestMedia.Png(640, 480)).Faces);
        Assert.Empty(Extract(detector, TestMedia.Png(640, 480, (x, y) => (byte)(x + y))).Faces);
        Assert.Empty(Extract(detector, TestMedia.Png(640, 480, (_, _) => (byte)random.Next(256))).Faces);
        Assert.Empty(Extract(detector, TestMedia.Png(16, 16)).Faces);
        Assert.Empty(Extract(detector, TestMedia.Png(16, 8000)).Faces);
    }

    [Fact]
    public void Extract_ConcurrentThreads_GiveTheSameFaces()
    {
        using var detector = YuNet();
        string[] names = ["two_people.jpg", "13.jpg", "5.jpg", "2.jpg"];
        var expected = Array.ConvertAll(names, name => Extract(detector, Photo(name)).Faces.Select(face => face.Box).ToList());
        Parallel.For(0, 24, new ParallelOptions { MaxDegreeOfParallelism = 6 }, i =>
            Assert.Equal(expected[i % 4], Extract(detector, Photo(names[i % 4])).Faces.Select(face => face.Box)));
    }

    [Fact]
    public void Extract_BrokenPicture_IsDecodedOrRejected()
    {
        Assert.SkipUnless(File.Exists(HaarDetector.CascadePath(Cascades)), "opencv-data is not installed");
        using var detector = Haar();
        using var shape = new Mat(120, 160, MatType.CV_8UC3, OpenCvSharp.Scalar.Gray);
        Cv2.Circle(shape, 80, 60, 40, OpenCvSharp.Scalar.White, 5);
        var random = new Random(1);
        foreach (var extension in new[] { ".jpg", ".png", ".webp", ".bmp" })
        {
            var whole = shape.ImEncode(extension);
            for (var i = 0; i < 60; i++)
            {
                var file = whole.AsSpan(0, i % 3 == 0 ? random.Next(whole.Length) : whole.Length).ToArray();
                for (var change = i % 3 * 3; change > 0; change--)
                    file[random.Next(file.Length)] = (byte)random.Next(256);
                try
                {
                    Assert.InRange(Extract(detector, file).Width, PictureHeader.MinEdge, PictureHeader.MaxEdge);
                }
                catch (PictureFormatException)
                {
                    // The other valid result.
                }
            }
        }
    }

    [Theory]
    [InlineData(".jpg")]
    [InlineData(".png")]
    [InlineData(".webp")]
    public void Extract_TruncatedPicture_IsRejected(string extension)
    {
        Assert.SkipUnless(File.Exists(HaarDetector.CascadePath(Cascades)), "opencv-data is not installed");
        using var detector = Haar();
        using var picture = new Mat(400, 500, MatType.CV_8UC3);
        Cv2.Randu(picture, OpenCvSharp.Scalar.Black, OpenCvSharp.Scalar.White);
        var whole = picture.ImEncode(extension);
        Assert.Equal(500, Extract(detector, whole).Width);
        var rejection = Assert.Throws<PictureFormatException>(() => Extract(detector, whole[..(whole.Length / 2)]));
        Assert.Contains("can be decoded", rejection.Message);
    }

    [Fact]
    public void Extract_HaarCascade_FindsFacesWithoutConfidence()
    {
        Assert.SkipUnless(File.Exists(HaarDetector.CascadePath(Cascades)), "opencv-data is not installed");
        using var detector = Haar();
        var picture = Extract(detector, Photo("two_people.jpg"));
        Assert.Equal(2, picture.Faces.Count);
        Assert.All(picture.Faces, face => Assert.Equal(1, face.Confidence));
        Assert.Empty(Extract(detector, TestMedia.Png(640, 480)).Faces);
    }

    private static Picture Extract(FaceDetector detector, byte[] file, int maxFaces = 100) =>
        new FaceExtractor(detector, new Ffmpeg(Options.Create(new FeaturesOptions()), TimeProvider.System), maxFaces)
            .Extract(file, 48, gray: true, TestContext.Current.CancellationToken);

    private static HaarDetector Haar() => new(HaarDetector.CascadePath(Cascades));

    private static YuNetDetector YuNet()
    {
        var path = Environment.GetEnvironmentVariable("AFFECT_YUNET");
        Assert.SkipUnless(File.Exists(path), "AFFECT_YUNET is not a file");
        return new YuNetDetector(path!, new FeaturesOptions().MinFaceConfidence, new FeaturesOptions().DetectionEdge);
    }

    private static byte[] Photo(string name)
    {
        var photo = TestMedia.Photo(name);
        Assert.SkipWhen(photo is null, "AFFECT_PHOTOS is not set");
        return photo!;
    }

    /// <summary>A tight crop of one face.</summary>
    private static Mat Face()
    {
        using var photo = Cv2.ImDecode(Photo("5.jpg"), ImreadModes.Color);
        return photo[new Rect(465, 110, 240, 240)].Clone();
    }

    /// <summary>Inserts an EXIF segment with the orientation (TIFF tag 0x112) after the start of a JPEG.</summary>
    private static byte[] WithOrientation(byte[] jpeg, int orientation)
    {
        byte[] exif =
        [
            .. "Exif\0\0"u8, .. "MM\0*"u8, 0, 0, 0, 8, 0, 1,
            0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, (byte)orientation, 0, 0, 0, 0, 0, 0,
        ];
        return [0xFF, 0xD8, 0xFF, 0xE1, 0, (byte)(exif.Length + 2), .. exif, .. jpeg[2..]];
    }
}
