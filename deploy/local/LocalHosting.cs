using Affect.Hosting;
using Microsoft.Extensions.Configuration.Memory;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;

namespace Affect.Local;

/// <summary>Hosts all services in one process.</summary>
internal static class LocalHosting
{
    private const string Loopback = "127.0.0.1";

    /// <summary>
    /// Adds the defaults for one machine: listens on loopback, requires no keys, connects the services to each other in memory, and
    /// keeps the key of checkpoints in a file. Environment and command line override them.
    /// </summary>
    public static void AddLocalDefaults(this WebApplicationBuilder builder)
    {
        builder.Configuration.Sources.Insert(0, new MemoryConfigurationSource
        {
            InitialData = new Dictionary<string, string?>
            {
                ["Server:Address"] = Loopback,
                ["Server:Reflection"] = "true",
                ["Gateway:RequireApiKey"] = "false",
                // Without a name in this list, keys would open the gateway to every name.
                ["Gateway:AllowedHosts:0"] = "localhost",
                ["Gateway:FusionAddress"] = PeerChannel.InProcess,
                ["Fusion:FeaturesAddress"] = PeerChannel.InProcess,
                ["Fusion:SpeechAddress"] = PeerChannel.InProcess,
                ["Fusion:FaceAddress"] = PeerChannel.InProcess,
                ["Logging:LogLevel:Default"] = "Warning",
                // Concurrent calls complete windows continuously: batching them on one thread saves CPU time.
                ["Speech:MaxDelay"] = "00:00:00.020",
                // All services share the cores: short batches let the windows of other tenants through.
                ["Speech:MaxBatchDuration"] = "00:00:00.010",
                ["Speech:IntraOpThreads"] = "1",
            },
        });
        if (CheckpointKeyFile.ReadOrCreate() is { } key)
            builder.Configuration.Sources.Insert(0, new MemoryConfigurationSource { InitialData = [new("Fusion:CheckpointKeys:0", key)] });
        LocalServer.Replace(builder.Services);
    }

    /// <summary>Runs the application until shutdown, and prints one line when every service is ready.</summary>
    public static async Task RunLocalAsync(this WebApplication app)
    {
        await app.StartAsync();
        await WaitUntilHealthyAsync(app.Services.GetRequiredService<HealthCheckService>(), app.Lifetime.ApplicationStopping);
        if (!app.Lifetime.ApplicationStopping.IsCancellationRequested)
            Console.WriteLine(
                $"Affect is ready: http://localhost:{app.Services.GetRequiredService<IOptions<ServerOptions>>().Value.HttpPort}");
        await app.WaitForShutdownAsync();
    }

    private static async Task WaitUntilHealthyAsync(HealthCheckService health, CancellationToken stopping)
    {
        try
        {
            while ((await health.CheckHealthAsync(stopping)).Status != HealthStatus.Healthy)
                await Task.Delay(TimeSpan.FromMilliseconds(50), stopping);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // Shut down before it was ready.
        }
    }
}
