using Affect.Client;

namespace Affect.Cli;

/// <summary>A file of the command line, opened far enough to know that it is there and what it holds.</summary>
/// <param name="Name">As it was given; "-" is standard input.</param>
/// <param name="IsPicture">Whether its first bytes are a picture's. Anything else counts as audio: the server knows better.</param>
/// <param name="Media">Its content.</param>
internal sealed record InputFile(string Name, bool IsPicture, Media Media)
{
    private const int SignatureLength = 12;

    /// <exception cref="IOException">It is not there, or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
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
        if (Directory.Exists(name))
            throw new IOException("Is a directory");
        try
        {
            await using var file = File.OpenRead(name);
            var start = new byte[SignatureLength];
            var length = await file.ReadAtLeastAsync(start, SignatureLength, throwOnEndOfStream: false, cancellation);
            return new InputFile(name, IsPictureSignature(start.AsSpan(0, length)), Media.FromFile(name));
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

    /// <summary>JPEG, PNG, GIF, WebP, BMP, TIFF: the server takes not all of them, but none of them is audio.</summary>
    private static bool IsPictureSignature(ReadOnlySpan<byte> start) =>
        start.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xD8, 0xFF]) ||
        start.StartsWith((ReadOnlySpan<byte>)[0x89, (byte)'P', (byte)'N', (byte)'G']) ||
        start.StartsWith("GIF8"u8) ||
        start.StartsWith("BM"u8) ||
        start.StartsWith("II*\0"u8) || start.StartsWith("MM\0*"u8) ||
        (start.StartsWith("RIFF"u8) && start.Length >= SignatureLength && start[8..].StartsWith("WEBP"u8));
}
