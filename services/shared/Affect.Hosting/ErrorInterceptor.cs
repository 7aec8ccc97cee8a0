using Grpc.Core;
using Grpc.Core.Interceptors;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace Affect.Hosting;

/// <summary>
/// Maps exceptions to statuses. An <see cref="RpcException"/> passes unchanged; a client that disconnected is CANCELLED;
/// anything else is logged and becomes INTERNAL, without its text.
/// </summary>
internal sealed class ErrorInterceptor(HostingMetrics metrics, ILogger<ErrorInterceptor> logger) : Interceptor
{
    public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        MalformedMessages.SetRead(context);
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
        MalformedMessages.SetRead(context);
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
        MalformedMessages.SetRead(context);
        try
        {
            await continuation(new MalformedMessages.StreamReader<TRequest>(requests, metrics), responses, context);
        }
        catch (Exception exception) when (exception is IOException or ConnectionAbortedException)
        {
            // A read can report the lost connection before the request's token fires.
            throw RpcErrors.Status(StatusCode.Cancelled, "the client disconnected");
        }
        catch (Exception exception) when (exception is not RpcException)
        {
            throw ToStatus(exception, context);
        }
    }

    private RpcException ToStatus(Exception exception, ServerCallContext context)
    {
        // A client that resets its stream shows first where its messages are read (an IOException of Kestrel), then in
        // RequestAborted, and last in the token of the gRPC call, which grpc-dotnet links to it.
        if (exception is IOException || context.CancellationToken.IsCancellationRequested || context.GetHttpContext().RequestAborted.IsCancellationRequested)
            return context.Deadline < DateTime.UtcNow
                ? RpcErrors.Status(StatusCode.DeadlineExceeded, "the deadline expired")
                : RpcErrors.Status(StatusCode.Cancelled, "the client disconnected");
        Log.RequestFailed(logger, context.Method, exception);
        return RpcErrors.Status(StatusCode.Internal, "internal error; see the service log");
    }
}
