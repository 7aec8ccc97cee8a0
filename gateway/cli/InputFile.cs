using Affect.Client;

namespace Affect.Cli;

/// <summary>A file on the command line, opened to check that it exists and to detect its kind.</summary>
/// <param name="Name">The name on the command line; "-" for standard input.</param>
/// <param name="IsPicture">True if the first bytes are those of a picture. Everything else is sent as audio, which the server checks.</param>
/// <param name="Media">The content.</param>
internal sealed record InputFile(string Name, bool IsPicture, Media Media)
{
    private const int SignatureLength = 12;

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

    /// <summary>JPEG, PNG, GIF, WebP, BMP, TIFF. The server rejects some of them, but none is audio.</summary>
    private static bool IsPictureSignature(ReadOnlySpan<byte> start) =>
        start.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xD8, 0xFF]) ||
        start.StartsWith((ReadOnlySpan<byte>)[0x89, (byte)'P', (byte)'N', (byte)'G']) ||
        start.StartsWith("GIF8"u8) ||
        start.StartsWith("BM"u8) ||
        start.StartsWith("II*\0"u8) || start.StartsWith("MM\0*"u8) ||
        (start.StartsWith("RIFF"u8) && start.Length >= SignatureLength && start[8..].StartsWith("WEBP"u8));
}
