using System.Net;
using Affect.Gateway.Errors;
using Affect.Hosting;
using Grpc.Core;
using Microsoft.Extensions.Primitives;

namespace Affect.Gateway.Access;

/// <summary>
/// Rejects what a foreign web page sends through a visitor's browser: requests for a host name that is not the gateway's (DNS
/// rebinding), and requests of pages with another origin, which browsers send before they check whether the page may read the
/// response. Programs send no origin and are not restricted.
/// </summary>
internal sealed class BrowserRequestMiddleware(RequestDelegate next, GatewayOptions options, ILogger<BrowserRequestMiddleware> logger)
{
    private const string Localhost = "localhost";

    // Where keys are required, a page that reaches the gateway under another name has none to send.
    private readonly bool _anyHost = options.AllowedHosts.Contains("*") || (options.AllowedHosts.Count == 0 && options.RequireApiKey);
    private readonly StringSegment[] _hosts = [.. options.AllowedHosts.Select(host => new StringSegment(host))];

    public Task InvokeAsync(HttpContext context)
    {
        // The header itself: HttpRequest.Host decodes internationalized names and throws if it cannot.
        var host = new HostString(context.Request.Headers.Host.ToString());
        if (!IsHostAllowed(host.Host) && !AffectHosting.IsProbe(context.Request.Path))
            return RejectAsync(context, RpcErrors.InvalidArgument("host", "Must be a name of the gateway; see AllowedHosts."));
        if (context.GetEndpoint()?.Metadata.GetMetadata<PublicApiMetadata>() is not null && !IsOriginAllowed(context.Request.Headers, host))
            return RejectAsync(context, RpcErrors.Status(StatusCode.PermissionDenied, "The page's origin is not allowed; see AllowedOrigins."));
        return next(context);
    }

    /// <summary>Addresses cannot be rebound, and <c>localhost</c> cannot be registered. Only programs send no host.</summary>
    private bool IsHostAllowed(string host)
    {
        var name = host.TrimEnd('.');
        return _anyHost || host.Length == 0 || IPAddress.TryParse(name, out _)
            || name.Equals(Localhost, StringComparison.OrdinalIgnoreCase) || name.EndsWith($".{Localhost}", StringComparison.OrdinalIgnoreCase)
            || HostString.MatchesAny(name, _hosts);
    }

    private bool IsOriginAllowed(IHeaderDictionary headers, HostString host) =>
        headers.Origin is not [{ } origin]
            // Browsers send no origin for what a page embeds, such as an image: https://www.w3.org/TR/fetch-metadata/
            ? headers.Origin.Count == 0 && (headers["Sec-Fetch-Site"] != "cross-site" || headers["Sec-Fetch-Mode"] == "navigate")
            // Compares host and port only: the scheme differs behind a proxy that terminates TLS.
            : (Uri.TryCreate(origin, UriKind.Absolute, out var uri) && uri.Host.Equals(host.Host, StringComparison.OrdinalIgnoreCase)
                    && (host.Port is { } port ? uri.Port == port : uri.IsDefaultPort))
                || options.AllowedOrigins.Contains(origin, StringComparer.OrdinalIgnoreCase);

    private Task RejectAsync(HttpContext context, RpcException error)
    {
        Log.RequestRejected(logger, context, error.Status.Detail);
        return context.WriteErrorAsync(error);
    }
}
