using Affect.Features.Pictures;
using Affect.Testing;
using OpenCvSharp;

namespace Affect.UnitTests.Features;

public sealed class PictureContentTests
{
    private static readonly byte[] Rotated = [.. "II*\0"u8, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0];

    [Theory]
    [InlineData(".png")]
    [InlineData(".jpg")]
    [InlineData(".webp")]
    [InlineData(".bmp")]
    public void Decode_AnyFormat_EqualsTheDecoderAlone(string extension)
    {
        using var picture = Noise(3);
        AssertDecodes(picture.ImEncode(extension));
    }

    [Fact]
    public void Decode_Variants_EqualTheDecoderAlone()
    {
        using var picture = Noise(3);
        using var gray = Noise(1);
        using var transparent = Noise(4);
        AssertDecodes(gray.ImEncode(".png"));
        AssertDecodes(gray.ImEncode(".jpg"));
        AssertDecodes(transparent.ImEncode(".png"));
        AssertDecodes(transparent.ImEncode(".webp"));
        AssertDecodes(picture.ImEncode(".webp", [(int)ImwriteFlags.WebPQuality, 80]));
        AssertDecodes(transparent.ImEncode(".webp", [(int)ImwriteFlags.WebPQuality, 80]));
        AssertDecodes(picture.ImEncode(".jpg", [(int)ImwriteFlags.JpegProgressive, 1]));
        AssertDecodes(picture.ImEncode(".jpg", [(int)ImwriteFlags.JpegRstInterval, 2]));
        AssertDecodes(HostilePictures.Jpeg(100, 80, 4));
        AssertDecodes(HostilePictures.Jpeg(100, 80, 3, progressive: true, scans: 10, separate: true));
        AssertDecodes(HostilePictures.WebPAnimation(100, 80));
        AssertDecodes(HostilePictures.WebP(100, 80, groups: 300));
    }

    [Fact]
    public void Read_Metadata_IsDropped()
    {
        using var picture = Noise(3);
        foreach (var type in new[] { "tEXt", "zTXt", "iTXt", "iCCP", "eXIf", "acTL", "quQu" })
            Assert.InRange(Content(HostilePictures.PngWithText(type, 4), out _), 50, 400);
        Assert.InRange(Content(HostilePictures.Jpeg(64, 64, 3, application: 20, trailer: 10_000), out _), 50, 400);
        Assert.InRange(Content(HostilePictures.WebPWithMetadata(), out _), 20, 100);
    }

    [Fact]
    public void Read_Orientation_IsKept()
    {
        Content(HostilePictures.Jpeg(64, 48, 3, orientation: 8), out var orientation);
        Assert.Equal(8, orientation);
        Content(HostilePictures.WebPOriented(Rotated), out orientation);
        Assert.Equal(6, orientation);
        foreach (var last in new[] { false, true })
        {
            Content(HostilePictures.PngOriented(Rotated, last), out orientation);
            Assert.Equal(6, orientation);
        }
    }

    [Fact]
    public void ReadOrientation_BrokenMetadata_IsUpright()
    {
        for (var length = 0; length < 18; length++)
            Assert.Equal(1, Exif.ReadOrientation(Rotated.AsSpan(0, length)));
        var random = new Random(1);
        for (var i = 0; i < 100_000; i++)
        {
            var broken = Rotated.ToArray();
            for (var change = random.Next(1, 4); change > 0; change--)
                broken[random.Next(broken.Length)] = (byte)random.Next(256);
            Assert.InRange(Exif.ReadOrientation(broken), 1, 8);
        }
    }

    [Fact]
    public void Read_MoreMemoryThanTheLimit_IsRejected()
    {
        string[] names = ["JPEG, progressive", "JPEG, progressive, large", "JPEG, progressive, CMYK", "WebP, prefix codes", "WebP, prefix codes, large"];
        foreach (var name in names)
        {
            var rejection = Assert.Throws<PictureFormatException>(() => Content(HostilePictures.All[name](), out _));
            Assert.Contains("at most 250 MiB", rejection.Message);
        }
    }

    [Fact]
    public void Read_JpegWithThousandScans_IsRejected()
    {
        byte[] scan = [0xFF, 0xDA, 0x00, 0x08, 1, 1, 0, 0, 0, 0];
        byte[] file = [.. HostilePictures.Jpeg(64, 64, 1)[..^2], .. Enumerable.Repeat(scan, 1000).SelectMany(bytes => bytes)];
        Assert.Contains("scans", Assert.Throws<PictureFormatException>(() => Content(file, out _)).Message);
    }

    [Fact]
    public void Read_WebPLargerThanItsExtendedHeader_IsRejected()
    {
        var file = HostilePictures.WebPOriented(Rotated);
        file[24] = 31; // the width in VP8X
        Assert.Throws<PictureFormatException>(() => Content(file, out _));
    }

    [Fact]
    public void Decode_BrokenFiles_AreDecodedOrRejected()
    {
        using var picture = Noise(3);
        var random = new Random(1);
        byte[][] files =
        [
            picture.ImEncode(".jpg", [(int)ImwriteFlags.JpegProgressive, 1]), picture.ImEncode(".png"), picture.ImEncode(".webp"),
            HostilePictures.WebPAnimation(64, 64), HostilePictures.WebP(64, 64, groups: 200), HostilePictures.WebPOriented(Rotated),
            HostilePictures.PngOriented(Rotated, last: false),
        ];
        foreach (var file in files)
            for (var i = 0; i < 500; i++)
            {
                var broken = file.AsSpan(0, i % 3 == 0 ? random.Next(file.Length) : file.Length).ToArray();
                for (var change = random.Next(4); change > 0 && broken.Length > 0; change--)
                    broken[random.Next(Math.Min(broken.Length, 200))] = (byte)random.Next(256);
                try
                {
                    using var content = PictureContent.Read(broken, PictureHeader.Read(broken));
                    using var decoded = content.Decode();
                }
                catch (Exception exception) when (exception is PictureFormatException or OpenCVException)
                {
                    // The other valid result.
                }
            }
    }

    private static void AssertDecodes(byte[] file)
    {
        using var expected = Cv2.ImDecode(file, ImreadModes.Color);
        using var content = PictureContent.Read(file, PictureHeader.Read(file));
        using var decoded = content.Decode();
        Assert.Equal(expected.Size(), decoded.Size());
        Assert.Equal(MatType.CV_8UC3, decoded.Type());
        Assert.Equal(0, Cv2.Norm(expected, decoded));
    }

    /// <summary>The number of bytes that the decoder gets.</summary>
    private static int Content(byte[] file, out int orientation)
    {
        using var content = PictureContent.Read(file, PictureHeader.Read(file));
        orientation = content.Orientation;
        return content.Bytes.Length;
    }

    private static Mat Noise(int channels)
    {
        var picture = new Mat(120, 160, MatType.CV_8UC(channels));
        Cv2.Randu(picture, OpenCvSharp.Scalar.All(0), OpenCvSharp.Scalar.All(255));
        Cv2.Blur(picture, picture, new Size(9, 9));
        return picture;
    }
}
