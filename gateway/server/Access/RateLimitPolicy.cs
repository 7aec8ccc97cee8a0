using System.Threading.RateLimiting;
using Affect.Gateway.Errors;
using Affect.Hosting;
using Microsoft.AspNetCore.RateLimiting;

namespace Affect.Gateway.Access;

/// <summary>
/// A token bucket per key or token subject, and per remote address of anonymous clients. The bucket holds one minute's
/// requests and refills evenly.
/// </summary>
internal sealed class RateLimitPolicy(ILogger<RateLimitPolicy> logger) : IRateLimiterPolicy<string>
{
    public const string Name = "gateway";

    public RateLimitPartition<string> GetPartition(HttpContext httpContext)
    {
        var client = httpContext.GetClient();
        return RateLimitPartition.GetTokenBucketLimiter(httpContext.GetPartitionKey(), _ => new TokenBucketRateLimiterOptions
        {
            TokenLimit = client.RequestsPerMinute,
            TokensPerPeriod = 1,
            ReplenishmentPeriod = TimeSpan.FromMinutes(1) / client.RequestsPerMinute,
            QueueLimit = 0,
        });
    }

    public Func<OnRejectedContext, CancellationToken, ValueTask> OnRejected => async (rejected, _) =>
    {
        var client = rejected.HttpContext.GetClient();
        var retryAfter = rejected.Lease.TryGetMetadata(MetadataName.RetryAfter, out var after)
            ? after
            : TimeSpan.FromMinutes(1) / client.RequestsPerMinute;
        var reason = $"Rate limit of {client.RequestsPerMinute} requests per minute exceeded.";
        Log.RequestRejected(logger, rejected.HttpContext, reason);
        await rejected.HttpContext.WriteErrorAsync(RpcErrors.ResourceExhausted(reason, retryAfter));
    };
}
