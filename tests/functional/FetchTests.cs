using System.Diagnostics;
using System.Formats.Tar;
using System.IO.Compression;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Affect.FunctionalTests;

/// <summary><c>affect models fetch</c> from a server of the test.</summary>
public sealed class FetchTests : IAsyncLifetime
{
    private const int CannotMount = 77;

    /// <summary>Arguments: an empty folder for the root, a folder for the volume, and the command, whose program is in /app inside.</summary>
    private const string Container = """
        root=$1 volume=$2 dotnet=$(dirname "$(readlink -f "$(command -v "$3")")") program=$4; shift 4
        chown 0:1654 "$volume" && chmod 2775 "$volume" && {
          mount -t tmpfs -o mode=755 tmpfs "$root" && cd "$root" && mkdir proc dev app models &&
            for folder in usr lib lib64 bin; do
              if [[ -L /$folder ]]; then cp -P "/$folder" .; else mkdir "$folder" && mount --bind "/$folder" "$folder"; fi
            done &&
            mkdir -p ."$dotnet" && mount --bind "$dotnet" ."$dotnet" && mount --bind "$(dirname "$program")" app &&
            mount --rbind /proc proc && mount --rbind /dev dev && mount -o remount,ro "$root" && mount --bind "$volume" models
        } >&2 || exit 77
        exec setpriv --no-new-privs unshare --root="$root" --wd=/ --setgid 1654 --setuid 1654 \
          env -i DOTNET_EnableDiagnostics=0 "$dotnet/dotnet" "/app/$(basename "$program")" "$@"
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("affect-fetch-").FullName;
    private readonly WebApplication _server;
    private byte[] _archive = [];

    public FetchTests()
    {
        var builder = WebApplication.CreateBuilder(["--hostBuilder:reloadConfigOnChange=false", "--urls=http://127.0.0.1:0"]);
        builder.Logging.ClearProviders();
        _server = builder.Build();
        _server.MapGet("/models.tar.gz", () => Results.Bytes(_archive));
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string Url => $"{_server.Urls.Single()}/models.tar.gz";

    [Fact]
    public async Task Fetch_MatchingDigest_IsUnpacked()
    {
        var run = await FetchAsync(Url, SHA256.HashData(_archive));

        Assert.Equal((0, "", ""), (run.ExitCode, run.Output, run.Error));
        Assert.Equal("{}", await File.ReadAllTextAsync(Path.Combine(_folder, "tiny", "manifest.json"), Cancellation));
        Assert.Equal(["tiny"], Directory.EnumerateFileSystemEntries(_folder).Select(Path.GetFileName));
    }

    /// <summary>As the chart's init container: user 1654, a read-only root without /tmp, and a volume that root owns (fsGroup 1654).</summary>
    [Fact]
    public async Task Fetch_ReadOnlyRootAndVolumeOfRoot_IsUnpacked()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "requires root, for mounts");
        var root = Directory.CreateDirectory(Path.Combine(_folder, "root")).FullName;
        var volume = Directory.CreateDirectory(Path.Combine(_folder, "volume")).FullName;
        _archive = Archive("./", "./tiny/", "./tiny/manifest.json", "./tiny/1/model.onnx");
        string[] command =
        [
            .. CommandLine.Program, "models", "fetch", Url, "--sha256", Convert.ToHexStringLower(SHA256.HashData(_archive)), "--to", "/models",
        ];

        using var process = Process.Start(new ProcessStartInfo("unshare", ["--mount", "bash", "-c", Container, "bash", root, volume, .. command])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var output = await process.StandardOutput.ReadToEndAsync(Cancellation) + await process.StandardError.ReadToEndAsync(Cancellation);
        await process.WaitForExitAsync(Cancellation);
        Assert.SkipWhen(process.ExitCode == CannotMount, $"requires mounts: {output}");

        Assert.Equal((0, ""), (process.ExitCode, output));
        Assert.Equal("{}", await File.ReadAllTextAsync(Path.Combine(volume, "tiny", "manifest.json"), Cancellation));
        Assert.Equal(["tiny"], Directory.EnumerateFileSystemEntries(volume).Select(Path.GetFileName));
        Assert.True(File.Exists(Path.Combine(volume, "tiny", "1", "model.onnx")));
    }

    [Fact]
    public async Task Fetch_OtherDigest_IsRejected()
    {
        var run = await FetchAsync(Url, new byte[32]);

        Assert.Equal(1, run.ExitCode);
        Assert.Contains(Convert.ToHexStringLower(SHA256.HashData(_archive)), run.Error);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder));
    }

    [Fact]
    public async Task Fetch_MissingOrNotAnArchive_IsReported()
    {
        var missing = await FetchAsync(Url + ".old", new byte[32]);
        Assert.Equal(69, missing.ExitCode);
        Assert.Contains("404", missing.Error);

        _archive = [1, 2, 3];
        var broken = await FetchAsync(Url, SHA256.HashData(_archive));
        Assert.Equal(1, broken.ExitCode);
        Assert.StartsWith("affect: ", broken.Error);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder));
    }

    [Fact]
    public async Task Fetch_ArchiveWithLink_IsRejected()
    {
        using var bytes = new MemoryStream();
        using (var gzip = new GZipStream(bytes, CompressionMode.Compress, leaveOpen: true))
        using (var tar = new TarWriter(gzip))
            tar.WriteEntry(new PaxTarEntry(TarEntryType.SymbolicLink, "tiny") { LinkName = "/etc" });
        _archive = bytes.ToArray();
        var run = await FetchAsync(Url, SHA256.HashData(_archive));

        Assert.Equal(1, run.ExitCode);
        Assert.Contains("'tiny' must be a file or a folder", run.Error);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder));
    }

    [Theory]
    [InlineData("../outside.txt")]
    [InlineData("tiny/../../outside.txt")]
    [InlineData("/tmp/outside.txt")]
    public async Task Fetch_ArchiveWithPathOutside_IsRejected(string name)
    {
        _archive = Archive(name);
        var run = await FetchAsync(Url, SHA256.HashData(_archive));

        Assert.Equal(1, run.ExitCode);
        Assert.False(File.Exists(Path.Combine(_folder, name)));
    }

    public async ValueTask InitializeAsync()
    {
        _archive = Archive("tiny/manifest.json");
        await _server.StartAsync(Cancellation);
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private Task<CommandResult> FetchAsync(string url, byte[] sha256) =>
        CommandLine.RunAsync(null, "http://unused", [], "models", "fetch", url, "--sha256", Convert.ToHexStringLower(sha256), "--to", _folder);

    private static byte[] Archive(params string[] names)
    {
        using var bytes = new MemoryStream();
        using (var gzip = new GZipStream(bytes, CompressionMode.Compress, leaveOpen: true))
        using (var tar = new TarWriter(gzip))
            foreach (var name in names)
                tar.WriteEntry(name.EndsWith('/')
                    ? new PaxTarEntry(TarEntryType.Directory, name) { Mode = (UnixFileMode)0b111_111_101 }
                    : new PaxTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream("{}"u8.ToArray()) });
        return bytes.ToArray();
    }
}
