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
    public async Task Fetch_ArchiveWithPathOutside_IsRejected()
    {
        _archive = Archive("../outside.txt");
        var run = await FetchAsync(Url, SHA256.HashData(_archive));

        Assert.Equal(1, run.ExitCode);
        Assert.False(File.Exists(Path.Combine(_folder, "..", "outside.txt")));
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

    private static byte[] Archive(string name)
    {
        using var bytes = new MemoryStream();
        using (var gzip = new GZipStream(bytes, CompressionMode.Compress, leaveOpen: true))
        using (var tar = new TarWriter(gzip))
            tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream("{}"u8.ToArray()) });
        return bytes.ToArray();
    }
}
