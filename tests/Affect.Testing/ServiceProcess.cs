using System.Diagnostics;
using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Net.Client;

namespace Affect.Testing;

/// <summary>One service as it runs in production: a separate process. Its port stays the same across restarts.</summary>
public sealed class ServiceProcess(string name, params (string Name, string Value)[] environment) : IAsyncDisposable
{
    private Process? _process;

    /// <summary>The namespace in which it runs; null for this process's.</summary>
    public TestNetwork? Network { get; init; }

    /// <summary>IP address to listen on.</summary>
    public string Host { get; init; } = "127.0.0.1";

    public int GrpcPort { get; init; } = Loopback.FreePort();

    public int HttpPort { get; init; } = Loopback.FreePort();

    /// <summary>Address of the gRPC port.</summary>
    public string Address => $"http://{Host}:{GrpcPort}";

    /// <summary>Address of the HTTP port, if the service has one.</summary>
    public Uri HttpAddress => new($"http://{Host}:{HttpPort}");

    /// <summary>Identifier of the running process.</summary>
    public int Id => _process!.Id;

    /// <summary>Starts the process and waits until its health is SERVING.</summary>
    public async Task StartAsync(CancellationToken cancellation)
    {
        var configuration = new DirectoryInfo(AppContext.BaseDirectory).Name;
        var folder = Path.Combine(AppContext.BaseDirectory, $"../../Affect.{name}", configuration);
        var program = Path.Combine(folder, $"Affect.{name}.dll");
        var start = Network?.Inside("dotnet", [program]) ?? new ProcessStartInfo("dotnet", [program]);
        start.WorkingDirectory = folder;
        // Tests break connections on purpose; the resulting log would drown their own.
        start.Environment["Logging__Console__LogLevel__Default"] = "Critical";
        start.Environment["Server__Address"] = Host;
        start.Environment["Server__GrpcPort"] = $"{GrpcPort}";
        start.Environment["Server__HttpPort"] = $"{HttpPort}";
        start.Environment[$"{name}__ModelsPath"] = Path.Combine(AppContext.BaseDirectory, "models");
        foreach (var (key, value) in environment)
            start.Environment[key] = value;
        _process = Process.Start(start)!;

        using var channel = GrpcChannel.ForAddress(Address, new() { HttpHandler = Network?.CreateHandler(), DisposeHttpClient = true });
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
