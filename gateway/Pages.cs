using Scalar.AspNetCore;

namespace Affect.Gateway;

/// <summary>What people open in a browser. Everything comes from here; nothing is loaded from other hosts.</summary>
internal static class Pages
{
    private const string Home = """
        <!doctype html>
        <html lang="en">
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width">
        <title>Affect</title>
        <body style="font-family: system-ui, sans-serif; max-width: 40rem; margin: 4rem auto; padding: 0 1rem; line-height: 1.5">
        <h1>Affect</h1>
        <p>Tells which of seven emotions a voice and a face show.</p>
        <ul>
        <li><a href="docs">The REST API</a>, browsable, and its <a href="openapi.json">OpenAPI document</a></li>
        <li><a href="v1/models">The models</a>, with what was measured of them</li>
        <li><a href="healthz/ready">Whether all is ready</a></li>
        </ul>
        <p>gRPC (<code>affect.v1.EmotionService</code>) is on the gRPC port.</p>
        </body>
        </html>
        """;

    // Scalar writes its start-up script into the page, hence 'unsafe-inline'; other hosts stay out all the same.
    private const string Policy =
        "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        + "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; frame-ancestors 'self'";

    /// <summary>The OpenAPI 3.1 document, kept by hand; a test compares it with the protos and the routes.</summary>
    internal static readonly byte[] OpenApi = ReadOpenApi();

    public static void MapPages(this WebApplication app)
    {
        app.UseWhen(context => context.Request.Path == "/" || context.Request.Path.StartsWithSegments("/docs"), pages => pages.Use(
            (context, next) =>
            {
                context.Response.Headers.ContentSecurityPolicy = Policy;
                return next(context);
            }));
        app.MapGet("/", () => Results.Text(Home, "text/html"));
        app.MapGet("/openapi.json", () => Results.Bytes(OpenApi, "application/json"));
        app.MapScalarApiReference("/docs", options => options
            .WithTitle("Affect")
            .WithOpenApiRoutePattern("/openapi.json")
            .DisableDefaultFonts()
            .DisableTelemetry()
            .DisableAgent()
            .DisableMcp()
            .HideClientButton());
    }

    private static byte[] ReadOpenApi()
    {
        using var resource = typeof(Pages).Assembly.GetManifestResourceStream("openapi.json")!;
        using var bytes = new MemoryStream();
        resource.CopyTo(bytes);
        return bytes.ToArray();
    }
}
