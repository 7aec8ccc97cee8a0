using Grpc.Core;

namespace Affect.Hosting;

/// <summary>Tells requests that were lost on their way from requests that a server has answered.</summary>
/// <remarks>Compiled into the client SDK as well, which does not reference Affect.Hosting.</remarks>
internal static class LostRequests
{
    /// <summary>
    /// True if the request may be repeated, or the call resumed, because a server could not answer it: the server itself is UNAVAILABLE
    /// or lost its client (CANCELLED), or the channel produced the status. The channel maps a broken connection to several codes, with
    /// the exception. Its load balancer fails requests with INTERNAL "Unknown error.", without an exception, if the addresses of a
    /// name change while none is connected. The servers of Affect send google.rpc.Status with each error, so that an INTERNAL of
    /// theirs is distinct; errors that gRPC itself returns without details, such as UNIMPLEMENTED or RESOURCE_EXHAUSTED for a large
    /// message, have other codes.
    /// </summary>
    public static bool IsLost(this RpcException exception) => exception.StatusCode switch
    {
        StatusCode.Unavailable or StatusCode.Cancelled => true,
        StatusCode.DeadlineExceeded => false,
        _ when exception.Status.DebugException is not null => true,
        StatusCode.Internal => exception.GetRpcStatus() is null,
        _ => false,
    };
}
