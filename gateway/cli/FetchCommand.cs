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
                await TarFile.ExtractToDirectoryAsync(tar, folder.FullName, overwriteFiles: true, cancellation);
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
}
