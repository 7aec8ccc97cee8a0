using System.Buffers;
using System.Net.WebSockets;
using System.Text;
using System.Threading.Channels;
using Affect.Gateway.Access;
using Affect.Gateway.Errors;
using Affect.Hosting;
using Affect.V1;
using Grpc.Core;
using Microsoft.Extensions.Primitives;

namespace Affect.Gateway.Calls;

/// <summary>
/// EmotionService.AnalyzeStream over a WebSocket, for browsers. One task receives for the lifetime of the socket, so that a
/// disconnect is noticed; a message waits until the relay takes it, which slows the client down.
/// </summary>
internal sealed class CallSocket(WebSocket socket)
{
    private const string Protocol = "affect.v1";
    private const int InitialBufferBytes = 4096;

    /// <summary>Time for the client's close frame.</summary>
    private static readonly TimeSpan CloseTimeout = TimeSpan.FromSeconds(5);

    private readonly Channel<AnalyzeStreamRequest> _requests = Channel.CreateBounded<AnalyzeStreamRequest>(1);

    /// <summary>The requested subprotocols with a prefix, without the prefix; empty if the request is not a WebSocket upgrade.</summary>
    public static StringValues GetSubprotocols(HttpContext context, string prefix) => !context.WebSockets.IsWebSocketRequest
        ? StringValues.Empty
        : context.WebSockets.WebSocketRequestedProtocols.Where(protocol => protocol.StartsWith(prefix, StringComparison.Ordinal))
            .Select(protocol => protocol[prefix.Length..]).ToArray();

    /// <summary>Accepts a WebSocket and returns when its call has ended.</summary>
    [LimitConcurrency(ConcurrentResource.Calls)]
    public static async Task<IResult> AcceptAsync(HttpContext context, CallRelay relay, ILogger<CallSocket> logger)
    {
        if (!context.WebSockets.IsWebSocketRequest)
        {
            context.Response.Headers.Upgrade = "websocket";
            await context.WriteErrorAsync(
                RpcErrors.Status(StatusCode.FailedPrecondition, "This endpoint requires a WebSocket upgrade."),
                StatusCodes.Status426UpgradeRequired);
            return Results.Empty;
        }
        var offered = context.WebSockets.WebSocketRequestedProtocols;
        if (offered.Count > 0 && !offered.Contains(Protocol))
            throw RpcErrors.InvalidArgument("Sec-WebSocket-Protocol", $"Must include {Protocol}.");

        using var socket = await context.WebSockets.AcceptWebSocketAsync(offered.Count > 0 ? Protocol : null);
        await new CallSocket(socket).RunAsync(relay, context, logger);
        return Results.Empty;
    }

    private async Task RunAsync(CallRelay relay, HttpContext context, ILogger logger)
    {
        using var closed = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        var receiving = ReceiveAsync(closed, context.Request.Path, logger);
        RpcException? error = null;
        try
        {
            await relay.RunAsync(context, _requests.Reader.ReadAllAsync(CancellationToken.None), SendAsync, closed.Token);
        }
        catch (Exception) when (closed.IsCancellationRequested)
        {
            // The client disconnected: an error has no reader.
        }
        catch (WebSocketException)
        {
            // The connection was lost while a response was sent.
            await closed.CancelAsync();
        }
        catch (RpcException exception)
        {
            error = exception;
        }
        catch (Exception exception)
        {
            Log.RequestFailed(logger, context.Request.Path, exception);
            error = RpcErrors.Status(StatusCode.Internal, "Internal error.");
        }
        _requests.Writer.TryComplete();
        await CloseAsync(error, receiving);

        Task SendAsync(AnalyzeStreamResponse response) =>
            socket.SendAsync(Encoding.UTF8.GetBytes(ProtoJson.Format(response)), WebSocketMessageType.Text, endOfMessage: true, closed.Token);
    }

    /// <summary>Receives until the client closes. Drops messages after the half-close or an invalid message.</summary>
    private async Task ReceiveAsync(CancellationTokenSource closed, string path, ILogger logger)
    {
        var buffer = new byte[InitialBufferBytes];
        var (configured, accepting) = (false, true);
        try
        {
            while (true)
            {
                var (type, length) = await ReceiveMessageAsync();
                if (type == WebSocketMessageType.Close)
                    break;
                if (!accepting)
                    continue;
                try
                {
                    accepting = Parse(type, buffer.AsMemory(0, Math.Min(length, buffer.Length)), length) is { } request
                        && await EnqueueAsync(request);
                    if (!accepting)
                        _requests.Writer.TryComplete();
                }
                catch (RpcException error)
                {
                    accepting = false;
                    _requests.Writer.TryComplete(error);
                }
            }
        }
        catch (Exception exception) when (exception is WebSocketException or OperationCanceledException or IOException)
        {
            // The connection was lost, or CloseAsync aborted it.
        }
        catch (Exception exception)
        {
            Log.RequestFailed(logger, path, exception);
            _requests.Writer.TryComplete(RpcErrors.Status(StatusCode.Internal, "Internal error."));
            return;
        }
        await closed.CancelAsync();

        async Task<(WebSocketMessageType Type, int Length)> ReceiveMessageAsync()
        {
            var length = 0;
            while (true)
            {
                // The rest of a message that is too large is read and discarded.
                if (length == buffer.Length && length <= SocketMessage.MaxBytes)
                    Array.Resize(ref buffer, Math.Min(2 * length, SocketMessage.MaxBytes + 1));
                var start = length < buffer.Length ? length : 0;
                var part = await socket.ReceiveAsync(buffer.AsMemory(start), CancellationToken.None);
                length = Math.Min(length + part.Count, SocketMessage.MaxBytes + 1);
                if (part.EndOfMessage || part.MessageType == WebSocketMessageType.Close)
                    return (part.MessageType, length);
            }
        }

        // Returns null for the half-close.
        AnalyzeStreamRequest? Parse(WebSocketMessageType type, ReadOnlyMemory<byte> message, int length)
        {
            if (length > SocketMessage.MaxBytes)
                throw RpcErrors.InvalidArgument("message", $"Must not exceed {SocketMessage.MaxBytes} bytes.");
            if (type == WebSocketMessageType.Binary)
                return SocketMessage.ParseMedia(message.Span);
            if (configured)
            {
                SocketMessage.ParseEnd(message);
                return null;
            }
            configured = true;
            return SocketMessage.ParseConfig(message);
        }

        async Task<bool> EnqueueAsync(AnalyzeStreamRequest request)
        {
            try
            {
                await _requests.Writer.WriteAsync(request, closed.Token);
                return true;
            }
            catch (ChannelClosedException)
            {
                return false;
            }
        }
    }

    private async Task CloseAsync(RpcException? error, Task receiving)
    {
        using var timeout = new CancellationTokenSource(CloseTimeout);
        try
        {
            if (error is not null)
            {
                var problem = new ArrayBufferWriter<byte>();
                ErrorResponses.WriteProblem(problem, error.ToStatus(), ErrorResponses.HttpStatus(error.StatusCode));
                await socket.SendAsync(problem.WrittenMemory, WebSocketMessageType.Text, endOfMessage: true, timeout.Token);
            }
            var code = error?.StatusCode ?? StatusCode.OK;
            await socket.CloseOutputAsync(SocketMessage.CloseStatus(code), RpcErrors.Name(code), timeout.Token);
            await receiving.WaitAsync(timeout.Token);
        }
        catch (Exception exception) when (exception is WebSocketException or OperationCanceledException or IOException)
        {
            // The connection was lost, or the client does not close.
        }
        socket.Abort();
        await receiving;
    }
}
