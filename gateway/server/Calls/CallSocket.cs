using System.Buffers;
using System.Net.WebSockets;
using System.Text;
using System.Threading.Channels;
using Affect.Gateway.Access;
using Affect.Gateway.Clips;
using Affect.Gateway.Errors;
using Affect.Hosting;
using Affect.V1;
using Grpc.Core;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.Primitives;

namespace Affect.Gateway.Calls;

/// <summary>
/// EmotionService.AnalyzeStream for browsers, over a WebSocket. One task receives for as long as the socket lives, so that
/// it notices when the client goes; a message waits until the call takes it, and the client with it.
/// </summary>
internal sealed class CallSocket(WebSocket socket)
{
    private const string Protocol = "affect.v1";
    private const int FirstBufferBytes = 4096;

    /// <summary>How long the client may take to close in its turn.</summary>
    private static readonly TimeSpan CloseTimeout = TimeSpan.FromSeconds(5);

    /// <summary>A client may lag and slow its call down; one that reads nothing for that long is gone.</summary>
    private static readonly MinDataRate Lag = new(bytesPerSecond: 240, gracePeriod: TimeSpan.FromMinutes(1));

    private readonly Channel<AnalyzeStreamRequest> _requests = Channel.CreateBounded<AnalyzeStreamRequest>(1);

    /// <summary>What a client offers as subprotocols with a prefix, without it; none where no WebSocket is asked for.</summary>
    public static StringValues Offered(HttpContext context, string prefix) => !context.WebSockets.IsWebSocketRequest
        ? StringValues.Empty
        : context.WebSockets.WebSocketRequestedProtocols.Where(protocol => protocol.StartsWith(prefix, StringComparison.Ordinal))
            .Select(protocol => protocol[prefix.Length..]).ToArray();

    /// <summary>Answers when the call is over.</summary>
    public static async Task<IResult> AcceptAsync(HttpContext context, CallPipe pipe, GatewayOptions options, ILogger<CallSocket> logger)
    {
        if (!context.WebSockets.IsWebSocketRequest)
        {
            context.Response.Headers.Upgrade = "websocket";
            await context.RefuseAsync(
                RpcErrors.Status(StatusCode.FailedPrecondition, "A WebSocket is spoken here."), StatusCodes.Status426UpgradeRequired);
            return Results.Empty;
        }
        if (!IsAllowed(context.Request, options.AllowedOrigins))
            throw RpcErrors.Status(StatusCode.PermissionDenied, "Pages of that origin may not open a WebSocket here.");
        var offered = context.WebSockets.WebSocketRequestedProtocols;
        if (offered.Count > 0 && !offered.Contains(Protocol))
            throw RpcErrors.InvalidArgument("Sec-WebSocket-Protocol", $"It must offer {Protocol}.");

        if (context.Features.Get<IHttpMinResponseDataRateFeature>() is { } rate)
            rate.MinDataRate = Lag;
        using var socket = await context.WebSockets.AcceptWebSocketAsync(offered.Count > 0 ? Protocol : null);
        await new CallSocket(socket).RunAsync(pipe, context, logger);
        return Results.Empty;
    }

    // Browsers send cookies and reach this machine's own ports for any page, hence the check; programs send no origin.
    private static bool IsAllowed(HttpRequest request, IList<string> allowed) =>
        request.Headers.Origin is not [{ } origin]
            ? request.Headers.Origin.Count == 0
            // The scheme is left out: behind a proxy that ends TLS it differs.
            : Uri.TryCreate(origin, UriKind.Absolute, out var uri) && uri.Authority.Equals(request.Host.Value, StringComparison.OrdinalIgnoreCase)
                || allowed.Contains(origin, StringComparer.OrdinalIgnoreCase);

