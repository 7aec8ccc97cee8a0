using System.Security.Claims;
using Microsoft.AspNetCore.Authorization;
using Microsoft.Extensions.Options;

namespace Affect.Gateway.Access;

/// <summary>What a key or a token lets its holder do.</summary>
internal static class Scopes
{
    /// <summary>Clips, and what is known of the models.</summary>
    public const string Analyze = "analyze";

    /// <summary>Calls, and the events of one's own.</summary>
    public const string Stream = "stream";

    /// <summary>The events of everybody's calls.</summary>
    public const string Admin = "admin";

    public static readonly string[] All = [Analyze, Stream, Admin];

    /// <summary>What a key may that names none.</summary>
    public static readonly string[] Default = [Analyze, Stream];

    /// <summary>As keys say, and as tokens do: one claim with all of them (RFC 8693, 4.2), or several.</summary>
    public const string Claim = "scope", ShortClaim = "scp";

    /// <summary>A policy for each scope, by its name. Where keys are not required, all but admin are everybody's.</summary>
    public sealed class Policies(GatewayOptions options) : IConfigureOptions<AuthorizationOptions>
    {
        public void Configure(AuthorizationOptions authorization)
        {
            foreach (var scope in All)
            {
                var free = !options.RequireApiKey && scope != Admin;
                authorization.AddPolicy(scope, policy => policy.RequireAssertion(context => free || context.User.HasScope(scope)));
            }
        }
    }

    private static bool HasScope(this ClaimsPrincipal user, string scope) =>
        user.Claims.Any(claim => claim.Type is Claim or ShortClaim && claim.Value.Split(' ').Contains(scope));
}
