using Affect.Hosting;
using Google.Rpc;
using Grpc.Core;

namespace Affect.Client;

/// <summary>An invalid field of a request.</summary>
/// <param name="Field">Path in the request: "clip.audio", "clip.images[2]".</param>
/// <param name="Description">The expected value.</param>
public sealed record FieldViolation(string Field, string Description);

/// <summary>The server rejected a request or is unreachable.</summary>
public sealed class AffectException : Exception
{
    internal AffectException(RpcException cause)
        : base(Describe(cause), cause)
    {
        StatusCode = cause.IsLost() ? StatusCode.Unavailable : cause.StatusCode;
        var status = cause.GetRpcStatus();
        FieldViolations = status?.GetDetail<BadRequest>()?.FieldViolations
            .Select(violation => new FieldViolation(violation.Field, violation.Description)).ToList() ?? [];
        RetryAfter = status?.GetDetail<RetryInfo>()?.RetryDelay?.ToTimeSpan();
    }

    /// <summary>
    /// INVALID_ARGUMENT, UNAUTHENTICATED, RESOURCE_EXHAUSTED, NOT_FOUND, DEADLINE_EXCEEDED, UNAVAILABLE
    /// (no service could answer) or INTERNAL.
    /// </summary>
    public StatusCode StatusCode { get; }

    /// <summary>The invalid fields; empty unless the status is INVALID_ARGUMENT.</summary>
    public IReadOnlyList<FieldViolation> FieldViolations { get; }

    /// <summary>The delay before a retry that the server asks for; null if it does not.</summary>
    public TimeSpan? RetryAfter { get; }

    private static string Describe(RpcException cause) => cause.StatusCode switch
    {
        StatusCode.DeadlineExceeded => "the server did not answer in time",
        _ when IsHttp1(cause.Status.DebugException) => "the server does not speak HTTP/2 on this port; gRPC is on the next one, 8081 by default",
        // InnerException has the transport's message ("Error starting gRPC call. HttpRequestException: ...").
        _ when cause.IsLost() && cause.GetRpcStatus() is null => "the server cannot be reached",
        _ => cause.Status.Detail,
    };

    /// <summary>
    /// True if the server speaks HTTP/1.1: Kestrel answers the preface of HTTP/2 with HTTP_1_1_REQUIRED, other servers answer with text, which
    /// is a PROTOCOL_ERROR, and over TLS the versions are negotiated.
    /// </summary>
    private static bool IsHttp1(Exception? exception)
    {
        const long protocolError = 0x1, http11Required = 0xD; // RFC 9113, section 7
        for (; exception is not null; exception = exception.InnerException)
            if (exception is HttpProtocolException { ErrorCode: protocolError or http11Required } or
                HttpRequestException { HttpRequestError: HttpRequestError.VersionNegotiationError })
                return true;
        return false;
    }
}
