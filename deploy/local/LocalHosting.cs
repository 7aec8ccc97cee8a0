using Affect.Hosting;
using Microsoft.Extensions.Configuration.Memory;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;

namespace Affect.Local;

/// <summary>What one machine wants otherwise than a cluster.</summary>
internal static class LocalHosting
{
    private const string Loopback = "127.0.0.1";

    /// <summary>
    /// Loopback only, no keys, and every service found at this process's own gRPC port. Environment and
    /// command line have the last word.
    /// </summary>
    public static void AddLocalDefaults(this WebApplicationBuilder builder)
    {
        var self = $"http://{Loopback}:{builder.Configuration["Server:GrpcPort"] ?? new ServerOptions().GrpcPort.ToString()}";
        builder.Configuration.Sources.Insert(0, new MemoryConfigurationSource
        {
            InitialData = new Dictionary<string, string?>
            {
                ["Server:Address"] = Loopback,
                ["Server:Reflection"] = "true",
                ["Gateway:RequireApiKey"] = "false",
                ["Gateway:FusionAddress"] = self,
                ["Fusion:FeaturesAddress"] = self,
                ["Fusion:SpeechAddress"] = self,
                ["Fusion:FaceAddress"] = self,
                ["Logging:LogLevel:Default"] = "Warning",
            },
        });
    }

    /// <summary>Runs until it is told to stop, and says so on one line once every service is ready.</summary>
    public static async Task RunLocalAsync(this WebApplication app)
    {
        await app.StartAsync();
        await ReadyAsync(app.Services.GetRequiredService<HealthCheckService>(), app.Lifetime.ApplicationStopping);
        if (!app.Lifetime.ApplicationStopping.IsCancellationRequested)
            Console.WriteLine(
                $"Affect is ready: http://localhost:{app.Services.GetRequiredService<IOptions<ServerOptions>>().Value.HttpPort}");
        await app.WaitForShutdownAsync();
    }

    private static async Task ReadyAsync(HealthCheckService health, CancellationToken stopping)
    {
        try
        {
            while ((await health.CheckHealthAsync(stopping)).Status != HealthStatus.Healthy)
                await Task.Delay(TimeSpan.FromMilliseconds(50), stopping);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // Stopped before it was ready.
        }
    }
}
