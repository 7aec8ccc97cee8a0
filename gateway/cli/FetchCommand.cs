using System.CommandLine;
using System.Formats.Tar;
using System.IO.Compression;
using System.Security.Cryptography;

namespace Affect.Cli;

/// <summary><c>affect models fetch URL --sha256 HEX --to FOLDER</c></summary>
internal static class FetchCommand
{
    private static readonly Argument<string> Url = new("URL") { Description = "Archive of models: a .tar.gz with the layout of services/models" };

    private static readonly Option<string> Sha256 = new("--sha256")
    {
        Description = "SHA-256 that the archive must have",
        HelpName = "HEX",
        Required = true,
    };

    private static readonly Option<DirectoryInfo> To = new("--to") { Description = "Folder of the model repository", HelpName = "FOLDER", Required = true };

    public static Command Create()
    {
        var command = new Command("fetch", "Downloads an archive of models, verifies its SHA-256 and unpacks it.") { Url, Sha256, To };
        Url.Validators.Add(result =>
        {
            if (!Uri.TryCreate(result.GetValueOrDefault<string?>(), UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https"))
                result.AddError("URL must begin with http:// or https://");
        });
        Sha256.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<string?>() is not { Length: 2 * SHA256.HashSizeInBytes } digest || !digest.All(char.IsAsciiHexDigit))
                result.AddError("--sha256 must be 64 hexadecimal digits");
        });
        command.SetAction((parsed, cancellation) =>
            RunAsync(parsed.GetRequiredValue(Url), parsed.GetRequiredValue(Sha256), parsed.GetRequiredValue(To), cancellation));
        return command;
    }

    private static async Task<int> RunAsync(string url, string sha256, DirectoryInfo folder, CancellationToken cancellation)
    {
        // In the target folder: in a container it is the only writable one.
        var archive = Path.Combine(folder.FullName, ".fetching");
        try
        {
            folder.Create();
            await using (var file = new FileStream(
                archive, new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.ReadWrite, Options = FileOptions.DeleteOnClose }))
            {
                using var client = new HttpClient();
                await using (var body = await client.GetStreamAsync(url, cancellation))
                    await body.CopyToAsync(file, cancellation);

                file.Position = 0;
                var actual = Convert.ToHexString(await SHA256.HashDataAsync(file, cancellation));
                if (!actual.Equals(sha256, StringComparison.OrdinalIgnoreCase))
                {
                    AffectCommand.WriteError($"{url}: expected SHA-256 {sha256.ToLowerInvariant()}, got {actual.ToLowerInvariant()}; nothing was unpacked");
                    return ExitCode.Failed;
                }

                file.Position = 0;
                await using var tar = new GZipStream(file, CompressionMode.Decompress);
                await UnpackAsync(tar, folder.FullName, cancellation);
            }
            return ExitCode.Ok;
        }
        catch (HttpRequestException exception)
        {
            AffectCommand.WriteError($"{url}: {exception.Message}");
            return ExitCode.Unavailable;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            AffectCommand.WriteError($"{folder}: {exception.Message}");
            return ExitCode.Failed;
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            return ExitCode.Interrupted;
        }
    }

    /// <summary>
    /// Unpacks folders and files with the modes of new ones. <see cref="TarFile"/> would create a folder in /tmp to learn the umask, and set
    /// the mode of the target folder, which only its owner may: in a container, /tmp is read-only and root owns the volume.
    /// </summary>
    private static async Task UnpackAsync(Stream tar, string folder, CancellationToken cancellation)
    {
        var root = Path.TrimEndingDirectorySeparator(folder) + Path.DirectorySeparatorChar;
        await using var reader = new TarReader(tar);
        while (await reader.GetNextEntryAsync(copyData: false, cancellation) is { } entry)
        {
            if (entry.EntryType == TarEntryType.GlobalExtendedAttributes)
                continue;
            var path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(Path.Combine(root, entry.Name)));
            if (!(path + Path.DirectorySeparatorChar).StartsWith(root, StringComparison.Ordinal))
                throw new InvalidDataException($"'{entry.Name}' must be inside the folder");
            if (entry.EntryType is not (TarEntryType.Directory or TarEntryType.RegularFile or TarEntryType.V7RegularFile))
                throw new InvalidDataException($"'{entry.Name}' must be a file or a folder");
            Directory.CreateDirectory(entry.EntryType == TarEntryType.Directory ? path : Path.GetDirectoryName(path)!);
            if (entry.EntryType == TarEntryType.Directory)
                continue;
            await using var file = File.Create(path);
            if (entry.DataStream is { } data)
                await data.CopyToAsync(file, cancellation);
        }
    }
}
