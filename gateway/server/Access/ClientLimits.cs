using System.Threading.RateLimiting;
using Affect.Gateway.Errors;
using Affect.Hosting;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.Extensions.Options;

namespace Affect.Gateway.Access;

/// <summary>
/// The limits of each client of the public API: a token bucket, which holds one minute's requests and refills evenly, and the number
/// of its concurrent calls, clips and event streams. The framework removes the limiters of a client that has sent nothing for 10 s and
/// whose bucket is full.
/// </summary>
internal sealed class ClientLimits(ILogger<ClientLimits> logger) : IConfigureOptions<RateLimiterOptions>
{
    private static readonly TimeSpan ConcurrencyRetryAfter = TimeSpan.FromSeconds(1);

    public void Configure(RateLimiterOptions options)
    {
        options.GlobalLimiter = PartitionedRateLimiter.CreateChained(
            PartitionedRateLimiter.Create<HttpContext, (string Client, ConcurrentResource Resource)>(GetConcurrency),
            PartitionedRateLimiter.Create<HttpContext, string>(GetRate));
        options.OnRejected = RejectAsync;
    }

    private static RateLimitPartition<(string Client, ConcurrentResource Resource)> GetConcurrency(HttpContext context)
    {
        if (context.GetEndpoint().GetResource() is not { } resource)
            return RateLimitPartition.GetNoLimiter<(string, ConcurrentResource)>(default);
        var limit = context.GetClient().Limits.GetConcurrency(resource);
        return RateLimitPartition.GetConcurrencyLimiter((context.GetPartitionKey(), resource), _ => new() { PermitLimit = limit });
    }

    private static RateLimitPartition<string> GetRate(HttpContext context)
    {
        if (!context.GetEndpoint().IsPublicApi())
            return RateLimitPartition.GetNoLimiter("");
        var limit = context.GetClient().Limits.RequestsPerMinute;
        return RateLimitPartition.GetTokenBucketLimiter(context.GetPartitionKey(), _ => new()
        {
            TokenLimit = limit,
            TokensPerPeriod = 1,
            ReplenishmentPeriod = TimeSpan.FromMinutes(1) / limit,
        });
    }

    private async ValueTask RejectAsync(OnRejectedContext rejected, CancellationToken cancellation)
    {
        var context = rejected.HttpContext;
        var limits = context.GetClient().Limits;
        // Only the lease of a token bucket has this metadata.
        var isRate = rejected.Lease.TryGetMetadata(MetadataName.RetryAfter, out var retryAfter);
        var reason = isRate || context.GetEndpoint().GetResource() is not { } resource
            ? $"Rate limit of {limits.RequestsPerMinute} requests per minute exceeded."
            : $"Limit of {limits.GetConcurrency(resource)} concurrent {Describe(resource)} exceeded.";
        Log.RequestRejected(logger, context, reason);
        await context.WriteErrorAsync(RpcErrors.ResourceExhausted(reason, isRate ? retryAfter : ConcurrencyRetryAfter));
    }

    private static string Describe(ConcurrentResource resource) => resource switch
    {
        ConcurrentResource.Clips => "clips",
        ConcurrentResource.Calls => "calls",
        _ => "event streams",
    };
}

/// <summary>Requests of which <see cref="LimitOptions"/> limits the concurrent number per client.</summary>
internal enum ConcurrentResource
{
    Clips,
    Calls,
    EventStreams,
}

/// <summary>Limits the concurrent requests of an endpoint per client, together with the other endpoints of the same resource.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class LimitConcurrencyAttribute(ConcurrentResource resource) : Attribute
{
    public ConcurrentResource Resource => resource;
}

/// <summary>Marks the endpoints that require keys and have limits. Other services in the same process have neither.</summary>
internal sealed class PublicApiMetadata;

internal static class ClientLimitsExtensions
{
    public static bool IsPublicApi(this Endpoint? endpoint) => endpoint?.Metadata.GetMetadata<PublicApiMetadata>() is not null;

    /// <summary>The resource whose concurrent use the endpoint counts; null if it counts none.</summary>
    public static ConcurrentResource? GetResource(this Endpoint? endpoint) => endpoint?.Metadata.GetMetadata<LimitConcurrencyAttribute>()?.Resource;

    public static int GetConcurrency(this LimitOptions limits, ConcurrentResource resource) => resource switch
    {
        ConcurrentResource.Clips => limits.MaxConcurrentClips,
        ConcurrentResource.Calls => limits.MaxConcurrentCalls,
        _ => limits.MaxEventStreams,
    };
}
