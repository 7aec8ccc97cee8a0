using System.Security.Claims;
using System.Text.Encodings.Web;
using Affect.Gateway.Calls;
using Affect.Gateway.Errors;
using Affect.Hosting;
using Grpc.Core;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Options;

namespace Affect.Gateway.Access;

/// <summary>
/// ASP.NET's authentication by the header <c>x-api-key</c>, which is gRPC's metadata of that name too; a browser, which
/// cannot set headers on a WebSocket, offers the subprotocol <c>affect.key.KEY</c> instead.
/// Puts the <see cref="Caller"/> where the limits find it.
/// </summary>
internal sealed class ApiKeyHandler(
    Callers callers, IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory loggers, UrlEncoder encoder)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, loggers, encoder)
{
    public const string Header = "x-api-key";
    public const string SchemeName = "ApiKey";

    private const string SubprotocolPrefix = "affect.key.";

    protected override Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var keys = Request.Headers[Header];
        if (keys.Count == 0)
            keys = CallSocket.Offered(Context, SubprotocolPrefix);
        if (keys.Count == 0)
            return Task.FromResult(AuthenticateResult.NoResult());
        if (keys.Count > 1 || callers.Find(keys[0]!) is not { } caller)
            return Task.FromResult(AuthenticateResult.Fail("unknown key"));
        Context.Features.Set(caller);
        var identity = new ClaimsIdentity(
            [new Claim(ClaimTypes.Name, caller.Name), .. caller.Scopes.Select(scope => new Claim(Scopes.Claim, scope))], SchemeName);
        return Task.FromResult(AuthenticateResult.Success(new(new ClaimsPrincipal(identity), SchemeName)));
    }

    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        var reason = Request.Headers.ContainsKey(Header) ? $"the key in {Header} is unknown" : $"{Header} is missing";
        Log.RequestRefused(Logger, Context, reason);
        // RFC 9110, 11.6.1: a 401 says how to do better.
        if (!Context.IsGrpc())
            Response.Headers.WWWAuthenticate = $"{SchemeName} realm=\"affect\", header=\"{Header}\"";
        return Context.RefuseAsync(RpcErrors.Status(StatusCode.Unauthenticated, reason));
    }

    protected override Task HandleForbiddenAsync(AuthenticationProperties properties) => Context.RefuseScopeAsync(Logger);
}

internal static class CallerFeature
{
    /// <summary>Tells a caller that is known that this is not for it.</summary>
    public static Task RefuseScopeAsync(this HttpContext context, ILogger logger)
    {
        const string reason = "the key or token lacks the scope for this";
        Log.RequestRefused(logger, context, reason);
        return context.RefuseAsync(RpcErrors.Status(StatusCode.PermissionDenied, reason));
    }

    /// <summary>Who calls: found by the key, or anonymous.</summary>
    public static Caller Caller(this HttpContext context) =>
        context.Features.Get<Caller>() ?? context.RequestServices.GetRequiredService<Callers>().Anonymous;
}
