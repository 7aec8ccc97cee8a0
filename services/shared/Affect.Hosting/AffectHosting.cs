using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;
using StatusCode = Grpc.Core.StatusCode;

namespace Affect.Hosting;

/// <summary>What is the same for every process: where it listens, errors, health, telemetry.</summary>
public static class AffectHosting
{
    /// <summary>The name under which gRPC health tells whether the process lives; the empty one tells whether it is ready.</summary>
    private const string Live = "live";

    private const string HealthPath = "/grpc.health.v1.Health";
    private const string MetricsPath = "/metrics";

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
            // Kestrel is the first to ask for a section: every mistake of all sections is told at once.
            kestrel.ApplicationServices.GetRequiredService<IStartupValidator>().Validate();
            var options = kestrel.ApplicationServices.GetRequiredService<IOptions<ServerOptions>>().Value;
            kestrel.AddServerHeader = false;
            var tls = options.TlsPath is { } path ? new TlsFolder(path, kestrel.ApplicationServices.GetRequiredService<TimeProvider>()) : null;
            Listen(options.GrpcPort, HttpProtocols.Http2, tls);
            if (http)
                Listen(options.HttpPort, HttpProtocols.Http1, tls);
            if (options.HealthPort is { } health)
                Listen(health, HttpProtocols.Http2, tls: null, only: HealthPath);
            if (options.MetricsPort is { } metrics)
                Listen(metrics, HttpProtocols.Http1, tls: null, only: MetricsPath);

            // Without TLS nothing negotiates the protocol, so each has a port of its own.
            void Listen(int port, HttpProtocols protocols, TlsFolder? tls, string? only = null)
            {
                if (options.Address == "*")
                    kestrel.ListenAnyIP(port, Configure);
                else
                    kestrel.Listen(IPAddress.Parse(options.Address), port, Configure);

                void Configure(ListenOptions listen)
                {
                    listen.Protocols = protocols;
                    listen.AgeConnections(options.MaxConnectionAge);
                    if (only is not null)
                        listen.Use(next => connection =>
                        {
                            connection.Features.Set(new OnlyPath(only));
                            return next(connection);
                        });
                    if (tls is not null)
                        listen.UseHttps(tls.ServerOptions(options.RequireClientCertificate));
                }
            }
        });

        builder.Services.AddGrpc(grpc => grpc.Interceptors.Add<ErrorInterceptor>());
        builder.Services.AddGrpcReflection();
        // Whether the process lives is a service of its own: who is not ready yet need not be restarted.
        builder.Services.AddGrpcHealthChecks(health => health.Services.Map(Live, check => check.Name == Live))
            .AddCheck(Live, () => HealthCheckResult.Healthy());

        // A line for every call, and one for every probe of a service that is not ready yet, would drown the
        // rest: calls are counted in metrics, and services say themselves why they are not ready.
        builder.Logging.AddFilter("Microsoft.AspNetCore", LogLevel.Warning);
        builder.Logging.AddFilter("Microsoft.Extensions.Diagnostics.HealthChecks", LogLevel.None);

        // Spans and measurements that nobody reads cost time in every call.
        var otlp = !string.IsNullOrEmpty(builder.Configuration["OTEL_EXPORTER_OTLP_ENDPOINT"]);
        var scraped = !string.IsNullOrEmpty(builder.Configuration["Server:MetricsPort"]);
        if (!otlp && !scraped)
            return;
        var telemetry = builder.Services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.AddService(process))
            .WithMetrics(metrics =>
            {
                metrics.AddMeter("Affect.*").AddAspNetCoreInstrumentation().AddRuntimeInstrumentation();
                if (scraped)
                    metrics.AddPrometheusExporter();
            });
        if (otlp)
            telemetry
                // Probes and scrapes are no requests of anybody's.
                .WithTracing(traces => traces
                    .AddSource("Affect.*")
                    .AddAspNetCoreInstrumentation(http => http.Filter = context =>
                        !context.Request.Path.StartsWithSegments(HealthPath) && !context.Request.Path.StartsWithSegments("/healthz")
                        && !context.Request.Path.StartsWithSegments(MetricsPath))
                    .AddHttpClientInstrumentation())
                // With the trace in which they were written.
                .WithLogging(null, logs => logs.IncludeFormattedMessage = true)
                .UseOtlpExporter();
    }

    /// <summary>Maps what <see cref="AddAffectDefaults"/> added: health always, metrics and reflection where configured.</summary>
    public static void MapAffectDefaults(this WebApplication app)
    {
        app.Use((context, next) =>
        {
            var only = context.Features.Get<OnlyPath>()?.Path;
            if (only is null ? !context.Request.Path.StartsWithSegments(MetricsPath) : context.Request.Path.StartsWithSegments(only))
                return next(context);
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return Task.CompletedTask;
        });
        var options = app.Services.GetRequiredService<IOptions<ServerOptions>>().Value;
        app.Use(async (context, next) =>
        {
            await next(context);
            TellGrpcStatus(context);
        });
        app.MapGrpcHealthChecksService();
        if (options.MetricsPort is not null)
            app.MapPrometheusScrapingEndpoint(MetricsPath);
        if (options.Reflection)
            app.MapGrpcReflectionService();
    }

    /// <summary>
    /// Puts the status of a gRPC call on the metric of its request, by the name that OpenTelemetry gives it; to HTTP each is a 200.
    /// </summary>
    private static void TellGrpcStatus(HttpContext context)
    {
        // Not there where nobody measures.
        if (context.Features.Get<IHttpMetricsTagsFeature>() is not { } metrics)
            return;
        const string header = "grpc-status";
        var status = context.Response.Headers[header];
        if (status.Count == 0)
            status = context.Features.Get<IHttpResponseTrailersFeature>()?.Trailers[header] ?? default;
        if (int.TryParse(status, out var code))
            metrics.Tags.Add(new("rpc.response.status_code", RpcErrors.Name((StatusCode)code)));
    }

    /// <summary>On connections of a port that is for one purpose alone.</summary>
    private sealed record OnlyPath(string Path);

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
