using Affect.Gateway.Calls;
using Affect.Gateway.Errors;
using Affect.Hosting;
using Grpc.Core;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.JsonWebTokens;

namespace Affect.Gateway.Access;

/// <summary>
/// Configures ASP.NET Core's bearer authentication (RFC 6750) for tokens of an identity provider, whose keys come from
/// OpenID Connect discovery. The token's subject is the client; its scopes are the client's.
/// </summary>
internal sealed class BearerTokenSetup(GatewayOptions gateway, IdentityProvider provider, ILogger<BearerTokenSetup> logger)
    : IConfigureNamedOptions<JwtBearerOptions>
{
    public const string SchemeName = "Bearer";

    private const string HeaderPrefix = "Bearer ";

    /// <summary>Carries the token of a browser's WebSocket, which cannot have headers.</summary>
    private const string SubprotocolPrefix = "affect.bearer.";

    /// <summary>True if a request carries a token.</summary>
    public static bool HasToken(HttpContext context) =>
        context.Request.Headers.Authorization.ToString().StartsWith(HeaderPrefix, StringComparison.OrdinalIgnoreCase)
        || CallSocket.GetSubprotocols(context, SubprotocolPrefix).Count > 0;

    public void Configure(string? name, JwtBearerOptions options)
    {
        options.Audience = gateway.Jwt.Audience;
        options.ConfigurationManager = provider;
        // Claims keep the token's names.
        options.MapInboundClaims = false;
        options.Events = new JwtBearerEvents
        {
            OnMessageReceived = LoadKeysAsync,
            OnTokenValidated = SetClient,
            OnChallenge = ChallengeAsync,
            OnForbidden = context => context.HttpContext.WriteForbiddenAsync(logger),
        };
    }

    public void Configure(JwtBearerOptions options) => Configure(Options.DefaultName, options);

    private async Task LoadKeysAsync(MessageReceivedContext context)
    {
        var http = context.HttpContext;
        context.Token = CallSocket.GetSubprotocols(http, SubprotocolPrefix) is [{ } token]
            ? token
            : http.Request.Headers.Authorization.ToString()[HeaderPrefix.Length..].Trim();
        try
        {
            await provider.LoadAsync(ReadKeyId(context.Token), http.RequestAborted);
        }
        catch (RpcException error)
        {
            http.Features.Set(new IdentityUnavailable(error));
            context.Fail(error);
        }
        catch (OperationCanceledException)
        {
            // The client disconnected.
            context.NoResult();
        }
    }

    /// <summary>Null also for a malformed token, which the handler rejects.</summary>
    private static string? ReadKeyId(string token)
    {
        try
        {
            return new JsonWebToken(token) is { Kid.Length: > 0 } parsed ? parsed.Kid : null;
        }
        catch (Exception)
        {
            return null;
        }
    }

    private Task SetClient(TokenValidatedContext context)
    {
        // RFC 7515, 4.1.11: a token is invalid if the recipient does not understand a parameter that it lists. None is understood here.
        if (context.SecurityToken is not JsonWebToken token || token.TryGetHeaderValue<object>("crit", out _))
            context.Fail("the token has critical header parameters");
        else if (context.Principal?.FindFirst("sub")?.Value is not { Length: > 0 } subject)
            context.Fail("the token has no subject");
        else
            // Key names cannot contain a colon, the configuration's separator: a subject never equals a key's name.
            context.HttpContext.Features.Set(new ClientIdentity($"jwt:{subject}", true, [], gateway.Jwt));
        return Task.CompletedTask;
    }

    private Task ChallengeAsync(JwtBearerChallengeContext context)
    {
        context.HandleResponse();
        var http = context.HttpContext;
        if (http.Features.Get<IdentityUnavailable>() is { } unavailable)
            return http.WriteErrorAsync(unavailable.Error);
        const string reason = "Invalid token.";
        Log.RequestRejected(logger, http, reason);
        if (!http.IsGrpc())
            context.Response.Headers.WWWAuthenticate = $"{SchemeName} realm=\"affect\", error=\"invalid_token\"";
        return http.WriteErrorAsync(RpcErrors.Status(StatusCode.Unauthenticated, reason));
    }

    /// <summary>Replaces ASP.NET Core's configuration section <c>Authentication</c>: <see cref="GatewayOptions"/> has all settings.</summary>
    public sealed class EmptyConfiguration : IAuthenticationConfigurationProvider
    {
        public IConfiguration AuthenticationConfiguration { get; } = new ConfigurationBuilder().Build();
    }
}

/// <summary>Feature of a request whose token cannot be validated because the provider has not answered yet.</summary>
internal sealed record IdentityUnavailable(RpcException Error);
