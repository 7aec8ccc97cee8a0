using Google.Rpc;
using Grpc.Core;

namespace Affect.Client;

/// <summary>A field of a request that the server refused.</summary>
/// <param name="Field">Path in the request, "clip.audio" or "clip.images[2]".</param>
/// <param name="Description">What is wrong with it, and what would be right.</param>
public sealed record FieldViolation(string Field, string Description);

/// <summary>The server refused a call, or could not be reached.</summary>
public sealed class AffectException : Exception
{
    internal AffectException(RpcException cause)
        : base(Describe(cause.Status), cause)
    {
        StatusCode = cause.StatusCode;
        var status = cause.GetRpcStatus();
        FieldViolations = status?.GetDetail<BadRequest>()?.FieldViolations
            .Select(violation => new FieldViolation(violation.Field, violation.Description)).ToList() ?? [];
        RetryAfter = status?.GetDetail<RetryInfo>()?.RetryDelay?.ToTimeSpan();
    }

    /// <summary>
    /// INVALID_ARGUMENT, UNAUTHENTICATED, RESOURCE_EXHAUSTED, NOT_FOUND, DEADLINE_EXCEEDED, UNAVAILABLE
    /// (nothing could answer) or INTERNAL.
    /// </summary>
    public StatusCode StatusCode { get; }

    /// <summary>What is wrong with the request; empty unless the status is INVALID_ARGUMENT.</summary>
    public IReadOnlyList<FieldViolation> FieldViolations { get; }

    /// <summary>How long the server asks to wait before another try; null where it does not say.</summary>
    public TimeSpan? RetryAfter { get; }

    private static string Describe(Grpc.Core.Status status) => status.StatusCode switch
    {
        // What the transport has to say instead ("Error starting gRPC call. HttpRequestException: ...") is in InnerException.
        StatusCode.Unavailable when status.DebugException is not null => "the server cannot be reached",
        StatusCode.DeadlineExceeded => "the server did not answer in time",
        _ => status.Detail,
    };
}