    private async Task RunAsync(CallPipe pipe, HttpContext context, ILogger logger)
    {
        using var gone = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        var receiving = ReceiveAsync(gone);
        RpcException? error = null;
        try
        {
            await pipe.RunAsync(context.Caller(), _requests.Reader.ReadAllAsync(CancellationToken.None), SendAsync, gone.Token);
        }
        catch (Exception) when (gone.IsCancellationRequested)
        {
            // Nobody is there to read an answer.
        }
        catch (WebSocketException)
        {
            // It was lost while an answer was sent.
            await gone.CancelAsync();
        }
        catch (RpcException exception)
        {
            error = exception;
        }
        catch (Exception exception)
        {
            Log.RequestFailed(logger, context.Request.Path, exception);
            error = RpcErrors.Status(StatusCode.Internal, "An internal error; the log has it.");
        }
        _requests.Writer.TryComplete();
        await CloseAsync(error, receiving);

        Task SendAsync(AnalyzeStreamResponse response) =>
            socket.SendAsync(Encoding.UTF8.GetBytes(Rest.Json.Format(response)), WebSocketMessageType.Text, endOfMessage: true, gone.Token);
    }

    /// <summary>Until the client closes. What comes after the end of the call, or after a mistake, is dropped.</summary>
    private async Task ReceiveAsync(CancellationTokenSource gone)
    {
        var buffer = new byte[FirstBufferBytes];
        var (configured, listening) = (false, true);
        try
        {
            while (true)
            {
                var (type, length) = await ReceiveMessageAsync();
                if (type == WebSocketMessageType.Close)
                    break;
                if (!listening)
                    continue;
                try
                {
                    listening = Read(type, buffer.AsMemory(0, Math.Min(length, buffer.Length)), length) is { } request
                        && await TakeAsync(request);
                    if (!listening)
                        _requests.Writer.TryComplete();
                }
                catch (RpcException mistake)
                {
                    listening = false;
                    _requests.Writer.TryComplete(mistake);
                }
            }
        }
        catch (Exception exception) when (exception is WebSocketException or OperationCanceledException or IOException)
        {
            // It was lost, or given up by CloseAsync.
        }
        await gone.CancelAsync();

        async Task<(WebSocketMessageType Type, int Length)> ReceiveMessageAsync()
        {
            var length = 0;
            while (true)
            {
                // What is too large is read to its end, but not kept.
                if (length == buffer.Length && length <= SocketMessage.Largest)
                    Array.Resize(ref buffer, Math.Min(2 * length, SocketMessage.Largest + 1));
                var start = length < buffer.Length ? length : 0;
                var part = await socket.ReceiveAsync(buffer.AsMemory(start), CancellationToken.None);
                length = Math.Min(length + part.Count, SocketMessage.Largest + 1);
                if (part.EndOfMessage || part.MessageType == WebSocketMessageType.Close)
                    return (part.MessageType, length);
            }
        }

        // Null is the half-close.
        AnalyzeStreamRequest? Read(WebSocketMessageType type, ReadOnlyMemory<byte> message, int length)
        {
            if (length > SocketMessage.Largest)
                throw RpcErrors.InvalidArgument("message", $"It is larger than {SocketMessage.Largest} bytes.");
            if (type == WebSocketMessageType.Binary)
                return SocketMessage.ReadMedia(message.Span);
            if (configured)
            {
                SocketMessage.ReadEnd(message);
                return null;
            }
            configured = true;
            return SocketMessage.ReadConfig(message);
        }

        async Task<bool> TakeAsync(AnalyzeStreamRequest request)
        {
            try
            {
                await _requests.Writer.WriteAsync(request, gone.Token);
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
        using var limit = new CancellationTokenSource(CloseTimeout);
        try
        {
            if (error is not null)
            {
                var problem = new ArrayBufferWriter<byte>();
                Refusals.WriteProblem(problem, error.ToStatus(), Refusals.HttpStatus(error.StatusCode));
                await socket.SendAsync(problem.WrittenMemory, WebSocketMessageType.Text, endOfMessage: true, limit.Token);
            }
            await socket.CloseOutputAsync(
                SocketMessage.CloseStatus(error?.StatusCode ?? StatusCode.OK), RpcErrors.Name(error?.StatusCode ?? StatusCode.OK), limit.Token);
            await receiving.WaitAsync(limit.Token);
        }
        catch (Exception exception) when (exception is WebSocketException or OperationCanceledException or IOException)
        {
            // It was lost, or the client does not close.
        }
        socket.Abort();
        await receiving;
    }
}
