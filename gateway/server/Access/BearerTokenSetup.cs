using Affect.Gateway.Calls;
using Affect.Gateway.Errors;
using Affect.Hosting;
using Grpc.Core;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.Extensions.Options;

namespace Affect.Gateway.Access;

/// <summary>
/// Configures ASP.NET Core's bearer authentication (RFC 6750) for tokens of an identity provider, whose keys come from
/// OpenID Connect discovery. The token's subject is the client; its scopes are the client's.
/// </summary>
internal sealed class BearerTokenSetup(GatewayOptions gateway, ILogger<BearerTokenSetup> logger) : IConfigureNamedOptions<JwtBearerOptions>
{
    public const string SchemeName = "Bearer";

    /// <summary>Carries the token of a browser's WebSocket, which cannot have headers.</summary>
    private const string SubprotocolPrefix = "affect.bearer.";

    /// <summary>True if a request carries a token rather than a key.</summary>
    public static bool HasToken(HttpContext context) =>
        context.Request.Headers.Authorization.ToString().StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase)
        || CallSocket.GetSubprotocols(context, SubprotocolPrefix).Count > 0;

    public void Configure(string? name, JwtBearerOptions options)
    {
        var jwt = gateway.Jwt;
        options.Authority = jwt.Authority;
        options.Audience = jwt.Audience;
        options.RequireHttpsMetadata = !new Uri(jwt.Authority).IsLoopback;
        // Claims keep the token's names.
        options.MapInboundClaims = false;
        options.Events = new JwtBearerEvents
        {
            OnMessageReceived = ReadSubprotocol,
            OnTokenValidated = SetClient,
            OnChallenge = ChallengeAsync,
            OnForbidden = context => context.HttpContext.WriteForbiddenAsync(logger),
        };
    }

    public void Configure(JwtBearerOptions options) => Configure(Options.DefaultName, options);

    private static Task ReadSubprotocol(MessageReceivedContext context)
    {
        if (CallSocket.GetSubprotocols(context.HttpContext, SubprotocolPrefix) is [{ } token])
            context.Token = token;
        return Task.CompletedTask;
    }

    private Task SetClient(TokenValidatedContext context)
    {
        if (context.Principal?.FindFirst("sub")?.Value is not { Length: > 0 } subject)
            context.Fail("the token has no subject");
        else
            // Key names cannot contain a colon, the configuration's separator: a subject never equals a key's name.
            context.HttpContext.Features.Set(
                new ClientIdentity($"jwt:{subject}", true, [], gateway.Jwt.RequestsPerMinute, gateway.Jwt.MaxRequestBytes));
        return Task.CompletedTask;
    }

    private Task ChallengeAsync(JwtBearerChallengeContext context)
    {
        context.HandleResponse();
        const string reason = "Invalid token.";
        Log.RequestRejected(logger, context.HttpContext, reason);
        if (!context.HttpContext.IsGrpc())
            context.Response.Headers.WWWAuthenticate = $"{SchemeName} realm=\"affect\", error=\"invalid_token\"";
        return context.HttpContext.WriteErrorAsync(RpcErrors.Status(StatusCode.Unauthenticated, reason));
    }

    /// <summary>Replaces ASP.NET Core's configuration section <c>Authentication</c>: <see cref="GatewayOptions"/> has all settings.</summary>
    public sealed class EmptyConfiguration : IAuthenticationConfigurationProvider
    {
        public IConfiguration AuthenticationConfiguration { get; } = new ConfigurationBuilder().Build();
    }
}
