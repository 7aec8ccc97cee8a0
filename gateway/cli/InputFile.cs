using System.Buffers.Binary;
using System.Text;
using Affect.Client;

namespace Affect.Cli;

/// <summary>A file on the command line, opened to check that it exists and to detect its kind.</summary>
/// <param name="Name">The name on the command line; "-" for standard input.</param>
/// <param name="IsPicture">True if the first bytes are those of a picture. Everything else is sent as audio, which the server checks.</param>
/// <param name="Media">The content.</param>
internal sealed record InputFile(string Name, bool IsPicture, Media Media)
{
    private const int SignatureLength = 64;

    /// <exception cref="IOException">The file does not exist or cannot be read.</exception>
    public static async Task<InputFile> OpenAsync(string name, CancellationToken cancellation)
    {
        if (name == "-")
        {
            using var input = Console.OpenStandardInput();
            using var buffer = new MemoryStream();
            await input.CopyToAsync(buffer, cancellation);
            var bytes = buffer.ToArray();
            return new InputFile(name, IsPictureSignature(bytes), bytes);
        }
        await using var file = OpenRead(name);
        var start = new byte[SignatureLength];
        var length = await file.ReadAtLeastAsync(start, SignatureLength, throwOnEndOfStream: false, cancellation);
        return new InputFile(name, IsPictureSignature(start.AsSpan(0, length)), Media.FromFile(name));
    }

    /// <summary>Opens a file; errors have the texts of Unix tools.</summary>
    /// <exception cref="IOException">The file does not exist or cannot be read.</exception>
    public static FileStream OpenRead(string name)
    {
        if (Directory.Exists(name))
            throw new IOException("Is a directory");
        try
        {
            return File.OpenRead(name);
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new IOException("No such file or directory");
        }
        catch (UnauthorizedAccessException)
        {
            throw new IOException("Permission denied");
        }
    }

    /// <summary>JPEG, PNG, GIF, WebP, BMP, TIFF, HEIC, AVIF. The server may reject some of them, but none is audio.</summary>
    private static bool IsPictureSignature(ReadOnlySpan<byte> start) =>
        start.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xD8, 0xFF]) ||
        start.StartsWith((ReadOnlySpan<byte>)[0x89, (byte)'P', (byte)'N', (byte)'G']) ||
        start.StartsWith("GIF8"u8) ||
        start.StartsWith("BM"u8) ||
        start.StartsWith("II*\0"u8) || start.StartsWith("MM\0*"u8) ||
        (start.StartsWith("RIFF"u8) && start.Length >= 12 && start[8..].StartsWith("WEBP"u8)) ||
        IsHeif(start);

    /// <summary>ISO/IEC 23008-12: the first box has a brand of pictures.</summary>
    private static bool IsHeif(ReadOnlySpan<byte> start)
    {
        if (start.Length < 16 || !start[4..].StartsWith("ftyp"u8))
            return false;
        var length = Math.Min(BinaryPrimitives.ReadUInt32BigEndian(start), Math.Min(start.Length, SignatureLength));
        for (var at = 8; at + 4 <= length; at += 4)
            if (Encoding.Latin1.GetString(start.Slice(at, 4)) is
                "heic" or "heix" or "heim" or "heis" or "hevc" or "hevx" or "heif" or "mif1" or "mif2" or "msf1" or "avif" or "avis")
                return true;
        return false;
    }
}
