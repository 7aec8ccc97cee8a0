using System.Buffers.Binary;
using Affect.Features.Pictures;
using Affect.Testing;

namespace Affect.UnitTests.Features;

public sealed class PictureHeaderTests
{
    public static TheoryData<string, byte[]> Pictures => new()
    {
        { nameof(PictureFormat.Jpeg), Jpeg(300, 200) },
        { nameof(PictureFormat.Png), TestMedia.Png(300, 200) },
        { nameof(PictureFormat.WebP), WebPLossy(300, 200) },
        { nameof(PictureFormat.WebP), WebPLossless(300, 200) },
        { nameof(PictureFormat.WebP), WebPExtended(300, 200) },
        { nameof(PictureFormat.Bmp), Bmp(300, 200) },
        { nameof(PictureFormat.Bmp), Bmp(300, -200) },
        { nameof(PictureFormat.Bmp), BmpCore(300, 200) },
    };

    [Theory]
    [MemberData(nameof(Pictures))]
    public void Read_EveryFormat_GivesFormatAndSize(string format, byte[] file) =>
        Assert.Equal(new PictureHeader(Enum.Parse<PictureFormat>(format), 300, 200), PictureHeader.Read(file));

    [Theory]
    [MemberData(nameof(Pictures))]
    public void Read_TruncatedHeader_IsRejected(string format, byte[] file)
    {
        for (var length = 0; length < 19; length++)
            Assert.Throws<PictureFormatException>(() => PictureHeader.Read(file.AsSpan(0, length)));
        Assert.NotEmpty(format);
    }

    [Theory]
    [MemberData(nameof(Pictures))]
    public void Read_BrokenBytes_ReadsOrRejects(string format, byte[] file)
    {
        var random = new Random(1);
        for (var i = 0; i < 20_000; i++)
        {
            var broken = file.AsSpan(0, random.Next(file.Length + 1)).ToArray();
            for (var change = random.Next(4); change > 0 && broken.Length > 0; change--)
                broken[random.Next(Math.Min(broken.Length, 64))] = (byte)random.Next(256);
            try
            {
                var header = PictureHeader.Read(broken);
                Assert.InRange(header.Width, PictureHeader.MinEdge, PictureHeader.MaxEdge);
                Assert.InRange(header.Height, PictureHeader.MinEdge, PictureHeader.MaxEdge);
            }
            catch (PictureFormatException)
            {
                // The other valid result.
            }
        }
        Assert.NotEmpty(format);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(15, 400)]
    [InlineData(400, 15)]
    public void Read_TooSmallPicture_IsRejectedWithItsSize(int width, int height)
    {
        var rejection = Assert.Throws<PictureFormatException>(() => PictureHeader.Read(TestMedia.Png(width, height)));
        Assert.Contains($"{width}x{height}", rejection.Message);
    }

    [Theory]
    [InlineData(20_000, 20_000)]
    [InlineData(16_385, 16)]
    [InlineData(8_000, 6_292)]
    public void Read_TooLargePicture_IsRejectedWithItsSize(int width, int height)
    {
        foreach (var file in new[] { Jpeg(width, height), Bmp(width, height), BmpCore(width, height), WebPExtended(width, height) })
        {
            var rejection = Assert.Throws<PictureFormatException>(() => PictureHeader.Read(file));
            Assert.Contains($"{width}x{height}", rejection.Message);
        }
    }

    [Fact]
    public void Read_PngBomb_IsRejectedByItsHeader()
    {
        var bomb = TestMedia.PngBomb();
        Assert.InRange(bomb.Length, 1, 100_000);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Throws<PictureFormatException>(() => PictureHeader.Read(bomb));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 100_000);
    }

    [Fact]
    public void Read_PictureAtTheLimits_IsAccepted()
    {
        Assert.Equal(8_192, PictureHeader.Read(Jpeg(8_192, 6_144)).Width);
        Assert.Equal(16_384, PictureHeader.Read(Jpeg(16_384, 3_072)).Width);
        Assert.Equal(16, PictureHeader.Read(Jpeg(16, 16)).Width);
    }

    [Fact]
    public void Read_JpegWithThumbnail_GivesTheSizeOfThePicture()
    {
        // An APP1 segment that holds a JPEG of 32 x 32.
        var thumbnail = Jpeg(32, 32);
        byte[] length = [0, (byte)(thumbnail.Length + 2)];
        byte[] file = [0xFF, 0xD8, 0xFF, 0xE1, .. length, .. thumbnail, .. Jpeg(300, 200)[2..]];
        Assert.Equal(new PictureHeader(PictureFormat.Jpeg, 300, 200), PictureHeader.Read(file));
    }

    [Fact]
    public void Read_OtherFiles_AreRejected()
    {
        foreach (var file in new byte[][] { [], "hello"u8.ToArray(), new byte[1000], "GIF89a"u8.ToArray(), "%PDF-1.7"u8.ToArray() })
            Assert.Throws<PictureFormatException>(() => PictureHeader.Read(file));
    }

    /// <summary>SOI, a comment, fill bytes, SOF2.</summary>
    private static byte[] Jpeg(int width, int height) =>
    [
        0xFF, 0xD8, 0xFF, 0xFE, 0x00, 0x04, 0xFF, 0xC0, 0xFF, 0xFF, 0xC2, 0x00, 0x0B, 8,
        (byte)(height >> 8), (byte)height, (byte)(width >> 8), (byte)width, 1, 1, 0x11, 0,
    ];

    private static byte[] WebPLossy(int width, int height)
    {
        var file = WebP("VP8 "u8);
        file[23] = 0x9D;
        file[24] = 0x01;
        file[25] = 0x2A;
        BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(26), (ushort)(width | 1 << 14)); // the upper bits ask for scaling
        BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(28), (ushort)height);
        return file;
    }

    private static byte[] WebPLossless(int width, int height)
    {
        var file = WebP("VP8L"u8);
        file[20] = 0x2F;
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(21), width - 1 | height - 1 << 14);
        return file;
    }

    private static byte[] WebPExtended(int width, int height)
    {
        var file = WebP("VP8X"u8);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(24), width - 1);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(27), height - 1);
        return file;
    }

    private static byte[] WebP(ReadOnlySpan<byte> chunk) => [.. "RIFF"u8, 100, 0, 0, 0, .. "WEBP"u8, .. chunk, 80, 0, 0, 0, .. new byte[80]];

    private static byte[] Bmp(int width, int height)
    {
        var file = new byte[60];
        "BM"u8.CopyTo(file);
        file[14] = 40;
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(18), width);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(22), height);
        return file;
    }

    private static byte[] BmpCore(int width, int height)
    {
        var file = new byte[60];
        "BM"u8.CopyTo(file);
        file[14] = 12;
        BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(18), (ushort)width);
        BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(20), (ushort)height);
        return file;
    }
}
