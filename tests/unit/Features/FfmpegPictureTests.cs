using Affect.Features;
using Affect.Features.Audio;
using Affect.Features.Pictures;
using Affect.Testing;
using Microsoft.Extensions.Options;
using OpenCvSharp;

namespace Affect.UnitTests.Features;

/// <summary>Pictures that ffmpeg decodes. HEVC and AV1 are encoded by ffmpeg, the container is written by the test.</summary>
public sealed class FfmpegPictureTests
{
    /// <summary>Largest mean difference of a channel after lossy compression.</summary>
    private const double Lossy = 6;

    private static readonly Ffmpeg Decoder = new(Options.Create(new FeaturesOptions()), TimeProvider.System);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("gif", Lossy)]
    [InlineData("tiff", 0.01)]
    [InlineData("avif", Lossy)]
    public async Task Decode_FileOfFfmpeg_IsThePicture(string extension, double difference)
    {
        SkipWithoutFfmpeg();
        using var picture = Gradient(320, 240);
        var file = Encode(picture, extension, extension switch
        {
            "avif" => ["-c:v", "libaom-av1", "-cpu-used", "8", "-still-picture", "1"],
            "gif" => ["-vf", "split[a][b];[a]palettegen[p];[b][p]paletteuse"],
            _ => [],
        });

        using var decoded = await DecodeAsync(file);

        AssertSame(picture, decoded, difference);
    }

    [Fact]
    public async Task Decode_AnimatedGif_IsTheFirstFrame()
    {
        SkipWithoutFfmpeg();
        var file = AudioFile.RunFfmpeg("gif", "-f", "lavfi", "-i", "color=red:s=64x48:d=0.1,format=rgb24", "-f", "lavfi", "-i", "color=blue:s=64x48:d=1",
            "-filter_complex", "[0][1]concat=n=2:v=1");

        using var decoded = await DecodeAsync(file);

        Assert.True(decoded.Mean() is { Val0: < 10, Val2: > 240 }, decoded.Mean().ToString());
    }

    [Theory]
    [InlineData("deflate")]
    [InlineData("lzw")]
    [InlineData("packbits")]
    [InlineData("raw")]
    public async Task Decode_CompressedTiff_IsThePicture(string compression)
    {
        SkipWithoutFfmpeg();
        using var picture = Gradient(320, 240);

        using var decoded = await DecodeAsync(Encode(picture, "tiff", "-compression_algo", compression));

        AssertSame(picture, decoded, 0.01);
    }

    [Theory]
    [InlineData(1)] // none
    [InlineData(5)] // LZW
    [InlineData(8)] // Deflate
    public async Task Decode_TiffOfLibtiff_IsThePicture(int compression)
    {
        SkipWithoutFfmpeg();
        using var picture = Gradient(320, 240);

        using var decoded = await DecodeAsync(picture.ImEncode(".tiff", [(int)ImwriteFlags.TiffCompression, compression]));

        AssertSame(picture, decoded, 0.01);
    }

    [Fact]
    public void Read_TiffWithJpegCompression_IsRefusedByName()
    {
        using var picture = Gradient(320, 240);
        var file = picture.ImEncode(".tiff", [(int)ImwriteFlags.TiffCompression, 7]);
        Assert.Contains("without JPEG compression", Assert.Throws<PictureFormatException>(() => FfmpegPicture.Read(file)).Message);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Decode_HeifInOnePiece_IsThePicture(bool av1)
    {
        SkipWithoutFfmpeg();
        using var picture = Gradient(320, 240);

        using var decoded = await DecodeAsync(new HeifFile { Tile = (320, 240), Tiles = [Bitstream(picture, av1)], Av1 = av1 }.ToBytes());

        AssertSame(picture, decoded, Lossy);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Decode_HeifOfTiles_IsThePicture(bool av1)
    {
        SkipWithoutFfmpeg();
        using var picture = Gradient(500, 340);
        var file = Heif(picture, 128, av1);

        using var decoded = await DecodeAsync(file);

        AssertSame(picture, decoded, Lossy);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Decode_HeifWithCleanAperture_IsThatPart(bool tiles)
    {
        SkipWithoutFfmpeg();
        using var picture = Gradient(500, 340);
        var part = new Rect(101, 90, 299, 200);
        var file = tiles
            ? Heif(picture, 128, av1: false, (part.X, part.Y, part.Width, part.Height))
            : new HeifFile { Tile = (500, 340), Tiles = [Bitstream(picture, av1: false)], Crop = (part.X, part.Y, part.Width, part.Height) }.ToBytes();

        using var decoded = await DecodeAsync(file);

        Assert.Equal(part, FfmpegPicture.Read(file)!.Crop);
        AssertSame(picture[part], decoded, Lossy);
    }

    [Theory]
    [InlineData(0, 0, 64, 48, 0, 0, 64, 48)]
    [InlineData(-10, -10, 84, 48, 0, 0, 64, 38)] // beyond the picture
    public void Read_CleanAperture_IsWithinThePicture(int x, int y, int width, int height, int left, int top, int shownWidth, int shownHeight)
    {
        var file = new HeifFile { Tile = (64, 48), Tiles = [[0, 0, 1, 0x26, 1]], Crop = (x, y, width, height) }.ToBytes();
        Assert.Equal(new Rect(left, top, shownWidth, shownHeight), FfmpegPicture.Read(file)!.Crop);
    }

    [Fact]
    public void Read_CleanApertureWithoutPixels_IsRejected()
    {
        var file = new HeifFile { Tile = (64, 48), Tiles = [[0, 0, 1, 0x26, 1]], Crop = (100, 0, 10, 10) }.ToBytes();
        Assert.Throws<PictureFormatException>(() => FfmpegPicture.Read(file));
    }

    [Fact]
    public async Task Decode_HeifOf48Megapixels_IsHalfOfItsEdges()
    {
        SkipWithoutFfmpeg();
        var unit = Bitstream(Gradient(512, 512), av1: false);
        var file = new HeifFile { Tile = (512, 512), Grid = (8064, 6048), Tiles = [.. Enumerable.Repeat(unit, 16 * 12)] }.ToBytes();

        var picture = FfmpegPicture.Read(file)!;
        using var decoded = await picture.DecodeAsync(Decoder, Cancellation);

        Assert.Equal((8064, 6048), (picture.Width, picture.Height));
        Assert.Equal((4032, 3024), (decoded.Width, decoded.Height));
    }

    [Theory]
    [InlineData(0, null, 1)]
    [InlineData(1, null, 8)]
    [InlineData(2, null, 3)]
    [InlineData(3, null, 6)]
    [InlineData(0, 1, 2)]
    [InlineData(0, 0, 4)]
    [InlineData(1, 1, 7)]
    [InlineData(1, 0, 5)]
    public void Read_HeifTransformations_GiveTheOrientationOfExif(int rotation, int? mirror, int orientation)
    {
        var file = new HeifFile { Tile = (64, 48), Tiles = [[0, 0, 1, 0x26, 1]], Rotation = rotation, Mirror = mirror }.ToBytes();
        Assert.Equal(orientation, FfmpegPicture.Read(file)!.Orientation);
    }

    [Fact]
    public void Read_HeifOfAnotherCodec_ErrorNamesIt()
    {
        var file = new HeifFile { Tile = (64, 48), Tiles = [[0, 0, 1, 0x26, 1]], ItemType = "avc1" }.ToBytes();
        Assert.Contains("'avc1'", Assert.Throws<PictureFormatException>(() => FfmpegPicture.Read(file)).Message);
    }

    [Fact]
    public void Read_HeifThatRefersToAnotherFile_IsRefused()
    {
        var file = new HeifFile { Tile = (64, 48), Tiles = [[0, 0, 1, 0x26, 1]], DataReference = 1 }.ToBytes();
        Assert.Contains("another file", Assert.Throws<PictureFormatException>(() => FfmpegPicture.Read(file)).Message);
    }

    [Fact]
    public void Read_VideoOrOtherFormat_IsNotAPicture()
    {
        foreach (var file in new byte[][] { [], "BM"u8.ToArray(), [0, 0, 0, 16, .. "ftypmp42"u8, 0, 0, 0, 0, .. new byte[40]], "%PDF-1.7"u8.ToArray() })
            Assert.Null(FfmpegPicture.Read(file));
    }

    [Theory]
    [InlineData("GIF")]
    [InlineData("TIFF")]
    [InlineData("HEIC")]
    public void Read_TooLargePicture_IsRejectedByItsHeader(string format)
    {
        byte[] file = format switch
        {
            "GIF" => [.. "GIF89a"u8, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0],
            "TIFF" => [.. "II*\0"u8, 8, 0, 0, 0, 2, 0, 0, 1, 4, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 1, 4, 0, 1, 0, 0, 0, 0, 0, 1, 0],
            _ => new HeifFile { Tile = (20_000, 20_000), Tiles = [[0, 0, 1, 0x26, 1]] }.ToBytes(),
        };
        Assert.Contains("megapixels", Assert.Throws<PictureFormatException>(() => FfmpegPicture.Read(file)).Message);
    }

    [Fact]
    public void Read_LargePictureInOnePiece_IsRejectedByItsMemory()
    {
        var file = new HeifFile { Tile = (8_000, 6_000), Tiles = [[0, 0, 1, 0x26, 1]] }.ToBytes();
        Assert.Contains("at most 90 MiB", Assert.Throws<PictureFormatException>(() => FfmpegPicture.Read(file)).Message);
    }

    /// <summary>Pictures that take almost as much memory as is allowed: ffmpeg, which has a limit, decodes them.</summary>
    [Theory]
    [InlineData("gif", 4160, 3072)]
    [InlineData("tiff", 4992, 3328, "-pix_fmt", "rgba")]
    [InlineData("tiff", 5184, 4016, "-pix_fmt", "rgb24")]
    [InlineData("tiff", 7168, 5216, "-pix_fmt", "gray")]
    [InlineData("tiff", 3888, 2480, "-pix_fmt", "rgba64le")]
    [InlineData("heic", 5184, 4016)]
    [InlineData("avif", 5184, 4016)]
    public async Task Decode_LargestPicture_FitsIntoTheMemoryOfFfmpeg(string extension, int width, int height, params string[] options)
    {
        SkipWithoutFfmpeg();
        byte[] Create(int rows) => extension is "heic" or "avif"
            ? HostilePictures.Heif(width, rows, null, null, av1: extension == "avif")
            : HostilePictures.Encoded(extension, width, rows, [.. options, .. extension == "tiff" ? ["-compression_algo", "deflate"] : Array.Empty<string>()]);

        using var decoded = await DecodeAsync(Create(height));

        Assert.Equal((width / 2, height / 2), (decoded.Width, decoded.Height));
        Assert.Contains("at most 90 MiB", Assert.Throws<PictureFormatException>(() => FfmpegPicture.Read(Create(height * 6 / 5 / 16 * 16))).Message);
    }

    [Fact]
    public void Read_BrokenFiles_AreReadOrRejected()
    {
        using var picture = Gradient(64, 48);
        byte[][] files =
        [
            new HeifFile { Tile = (64, 48), Tiles = [[0, 0, 1, 0x40, 1, 0, 0, 1, 0x26, 1]], Rotation = 1, Mirror = 1, Crop = (3, 2, 50, 40) }.ToBytes(),
            new HeifFile { Tile = (64, 64), Grid = (128, 100), Tiles = [.. Enumerable.Repeat<byte[]>([0, 0, 1, 0x26, 1], 4)] }.ToBytes(),
            picture.ImEncode(".tiff"),
            [.. "GIF89a"u8, 64, 0, 48, 0, 0, 0, 0],
        ];
        var random = new Random(1);
        foreach (var file in files)
            for (var i = 0; i < 20_000; i++)
            {
                var broken = file.AsSpan(0, i % 4 == 0 ? random.Next(file.Length) : file.Length).ToArray();
                for (var change = random.Next(1, 5); change > 0 && broken.Length > 0; change--)
                    broken[random.Next(Math.Min(broken.Length, 700))] = (byte)random.Next(256);
                try
                {
                    foreach (var part in FfmpegPicture.Read(broken)?.Input ?? [])
                        Assert.InRange(part.Length, 0, broken.Length + 32);
                }
                catch (PictureFormatException)
                {
                    // The other valid result.
                }
            }
    }

    [Theory]
    [InlineData("gif")]
    [InlineData("heic")]
    [InlineData("avif")]
    public async Task Decode_FileWithoutPixels_IsRejected(string extension)
    {
        SkipWithoutFfmpeg();
        byte[] file = extension == "gif"
            ? [.. "GIF89a"u8, 64, 0, 48, 0, 0, 0, 0, (byte)';']
            : new HeifFile { Tile = (64, 48), Tiles = [[0, 0, 1, 0x26, 1, 0xAF]], Av1 = extension == "avif" }.ToBytes();
        var rejection = await Assert.ThrowsAsync<PictureFormatException>(() => DecodeAsync(file));
        Assert.Contains("that can be decoded", rejection.Message);
    }

    private static void SkipWithoutFfmpeg() => Assert.SkipUnless(AudioFile.HasFfmpeg, "ffmpeg is not installed");

    private static async Task<Mat> DecodeAsync(byte[] file) =>
        await (FfmpegPicture.Read(file) ?? throw new InvalidOperationException("must be a picture")).DecodeAsync(Decoder, Cancellation);

    private static byte[] Heif(Mat picture, int tile, bool av1, (int X, int Y, int Width, int Height)? crop = null)
    {
        var (columns, rows) = ((picture.Width - 1) / tile + 1, (picture.Height - 1) / tile + 1);
        using var padded = picture.CopyMakeBorder(
            0, rows * tile - picture.Height, 0, columns * tile - picture.Width, BorderTypes.Replicate);
        var tiles = from row in Enumerable.Range(0, rows)
                    from column in Enumerable.Range(0, columns)
                    select Bitstream(padded[new Rect(column * tile, row * tile, tile, tile)], av1);
        return new HeifFile { Tile = (tile, tile), Grid = (picture.Width, picture.Height), Tiles = [.. tiles], Av1 = av1, Crop = crop }.ToBytes();
    }

    private static byte[] Bitstream(Mat picture, bool av1) => av1
        ? Encode(picture, "obu", "-c:v", "libaom-av1", "-cpu-used", "8", "-pix_fmt", "yuv420p", "-crf", "10")
        : Encode(picture, "hevc", "-c:v", "libx265", "-x265-params", "log-level=error:info=0", "-pix_fmt", "yuv420p", "-crf", "10");

    private static byte[] Encode(Mat picture, string extension, params string[] options)
    {
        var png = Path.Combine(Path.GetTempPath(), $"affect-{Guid.NewGuid():N}.png");
        File.WriteAllBytes(png, picture.ImEncode(".png"));
        try
        {
            return AudioFile.RunFfmpeg(extension, ["-i", png, "-frames:v", "1", .. options]);
        }
        finally
        {
            File.Delete(png);
        }
    }

    private static void AssertSame(Mat expected, Mat decoded, double difference)
    {
        Assert.Equal((expected.Width, expected.Height), (decoded.Width, decoded.Height));
        using var distance = new Mat();
        Cv2.Absdiff(expected, decoded, distance);
        var mean = distance.Mean();
        Assert.InRange(Math.Max(mean.Val0, Math.Max(mean.Val1, mean.Val2)), 0, difference);
    }

    /// <summary>Smooth, and different in every corner.</summary>
    private static Mat Gradient(int width, int height)
    {
        var picture = new Mat(height, width, MatType.CV_8UC3);
        for (var y = 0; y < height; y++)
            for (var x = 0; x < width; x++)
                picture.Set(y, x, new Vec3b((byte)(30 + 190 * x / width), (byte)(30 + 190 * y / height), (byte)(128 + 60 * Math.Sin(x / 40.0))));
        return picture;
    }
}
