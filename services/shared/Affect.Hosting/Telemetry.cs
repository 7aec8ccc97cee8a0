using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Primitives;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;
using StatusCode = Grpc.Core.StatusCode;

namespace Affect.Hosting;

/// <summary>Metrics, traces and logs over OTLP, metrics for Prometheus as well.</summary>
internal static class Telemetry
{
    private const string GrpcStatus = "grpc-status";

    /// <summary>Adds exporters where they are configured; without one, instrumentation would cost time in every request for nothing.</summary>
    public static void ConfigureOpenTelemetry(this WebApplicationBuilder builder, string process)
    {
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
                .WithTracing(traces => traces
                    .AddSource("Affect.*")
                    .AddAspNetCoreInstrumentation(http => http.Filter = context => !AffectHosting.IsProbe(context.Request.Path))
                    .AddHttpClientInstrumentation())
                .WithLogging(null, logs => logs.IncludeFormattedMessage = true)
                .UseOtlpExporter();
    }

    /// <summary>
    /// Adds the gRPC status of a request to its HTTP metric, by the name that OpenTelemetry gives it; the HTTP status is 200 for each.
    /// </summary>
    public static void UseGrpcStatusTag(this WebApplication app) =>
        app.Use(async (context, next) =>
        {
            await next(context);
            // Absent unless metrics are collected.
            if (context.Features.Get<IHttpMetricsTagsFeature>() is { } metrics && int.TryParse(ReadGrpcStatus(context), out var code))
                metrics.Tags.Add(new("rpc.response.status_code", RpcErrors.Name((StatusCode)code)));
        });

    /// <summary>The status is a header if the response has no message, else a trailer.</summary>
    private static StringValues ReadGrpcStatus(HttpContext context)
    {
        var header = context.Response.Headers[GrpcStatus];
        return header.Count > 0 ? header : context.Features.Get<IHttpResponseTrailersFeature>()?.Trailers[GrpcStatus] ?? default;
    }
}
