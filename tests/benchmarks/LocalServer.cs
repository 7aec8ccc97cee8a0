using System.Diagnostics;
using System.Text.Json.Nodes;
using Affect.Testing;

namespace Affect.Benchmarks;

/// <summary>All services in one process, started as <c>deploy/run</c> starts it.</summary>
internal sealed class LocalServer : IAsyncDisposable
{
    private readonly Process _process;
    private readonly string? _models;

    private LocalServer(Process process, string address, string httpAddress, string? models) =>
        (_process, Address, HttpAddress, _models) = (process, address, httpAddress, models);

    /// <summary>The program of the build that this one belongs to.</summary>
    public static string Default => Builds.Find("Affect.Local", "Affect.Local.dll");

    /// <summary>The gateway's gRPC address.</summary>
    public string Address { get; }

    /// <summary>The gateway's HTTP address.</summary>
    public string HttpAddress { get; }

    /// <summary>User and system time of all threads so far.</summary>
    public TimeSpan CpuTime
    {
        get
        {
            _process.Refresh();
            return _process.TotalProcessorTime;
        }
    }

    /// <summary>Starts it; ready when it returns.</summary>
    /// <param name="dll">Affect.Local.dll.</param>
    /// <param name="model">The speech model to use; the default if null.</param>
    /// <param name="settings">Further arguments, such as "--Gateway:ApiKeys:a:Sha256=…".</param>
    public static async Task<LocalServer> StartAsync(string dll, string? model, params IEnumerable<string> settings)
    {
        var (httpPort, grpcPort) = (Loopback.FreePort(), Loopback.FreePort());
        // All calls come from one client, and the default rate limit would reject a thousand of them.
        List<string> arguments =
            [dll, $"--Server:HttpPort={httpPort}", $"--Server:GrpcPort={grpcPort}", "--Gateway:Anonymous:RequestsPerMinute=1000000", .. settings];
        var models = model is null ? null : CopyModel(Path.Combine(Path.GetDirectoryName(dll)!, "models", model));
        if (models is not null)
            arguments.Add($"--Speech:ModelsPath={models}");
        var start = new ProcessStartInfo("dotnet", arguments) { RedirectStandardOutput = true };
        start.Environment["MALLOC_ARENA_MAX"] = "2";
        var process = Process.Start(start)!;
        string? line;
        do
            line = await process.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException($"{dll} ended before it was ready.");
        while (!line.StartsWith("Affect is ready", StringComparison.Ordinal));
        _ = process.StandardOutput.BaseStream.CopyToAsync(Stream.Null); // a full pipe would block the server
        return new LocalServer(process, $"http://127.0.0.1:{grpcPort}", $"http://127.0.0.1:{httpPort}", models);
    }

    public async ValueTask DisposeAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
        if (_models is not null)
            Directory.Delete(_models, recursive: true);
    }

    /// <summary>A model repository with this one model, as its default.</summary>
    private static string CopyModel(string model)
    {
        var root = Directory.CreateTempSubdirectory("affect-models-").FullName;
        foreach (var file in Directory.EnumerateFiles(model, "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(root, Path.GetFileName(model), Path.GetRelativePath(model, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
        var manifest = Path.Combine(root, Path.GetFileName(model), "manifest.json");
        var json = JsonNode.Parse(File.ReadAllText(manifest))!;
        json["default"] = true;
        File.WriteAllText(manifest, json.ToJsonString());
        return root;
    }
}
