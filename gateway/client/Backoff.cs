using Grpc.Core;
using Grpc.Net.Client.Configuration;

namespace Affect.Client;

/// <summary>Exponential backoff of requests and of calls that are resumed.</summary>
internal static class Backoff
{
    public static readonly TimeSpan Initial = TimeSpan.FromMilliseconds(200);
    public static readonly TimeSpan Max = TimeSpan.FromSeconds(2);

    private const double Multiplier = 2;

    // Shorter than for requests: a conversation continues while its call is resumed.
    private static readonly TimeSpan InitialOfCall = TimeSpan.FromMilliseconds(100);

    /// <summary>The delay before a call is resumed, with jitter, so that the calls of a failed server do not all return at the same time.</summary>
    /// <param name="attempt">From 1.</param>
    public static TimeSpan GetCallDelay(int attempt) =>
        TimeSpan.FromSeconds(Math.Min(InitialOfCall.TotalSeconds * Math.Pow(Multiplier, attempt - 1), Max.TotalSeconds))
        * (0.5 + Random.Shared.NextDouble() / 2);

    /// <summary>The policy of requests that gRPC itself retries: those that reached no server.</summary>
    public static RetryPolicy CreateRetryPolicy(int maxAttempts) => new()
    {
        MaxAttempts = maxAttempts,
        InitialBackoff = Initial,
        BackoffMultiplier = Multiplier,
        MaxBackoff = Max,
        RetryableStatusCodes = { StatusCode.Unavailable },
    };
}
