using System.Net.Mime;
using Affect.Gateway.Errors;
using Microsoft.Extensions.FileProviders;
using Scalar.AspNetCore;

namespace Affect.Gateway;

/// <summary>The web page and the API documentation. Nothing is loaded from other hosts.</summary>
internal static class Pages
{
    /// <summary>Routes of the page (web/src/main.tsx), served by one document.</summary>
    private static readonly string[] Routes = ["/", "/analyze", "/calls", "/models", "/api"];

    private const string NotBuilt = """
        <!doctype html>
        <html lang="en">
        <meta charset="utf-8">
        <title>Affect</title>
        <h1>Affect</h1>
        <p>The web page is not built: <code>npm ci && npm run build</code> in gateway/web, then build the gateway. Also available:</p>
        <ul>
        <li><a href="docs">Documentation of the REST API</a> and its <a href="openapi.json">OpenAPI document</a></li>
        <li><a href="v1/models">The models</a> and their metrics</li>
        <li><a href="healthz/ready">Readiness</a></li>
        </ul>
        </html>
        """;

    // Scalar has inline scripts and styles, hence 'unsafe-inline'; other hosts stay blocked.
    private const string DocsPolicy =
        "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        + "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; frame-ancestors 'self'";

    /// <summary>The OpenAPI 3.1 document, written by hand; a test compares it with the protos and the routes.</summary>
    internal static readonly byte[] OpenApi = ReadOpenApi();

    public static void MapPages(this WebApplication app)
    {
        app.UseWhen(context => !context.IsGrpc() && !context.Request.Path.StartsWithSegments("/v1"), branch => branch.Use(SetSecurityHeaders));
        // Compresses text responses to GET; server-sent events have a type that is not compressed.
        app.UseWhen(context => HttpMethods.IsGet(context.Request.Method), branch => branch.UseResponseCompression());

        var files = Path.Combine(AppContext.BaseDirectory, "web");
        var index = new FileInfo(Path.Combine(files, "index.html"));
        if (index.Exists)
        {
            app.UseStaticFiles(new StaticFileOptions { FileProvider = new PhysicalFileProvider(files), OnPrepareResponse = file => SetCacheControl(file.Context) });
            foreach (var route in Routes)
                app.MapMethods(route, GatewayHosting.GetAndHead, (HttpContext context) =>
                {
                    SetCacheControl(context);
                    return Results.File(index.FullName, "text/html; charset=utf-8", lastModified: index.LastWriteTimeUtc);
                });
        }
        else
            app.MapMethods("/", GatewayHosting.GetAndHead, () => Results.Text(NotBuilt, MediaTypeNames.Text.Html));

        app.MapMethods("/openapi.json", GatewayHosting.GetAndHead, () => Results.Bytes(OpenApi, "application/json"));
        app.MapScalarApiReference("/docs", options => options
            .WithTitle("Affect")
            .WithOpenApiRoutePattern("/openapi.json")
            .DisableDefaultFonts()
            .DisableTelemetry()
            .DisableAgent()
            .DisableMcp()
            .HideClientButton());
    }

    /// <summary>Names in assets/ contain a hash and are cached forever; everything else is revalidated.</summary>
    private static void SetCacheControl(HttpContext context) =>
        context.Response.Headers.CacheControl = context.Request.Path.StartsWithSegments("/assets") ? "public, max-age=31536000, immutable" : "no-cache";

    private static Task SetSecurityHeaders(HttpContext context, RequestDelegate next)
    {
        var headers = context.Response.Headers;
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Permissions-Policy"] = "camera=(self), microphone=(self), geolocation=(), display-capture=()";
        // Safari before 15.4 does not match WebSockets with 'self'.
        headers.ContentSecurityPolicy = context.Request.Path.StartsWithSegments("/docs")
            ? DocsPolicy
            : $"default-src 'self'; connect-src 'self' ws://{context.Request.Headers.Host} wss://{context.Request.Headers.Host}; img-src 'self' blob:; "
                + "media-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
        return next(context);
    }

    private static byte[] ReadOpenApi()
    {
        using var resource = typeof(Pages).Assembly.GetManifestResourceStream("openapi.json")!;
        using var bytes = new MemoryStream();
        resource.CopyTo(bytes);
        return bytes.ToArray();
    }
}
