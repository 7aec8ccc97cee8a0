using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Affect.Hosting;

/// <summary>The ports of a process. Without TLS nothing negotiates the protocol, so each protocol has a port.</summary>
internal static class Listeners
{
    /// <summary>Listens as <see cref="ServerOptions"/> says; gRPC comes first.</summary>
    public static void ConfigureKestrel(this WebApplicationBuilder builder, bool http) =>
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            // Kestrel reads its options before other hosted services start: validating here reports the errors of all sections together.
            kestrel.ApplicationServices.GetRequiredService<IStartupValidator>().Validate();
            kestrel.AddServerHeader = false;
            var options = kestrel.ApplicationServices.GetRequiredService<IOptions<ServerOptions>>().Value;
            var tls = options.TlsPath is { } path ? new TlsFolder(path, kestrel.ApplicationServices.GetRequiredService<TimeProvider>()) : null;
            kestrel.Listen(options, options.GrpcPort, HttpProtocols.Http2, tls);
            if (http)
                kestrel.Listen(options, options.HttpPort, HttpProtocols.Http1, tls);
            if (options.HealthPort is { } health)
                kestrel.Listen(options, health, HttpProtocols.Http2, tls: null, AffectHosting.HealthPath);
            if (options.MetricsPort is { } metrics)
                kestrel.Listen(options, metrics, HttpProtocols.Http1, tls: null, AffectHosting.MetricsPath);
        });

    /// <summary>Answers 404 to other paths on a port dedicated to one path, and to the metrics path on every other port.</summary>
    public static void UseDedicatedPorts(this WebApplication app) =>
        app.Use((context, next) =>
        {
            var path = context.Request.Path;
            if (context.Features.Get<DedicatedPath>() is { } dedicated
                ? path.StartsWithSegments(dedicated.Path)
                : !path.StartsWithSegments(AffectHosting.MetricsPath))
                return next(context);
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return Task.CompletedTask;
        });

    private static void Listen(
        this KestrelServerOptions kestrel, ServerOptions options, int port, HttpProtocols protocols, TlsFolder? tls, string? dedicatedPath = null)
    {
        if (options.Address == "*")
            kestrel.ListenAnyIP(port, Configure);
        else
            kestrel.Listen(IPAddress.Parse(options.Address), port, Configure);

        void Configure(ListenOptions listen)
        {
            listen.Protocols = protocols;
            listen.LimitConnectionAge(options.MaxConnectionAge);
            if (dedicatedPath is not null)
                listen.Use(next => connection =>
                {
                    connection.Features.Set(new DedicatedPath(dedicatedPath));
                    return next(connection);
                });
            if (tls is not null)
                listen.UseHttps(tls.ServerOptions(options.RequireClientCertificate));
        }
    }

    /// <summary>
    /// Asks a connection to close (GOAWAY over HTTP/2: requests in flight finish) once it reaches the age. The age
    /// varies by a tenth, so that connections that were opened together do not return together.
    /// </summary>
    private static void LimitConnectionAge(this ListenOptions listen, TimeSpan age) =>
        listen.Use(next => async connection =>
        {
            var lifetime = connection.Features.Get<IConnectionLifetimeNotificationFeature>();
            await using var timer = new Timer(
                _ => lifetime?.RequestClose(), null, age * (0.9 + 0.2 * Random.Shared.NextDouble()), Timeout.InfiniteTimeSpan);
            await next(connection);
        });

    /// <summary>Set on connections of a port that serves one path alone.</summary>
    private sealed record DedicatedPath(string Path);
}
