using System.Diagnostics;
using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Net.Client;

namespace Affect.Testing;

/// <summary>One service as it runs in production: a separate process. Its port stays the same across restarts.</summary>
public sealed class ServiceProcess(string name, params (string Name, string Value)[] environment) : IAsyncDisposable
{
    private readonly int _port = Loopback.FreePort(), _httpPort = Loopback.FreePort();
    private Process? _process;

    /// <summary>Address of the gRPC port.</summary>
    public string Address => $"http://127.0.0.1:{_port}";

    /// <summary>Address of the HTTP port, if the service has one.</summary>
    public Uri HttpAddress => new($"http://127.0.0.1:{_httpPort}");

    /// <summary>Identifier of the running process.</summary>
    public int Id => _process!.Id;

    /// <summary>Starts the process and waits until its health is SERVING.</summary>
    public async Task StartAsync(CancellationToken cancellation)
    {
        var configuration = new DirectoryInfo(AppContext.BaseDirectory).Name;
        var folder = Path.Combine(AppContext.BaseDirectory, $"../../Affect.{name}", configuration);
        var start = new ProcessStartInfo("dotnet", [Path.Combine(folder, $"Affect.{name}.dll")]) { WorkingDirectory = folder };
        // Tests break connections on purpose; the resulting log would drown their own.
        start.Environment["Logging__Console__LogLevel__Default"] = "Critical";
        start.Environment["Server__Address"] = "127.0.0.1";
        start.Environment["Server__GrpcPort"] = $"{_port}";
        start.Environment["Server__HttpPort"] = $"{_httpPort}";
        start.Environment[$"{name}__ModelsPath"] = Path.Combine(AppContext.BaseDirectory, "models");
        foreach (var (key, value) in environment)
            start.Environment[key] = value;
        _process = Process.Start(start)!;

        using var channel = GrpcChannel.ForAddress(Address);
        var health = new Health.HealthClient(channel);
        while (true)
            try
            {
                if ((await health.CheckAsync(new(), cancellationToken: cancellation)).Status == HealthCheckResponse.Types.ServingStatus.Serving)
                    return;
            }
            catch (RpcException) when (!_process.HasExited)
            {
                await Task.Delay(50, cancellation);
            }
    }

    /// <summary>Sends a signal and waits for the exit, within the grace period of a cluster. After TERM the exit code must be 0.</summary>
    public async Task EndAsync(string signal, CancellationToken cancellation)
    {
        using (var kill = Process.Start("sh", ["-c", $"kill -{signal} {_process!.Id}"]))
            await kill.WaitForExitAsync(cancellation);
        using var grace = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        grace.CancelAfter(TimeSpan.FromSeconds(30));
        await _process.WaitForExitAsync(grace.Token);
        if (signal == "TERM" && _process.ExitCode != 0)
            throw new InvalidOperationException($"{name} exited with code {_process.ExitCode}");
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is { HasExited: false } process)
        {
            process.Kill();
            await process.WaitForExitAsync();
        }
        _process?.Dispose();
    }
}
