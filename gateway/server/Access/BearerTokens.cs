using Affect.Gateway.Calls;
using Affect.Gateway.Errors;
using Affect.Hosting;
using Grpc.Core;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.Extensions.Options;

namespace Affect.Gateway.Access;

/// <summary>
/// Tokens of an identity provider beside keys: ASP.NET's bearer authentication (RFC 6750), which gets the provider's
/// keys by OpenID Connect discovery. Who calls is the token's subject, and may what its scopes say.
/// </summary>
internal sealed class BearerTokens(GatewayOptions gateway, ILogger<BearerTokens> logger) : IConfigureNamedOptions<JwtBearerOptions>
{
    public const string SchemeName = "Bearer";

    /// <summary>Where a browser puts a token for a WebSocket, whose headers it cannot set.</summary>
    private const string SubprotocolPrefix = "affect.bearer.";

    /// <summary>Whether a call brings a token, not a key.</summary>
    public static bool In(HttpContext context) =>
        context.Request.Headers.Authorization.ToString().StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase)
        || CallSocket.Offered(context, SubprotocolPrefix).Count > 0;

    public void Configure(string? name, JwtBearerOptions options)
    {
        var jwt = gateway.Jwt;
        options.Authority = jwt.Authority;
        options.Audience = jwt.Audience;
        options.RequireHttpsMetadata = !new Uri(jwt.Authority).IsLoopback;
        // Claims keep the names that the token has.
        options.MapInboundClaims = false;
        options.Events = new JwtBearerEvents
        {
            OnMessageReceived = context =>
            {
                if (CallSocket.Offered(context.HttpContext, SubprotocolPrefix) is [{ } token])
                    context.Token = token;
                return Task.CompletedTask;
            },
            OnTokenValidated = context =>
            {
                if (context.Principal?.FindFirst("sub")?.Value is not { Length: > 0 } subject)
                    context.Fail("the token names no subject");
                else
                    // No name of a key has a colon, which separates levels of configuration.
                    context.HttpContext.Features.Set(new Caller($"jwt:{subject}", true, [], jwt.RequestsPerMinute, jwt.MaxRequestBytes));
                return Task.CompletedTask;
            },
            OnChallenge = context =>
            {
                context.HandleResponse();
                const string reason = "the token is not valid here";
                Log.RequestRefused(logger, context.HttpContext, reason);
                if (!context.HttpContext.IsGrpc())
                    context.Response.Headers.WWWAuthenticate = $"{SchemeName} realm=\"affect\", error=\"invalid_token\"";
                return context.HttpContext.RefuseAsync(RpcErrors.Status(StatusCode.Unauthenticated, reason));
            },
            OnForbidden = context => context.HttpContext.RefuseScopeAsync(logger),
        };
    }

    public void Configure(JwtBearerOptions options) => Configure(Options.DefaultName, options);

    /// <summary>Settings of ASP.NET's own section <c>Authentication</c>, which JwtBearer asks for: there are none but ours.</summary>
    public sealed class NoSettings : IAuthenticationConfigurationProvider
    {
        public IConfiguration AuthenticationConfiguration { get; } = new ConfigurationBuilder().Build();
    }
}
