using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Affect.Hosting;

/// <summary>The defaults that every process shares: listeners, errors, health, telemetry.</summary>
public static class AffectHosting
{
    internal const string HealthPath = "/grpc.health.v1.Health";
    internal const string MetricsPath = "/metrics";

    /// <summary>The gRPC health service that reports liveness; the service with the empty name reports readiness.</summary>
    private const string Live = "live";

    /// <summary>Adds the defaults. Call once per process, before any service is added.</summary>
    /// <param name="builder">The host to set up.</param>
    /// <param name="process">Name in telemetry, for example "affect-speech".</param>
    /// <param name="http">True if REST and web pages are served beside gRPC.</param>
    public static void AddAffectDefaults(this WebApplicationBuilder builder, string process, bool http = false)
    {
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddGrpcReflection();
        builder.AddServerOptions();
        builder.ConfigureKestrel(http);
        builder.AddErrorHandling();
        builder.AddDefaultHealthChecks();
        builder.ConfigureLogging();
        builder.ConfigureOpenTelemetry(process);
    }

    /// <summary>Maps what <see cref="AddAffectDefaults"/> added: health always, metrics and reflection where configured.</summary>
    public static void MapAffectDefaults(this WebApplication app)
    {
        var options = app.Services.GetRequiredService<IOptions<ServerOptions>>().Value;
        app.UseDedicatedPorts();
        app.UseGrpcStatusTag();
        app.UseMalformedMessageErrors();
        app.MapGrpcHealthChecksService();
        if (options.MetricsPort is not null)
            app.MapPrometheusScrapingEndpoint(MetricsPath);
        if (options.Reflection)
            app.MapGrpcReflectionService();
    }

    /// <summary>True for the paths of probes and of Prometheus.</summary>
    public static bool IsProbe(PathString path) =>
        path.StartsWithSegments(HealthPath) || path.StartsWithSegments("/healthz") || path.StartsWithSegments(MetricsPath);

    private static void AddServerOptions(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<IValidateOptions<ServerOptions>, ServerOptionsValidator>();
        builder.Services.AddOptions<ServerOptions>().BindConfiguration("Server").ValidateOnStart();
    }

    private static void AddErrorHandling(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<HostingMetrics>();
        builder.Services.AddGrpc(grpc => grpc.Interceptors.Add<ErrorInterceptor>());
    }

    /// <summary>Liveness is a health service apart from readiness: a process that is not ready yet must not be restarted.</summary>
    private static void AddDefaultHealthChecks(this WebApplicationBuilder builder) =>
        builder.Services.AddGrpcHealthChecks(health => health.Services.Map(Live, check => check.Name == Live))
            .AddCheck(Live, () => HealthCheckResult.Healthy());

    /// <summary>
    /// Silences a line per request, per probe and per connection that its client breaks: requests are counted in metrics, and services
    /// log why they are not ready.
    /// </summary>
    private static void ConfigureLogging(this WebApplicationBuilder builder)
    {
        builder.Logging.AddFilter("Microsoft.AspNetCore", LogLevel.Warning);
        // Critical for a client that resets too many streams.
        builder.Logging.AddFilter("Microsoft.AspNetCore.Server.Kestrel.Http2", LogLevel.None);
        builder.Logging.AddFilter("Grpc", LogLevel.Warning);
        builder.Services.AddSafeLogText();
        builder.Logging.AddFilter(MalformedMessages.ReplacedLog, LogLevel.None);
        builder.Logging.AddFilter("Microsoft.Extensions.Diagnostics.HealthChecks", LogLevel.None);
    }
}
