using System.Threading.RateLimiting;
using Affect.Gateway.Errors;
using Affect.Hosting;
using Microsoft.AspNetCore.RateLimiting;

namespace Affect.Gateway.Access;

/// <summary>
/// A bucket of tokens for each key, and for each remote address that calls without one: a minute's calls
/// may come at once, then they come back one by one.
/// </summary>
internal sealed class RateLimit(ILogger<RateLimit> logger) : IRateLimiterPolicy<string>
{
    public const string Policy = "gateway";

    public RateLimitPartition<string> GetPartition(HttpContext httpContext)
    {
        var caller = httpContext.Caller();
        return RateLimitPartition.GetTokenBucketLimiter(Partition(httpContext, caller), _ => new TokenBucketRateLimiterOptions
        {
            TokenLimit = caller.RequestsPerMinute,
            TokensPerPeriod = 1,
            ReplenishmentPeriod = TimeSpan.FromMinutes(1) / caller.RequestsPerMinute,
            QueueLimit = 0,
        });
    }

    public Func<OnRejectedContext, CancellationToken, ValueTask> OnRejected => async (rejected, _) =>
    {
        var caller = rejected.HttpContext.Caller();
        var retryAfter = rejected.Lease.TryGetMetadata(MetadataName.RetryAfter, out var after)
            ? after
            : TimeSpan.FromMinutes(1) / caller.RequestsPerMinute;
        var reason = $"more than {caller.RequestsPerMinute} calls in a minute";
        Log.RequestRefused(logger, rejected.HttpContext, reason);
        await rejected.HttpContext.RefuseAsync(RpcErrors.ResourceExhausted(reason, retryAfter));
    };

    // No name of a key looks like an address: the prefixes keep them apart.
    private static string Partition(HttpContext context, Caller caller) =>
        caller.IsKnown ? $"key {caller.Name}" : $"address {context.Connection.RemoteIpAddress}";
}
