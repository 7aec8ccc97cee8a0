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
/// Authenticates by the header <c>x-api-key</c>, or the gRPC metadata of that name. A browser cannot set headers on a
/// WebSocket and offers the subprotocol <c>affect.key.KEY</c> instead. Sets the <see cref="ClientIdentity"/> feature.
/// </summary>
internal sealed class ApiKeyHandler(
    ApiKeyStore keys, IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory loggers, UrlEncoder encoder)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, loggers, encoder)
{
    public const string Header = "x-api-key";
    public const string SchemeName = "ApiKey";

    private const string SubprotocolPrefix = "affect.key.";

    /// <summary>True if a request carries a key.</summary>
    public static bool HasKey(HttpContext context) =>
        context.Request.Headers.ContainsKey(Header) || CallSocket.GetSubprotocols(context, SubprotocolPrefix).Count > 0;

    protected override Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var values = Request.Headers[Header];
        if (values.Count == 0)
            values = CallSocket.GetSubprotocols(Context, SubprotocolPrefix);
        if (values.Count == 0)
            return Task.FromResult(AuthenticateResult.NoResult());
        if (values.Count > 1 || keys.Find(values[0]!) is not { } client)
            return Task.FromResult(AuthenticateResult.Fail("unknown key"));
        Context.Features.Set(client);
        var identity = new ClaimsIdentity(
            [new Claim(ClaimTypes.Name, client.Name), .. client.Scopes.Select(scope => new Claim(Scopes.Claim, scope))], SchemeName);
        return Task.FromResult(AuthenticateResult.Success(new(new ClaimsPrincipal(identity), SchemeName)));
    }

    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        var reason = Request.Headers.ContainsKey(Header) ? $"Unknown key in {Header}." : $"{Header} is required.";
        Log.RequestRejected(Logger, Context, reason);
        // RFC 9110, 11.6.1: a 401 response must name a challenge.
        if (!Context.IsGrpc())
            Response.Headers.WWWAuthenticate = $"{SchemeName} realm=\"affect\", header=\"{Header}\"";
        return Context.WriteErrorAsync(RpcErrors.Status(StatusCode.Unauthenticated, reason));
    }

    protected override Task HandleForbiddenAsync(AuthenticationProperties properties) => Context.WriteForbiddenAsync(Logger);
}
