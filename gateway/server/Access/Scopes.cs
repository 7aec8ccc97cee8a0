using System.Security.Claims;
using Microsoft.AspNetCore.Authorization;
using Microsoft.Extensions.Options;

namespace Affect.Gateway.Access;

/// <summary>The scopes that a key or token may have.</summary>
internal static class Scopes
{
    /// <summary>Clips and models.</summary>
    public const string Analyze = "analyze";

    /// <summary>Calls, and the events of the tenant's own calls.</summary>
    public const string Stream = "stream";

    /// <summary>The events of every tenant's calls.</summary>
    public const string Admin = "admin";

    /// <summary>Claim types: one claim with all scopes (RFC 8693, 4.2), or one claim per scope.</summary>
    public const string Claim = "scope", ShortClaim = "scp";

    public static readonly string[] All = [Analyze, Stream, Admin];

    /// <summary>The scopes of a key that is configured without any.</summary>
    public static readonly string[] Default = [Analyze, Stream];

    /// <summary>
    /// Adds a policy per scope. Where keys are not required, every scope except admin is open to all; a token that cannot be
    /// validated now is rejected all the same, because its calls would be another tenant's.
    /// </summary>
    public sealed class Policies(GatewayOptions options) : IConfigureOptions<AuthorizationOptions>
    {
        public void Configure(AuthorizationOptions authorization)
        {
            foreach (var scope in All)
            {
                var open = !options.RequireApiKey && scope != Admin;
                authorization.AddPolicy(scope, policy => policy.RequireAssertion(context =>
                    (open && (context.Resource as HttpContext)?.Features.Get<IdentityUnavailable>() is null) || context.User.HasScope(scope)));
            }
        }
    }

    private static bool HasScope(this ClaimsPrincipal user, string scope) =>
        user.Claims.Any(claim => claim.Type is Claim or ShortClaim && claim.Value.Split(' ').Contains(scope));
}
