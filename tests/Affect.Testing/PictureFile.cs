using System.Buffers.Binary;

namespace Affect.Testing;

/// <summary>A picture of each format that features reads, as in the table of its README.</summary>
/// <param name="Name">First column of the table.</param>
/// <param name="Create">Creates a picture from its width and height.</param>
public sealed record PictureFile(string Name, Func<int, int, byte[]> Create)
{
    /// <summary>Every row of the table.</summary>
    public static IReadOnlyList<PictureFile> All { get; } =
    [
        new("JPEG", (width, height) => HostilePictures.Jpeg(width, height, 3)),
        new("PNG", (width, height) => TestMedia.Png(width, height)),
        new("WebP", (width, height) => HostilePictures.WebP(width, height)),
        new("BMP", Bmp),
        new("GIF", (width, height) => HostilePictures.Encoded("gif", width, height)),
        new("TIFF", (width, height) => HostilePictures.Encoded("tiff", width, height, "-compression_algo", "deflate")),
        new("HEIC of tiles", (width, height) => HostilePictures.Heif(512, 512, width, height)),
        new("HEIC in one piece", (width, height) => HostilePictures.Heif(width, height, null, null)),
        new("AVIF of tiles", (width, height) => HostilePictures.Heif(512, 512, width, height, av1: true)),
        new("AVIF in one piece", (width, height) => HostilePictures.Heif(width, height, null, null, av1: true)),
    ];

    private static byte[] Bmp(int width, int height)
    {
        var file = HostilePictures.Bmp();
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(18), width);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(22), height);
        return file;
    }
}
