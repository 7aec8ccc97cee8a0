using System.Diagnostics;
using Affect.Testing;
using Affect.V1;
using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;

namespace Affect.FunctionalTests;

/// <summary>Pictures as cameras and phones write them, through the real services.</summary>
public sealed class PictureFormatTests(AffectFixture fixture)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>Behind the picture: a video, and bytes that look like scans; a second JPEG; Samsung's trailer.</summary>
    public static TheoryData<string> Trailers => ["scans", "JPEG", "text"];

    [Theory]
    [MemberData(nameof(Trailers))]
    public async Task Analyze_BytesBehindTheEndOfAJpeg_AreIgnored(string trailer)
    {
        var jpeg = HostilePictures.Jpeg(64, 64, 3);
        byte[] bytes = trailer switch
        {
            "scans" => [0, 0, 0, 0x18, .. "ftypmp42"u8, .. Enumerable.Repeat<byte[]>([0xFF, 0xDA], 200).SelectMany(scan => scan)],
            "JPEG" => HostilePictures.Jpeg(4000, 3000, 3),
            _ => [.. "MotionPhoto_Data"u8, .. new byte[1000], .. "SEFT"u8],
        };

        var face = (await AnalyzeAsync([.. jpeg, .. bytes])).Face;

        Assert.Equal(Outcome.NoFace, face.Judgement.Outcome);
        Assert.Equal((64, 64), (face.Images[0].Width, face.Images[0].Height));
    }

    [Theory]
    [InlineData("drawing.gif")]
    [InlineData("drawing.heic")]
    [InlineData("motion_photo_minimal.jpg")]
    public async Task Analyze_PictureOfTheCases_HasATypedOutcome(string name)
    {
        var folder = System.Environment.GetEnvironmentVariable("AFFECT_CASES");
        Assert.SkipUnless(Directory.Exists(folder), "AFFECT_CASES is not set");
        SkipWithoutFfmpeg();

        var face = (await AnalyzeAsync(await File.ReadAllBytesAsync(Path.Combine(folder!, name), Cancellation))).Face;

        Assert.Equal(Outcome.NoFace, face.Judgement.Outcome);
        Assert.Equal((160, 160), (face.Images[0].Width, face.Images[0].Height));
    }

    [Theory]
    [InlineData("gif")]
    [InlineData("tiff")]
    [InlineData("avif", "-c:v", "libaom-av1", "-cpu-used", "8")]
    public async Task Analyze_FormatOfFfmpeg_HasATypedOutcome(string extension, params string[] options)
    {
        SkipWithoutFfmpeg();
        var face = (await AnalyzeAsync(await EncodeAsync(160, 120, extension, options))).Face;
        Assert.Equal(Outcome.NoFace, face.Judgement.Outcome);
        Assert.Equal((160, 120), (face.Images[0].Width, face.Images[0].Height));
    }

    /// <summary>As phones write it: tiles, a crop and a rotation.</summary>
    [Fact]
    public async Task Analyze_HeicOfTiles_HasItsUprightSize()
    {
        SkipWithoutFfmpeg();
        var tile = await EncodeAsync(128, 128, "hevc", "-c:v", "libx265", "-x265-params", "log-level=error", "-pix_fmt", "yuv420p");
        var file = new HeifFile { Tile = (128, 128), Grid = (300, 200), Tiles = [.. Enumerable.Repeat(tile, 6)], Crop = (10, 20, 280, 170), Rotation = 3 }.ToBytes();

        var face = (await AnalyzeAsync(file)).Face;

        Assert.Equal(Outcome.NoFace, face.Judgement.Outcome);
        Assert.Equal((170, 280), (face.Images[0].Width, face.Images[0].Height));
    }

    [Theory]
    [InlineData("<svg xmlns='http://www.w3.org/2000/svg'><image href='http://127.0.0.1/x.png'/></svg>")]
    [InlineData("#EXTM3U\nhttp://127.0.0.1/x.jpg\n")]
    [InlineData("ffconcat version 1.0\nfile x.jpg\n")]
    [InlineData("%PDF-1.7\n")]
    [InlineData("%!PS-Adobe-3.0 EPSF-3.0\n")]
    [InlineData("push graphic-context\nimage over 0,0 0,0 'http://127.0.0.1/x.png'\npop graphic-context\n")]
    public async Task Analyze_FileThatRefersToOthers_ErrorNamesTheFormats(string text)
    {
        var error = await Assert.ThrowsAsync<RpcException>(() => AnalyzeAsync(System.Text.Encoding.UTF8.GetBytes(text)));
        Assert.Equal(StatusCode.InvalidArgument, error.StatusCode);
        var violation = Assert.Single(error.GetRpcStatus()!.GetDetail<BadRequest>()!.FieldViolations);
        Assert.Equal("clip.images[0]", violation.Field);
        Assert.Equal("must be a JPEG, PNG, WebP, BMP, GIF, TIFF, HEIC or AVIF", violation.Description);
    }

    internal static void SkipWithoutFfmpeg() => Assert.SkipUnless(
        (System.Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, "ffmpeg"))),
        "ffmpeg is not installed");

    /// <summary>A test pattern.</summary>
    internal static async Task<byte[]> EncodeAsync(int width, int height, string extension, params string[] options)
    {
        var file = Path.Combine(Path.GetTempPath(), $"affect-{Guid.NewGuid():N}.{extension}");
        try
        {
            using var process = Process.Start(
                "ffmpeg",
                ["-hide_banner", "-loglevel", "error", "-nostdin", "-f", "lavfi", "-i", $"testsrc2=s={width}x{height}", "-frames:v", "1", .. options, file]);
            await process.WaitForExitAsync(Cancellation);
            Assert.Equal(0, process.ExitCode);
            return await File.ReadAllBytesAsync(file, Cancellation);
        }
        finally
        {
            File.Delete(file);
        }
    }

    private async Task<Analysis> AnalyzeAsync(byte[] picture)
    {
        using var channel = fixture.Host.Gateway.CreateChannel();
        var client = new EmotionService.EmotionServiceClient(channel);
        var request = new AnalyzeRequest { Clip = new Clip { Images = { ByteString.CopyFrom(picture) } } };
        return (await client.AnalyzeAsync(request, cancellationToken: Cancellation)).Analysis;
    }
}
