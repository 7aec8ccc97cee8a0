using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Affect.Hosting;

/// <summary>What is the same for every process: where it listens, errors, health, telemetry.</summary>
public static class AffectHosting
{
    /// <summary>Call once for each process, before any service is added.</summary>
    /// <param name="builder">The host to set up.</param>
    /// <param name="process">Name in telemetry, for example "affect-speech".</param>
    /// <param name="http">Whether REST and the page are served beside gRPC.</param>
    public static void AddAffectDefaults(this WebApplicationBuilder builder, string process, bool http = false)
    {
        builder.Services.AddSingleton<IValidateOptions<ServerOptions>, ServerOptionsValidator>();
        builder.Services.AddOptions<ServerOptions>().BindConfiguration("Server").ValidateOnStart();
        builder.Services.AddSingleton(TimeProvider.System);

        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            var options = kestrel.ApplicationServices.GetRequiredService<IOptions<ServerOptions>>().Value;
            kestrel.AddServerHeader = false;
            Listen(options.GrpcPort, HttpProtocols.Http2);
            if (http)
                Listen(options.HttpPort, HttpProtocols.Http1);

            // Without TLS nothing negotiates the protocol, so each has a port of its own.
            void Listen(int port, HttpProtocols protocols)
            {
                if (options.Address == "*")
                    kestrel.ListenAnyIP(port, Configure);
                else
                    kestrel.Listen(IPAddress.Parse(options.Address), port, Configure);

                void Configure(ListenOptions listen)
                {
                    listen.Protocols = protocols;
                    listen.AgeConnections(options.MaxConnectionAge);
                }
            }
        });

        builder.Services.AddGrpc(grpc => grpc.Interceptors.Add<ErrorInterceptor>());
        builder.Services.AddGrpcReflection();
        builder.Services.AddGrpcHealthChecks();

        // A line for every call, and one for every probe of a service that is not ready yet, would drown the
        // rest: calls are counted in metrics, and services say themselves why they are not ready.
        builder.Logging.AddFilter("Microsoft.AspNetCore", LogLevel.Warning);
        builder.Logging.AddFilter("Microsoft.Extensions.Diagnostics.HealthChecks", LogLevel.None);

        // Spans that nobody reads cost time in every call.
        if (string.IsNullOrEmpty(builder.Configuration["OTEL_EXPORTER_OTLP_ENDPOINT"]))
            return;
        builder.Services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.AddService(process))
            .WithMetrics(metrics => metrics
                .AddMeter("Affect.*")
                .AddAspNetCoreInstrumentation()
                .AddRuntimeInstrumentation())
            .WithTracing(traces => traces
                .AddSource("Affect.*")
                .AddAspNetCoreInstrumentation()
                .AddHttpClientInstrumentation())
            .UseOtlpExporter();
    }

    /// <summary>Maps what <see cref="AddAffectDefaults"/> added: health always, reflection where configured.</summary>
    public static void MapAffectDefaults(this WebApplication app)
    {
        app.MapGrpcHealthChecksService();
        if (app.Services.GetRequiredService<IOptions<ServerOptions>>().Value.Reflection)
            app.MapGrpcReflectionService();
    }

    /// <summary>
    /// Asks a connection to close (GOAWAY over HTTP/2: calls in flight finish) once it is old. The age
    /// varies by a tenth, so that connections that were opened together do not return together.
    /// </summary>
    private static void AgeConnections(this ListenOptions listen, TimeSpan age) =>
        listen.Use(next => async connection =>
        {
            var lifetime = connection.Features.Get<IConnectionLifetimeNotificationFeature>();
            await using var timer = new Timer(
                _ => lifetime?.RequestClose(), null, age * (0.9 + 0.2 * Random.Shared.NextDouble()), Timeout.InfiniteTimeSpan);
            await next(connection);
        });
}
