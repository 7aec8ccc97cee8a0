using Affect.Hosting;
using Google.Rpc;
using Grpc.Core;

namespace Affect.Gateway.Errors;

/// <summary>Turns errors of requests to fusion into errors for clients.</summary>
internal static class FusionErrors
{
    /// <summary>
    /// Keeps the statuses and details that fusion addresses to clients. Removes everything else: what the channel reports
    /// names hosts and sockets.
    /// </summary>
    public static RpcException ToClientError(RpcException exception)
    {
        if (exception.GetRpcStatus() is { } original
            && (StatusCode)original.Code
                is StatusCode.InvalidArgument or StatusCode.FailedPrecondition or StatusCode.ResourceExhausted or StatusCode.Unavailable)
        {
            var status = new Google.Rpc.Status { Code = original.Code, Message = original.Message };
            foreach (var detail in original.Details)
                if (detail.Is(BadRequest.Descriptor) || detail.Is(RetryInfo.Descriptor))
                    status.Details.Add(detail);
            return status.ToRpcException();
        }
        return exception.StatusCode switch
        {
            StatusCode.DeadlineExceeded => RpcErrors.Status(StatusCode.DeadlineExceeded, "Deadline exceeded."),
            _ when exception.IsLost() => RpcErrors.Status(StatusCode.Unavailable, "The service is unavailable; try again later."),
            _ => RpcErrors.Status(StatusCode.Internal, "Internal error."),
        };
    }
}
