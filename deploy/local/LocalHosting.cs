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
    /// Adds the defaults for one machine: listens on loopback, requires no keys, and connects every service to this process's own
    /// gRPC port. Environment and command line override them.
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
