using Affect.Features;
using Affect.Features.Audio;
using Affect.Features.Pictures;
using Affect.Testing;
using Microsoft.Extensions.Options;
using OpenCvSharp;

namespace Affect.UnitTests.Features;

/// <summary>Every picture in the table of services/features/README.md.</summary>
public sealed class PictureFormatsTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static List<string[]> Formats => AudioFormatsTests.Table("| picture | decoded by |");

    public static TheoryData<string> Names => [.. PictureFile.All.Select(file => file.Name)];

    /// <summary>The last row has the formats that are refused: PictureFormatTests.</summary>
    [Fact]
    public void Table_Rows_AreTheTestedFormats() =>
        Assert.Equal(PictureFile.All.Select(file => file.Name), Formats[..^1].Select(row => row[0]));

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Decode_EveryRow_IsDecodedAsTheTableSays(string name)
    {
        var row = Formats.Single(row => row[0] == name);
        var byFfmpeg = row[1].Contains("ffmpeg");
        Assert.SkipUnless(!byFfmpeg || AudioFile.HasFfmpeg, "ffmpeg is not installed");
        var format = PictureFile.All.Single(file => file.Name == name);

        // As large as the table says, and 16 columns more.
        var (width, height, limit) = row[2] == "8 megapixels" ? (4000, 2000, true) : (4000, 4000, row[2] != "never");
        Assert.Equal(limit ? $"{width * height / 1_000_000} megapixels" : "never", row[2]);
        foreach (var (more, reduction) in new[] { (0, 1), (16, limit ? 2 : 1) })
        {
            var file = format.Create(width + more, height);
            Assert.Equal(byFfmpeg, FfmpegPicture.Read(file) is not null);
            using var picture = await DecodeAsync(file);
            Assert.Equal(((width + more) / reduction, height / reduction), (picture.Width, picture.Height));
        }
    }

    private static async Task<Mat> DecodeAsync(byte[] file)
    {
        if (FfmpegPicture.Read(file) is { } other)
            return await other.DecodeAsync(new Ffmpeg(Options.Create(new FeaturesOptions()), TimeProvider.System), Cancellation);
        using var content = PictureContent.Read(file, PictureHeader.Read(file));
        return content.Decode();
    }
}
