using Grpc.Core;
using Grpc.Core.Interceptors;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace Affect.Hosting;

/// <summary>
/// The one place where exceptions become statuses. What a service throws on purpose (RpcException)
/// passes; a caller that went away is CANCELLED; anything else is logged and becomes INTERNAL, without its text.
/// </summary>
internal sealed class ErrorInterceptor(ILogger<ErrorInterceptor> logger) : Interceptor
{
    public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        try
        {
            return await continuation(request, context);
        }
        catch (Exception exception) when (exception is not RpcException)
        {
            throw ToStatus(exception, context);
        }
    }

    public override async Task ServerStreamingServerHandler<TRequest, TResponse>(
        TRequest request, IServerStreamWriter<TResponse> responses, ServerCallContext context,
        ServerStreamingServerMethod<TRequest, TResponse> continuation)
    {
        try
        {
            await continuation(request, responses, context);
        }
        catch (Exception exception) when (exception is not RpcException)
        {
            throw ToStatus(exception, context);
        }
    }

    public override async Task DuplexStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requests, IServerStreamWriter<TResponse> responses, ServerCallContext context,
        DuplexStreamingServerMethod<TRequest, TResponse> continuation)
    {
        try
        {
            await continuation(requests, responses, context);
        }
        catch (Exception exception) when (exception is IOException or ConnectionAbortedException)
        {
            // A read told of the lost connection before the call's token did.
            throw RpcErrors.Status(StatusCode.Cancelled, "the caller went away");
        }
        catch (Exception exception) when (exception is not RpcException)
        {
            throw ToStatus(exception, context);
        }
    }

    private RpcException ToStatus(Exception exception, ServerCallContext context)
    {
        // A client that resets its stream shows first where its messages are read (an IOException of Kestrel's), then in the
        // request, and only then in the call's own token, which grpc-dotnet links to it.
        if (exception is IOException || context.CancellationToken.IsCancellationRequested || context.GetHttpContext().RequestAborted.IsCancellationRequested)
            return context.Deadline < DateTime.UtcNow
                ? RpcErrors.Status(StatusCode.DeadlineExceeded, "the deadline passed")
                : RpcErrors.Status(StatusCode.Cancelled, "the caller went away");
        Log.CallFailed(logger, context.Method, exception);
        return RpcErrors.Status(StatusCode.Internal, "an internal error; the log has it");
    }
}
