using System.Runtime.CompilerServices;
using Affect.Gateway.Errors;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

namespace Affect.Gateway.Access;

/// <summary>
/// Aborts a request whose client reads nothing of its response for <see cref="GatewayOptions.ResponseTimeout"/>. Kestrel's own limit adds up
/// the time for all bytes that it has buffered, hours for a large response, and does not see the flow control of HTTP/2.
/// </summary>
internal sealed class ResponseTimeout : IDisposable
{
    private readonly HttpContext _context;
    private readonly TimeSpan _timeout;
    private readonly ILogger _logger;
    private readonly ITimer _timer;
    private readonly Lock _lock = new();
    private bool _running;

    public ResponseTimeout(HttpContext context, TimeSpan timeout, TimeProvider time, ILogger logger)
    {
        (_context, _timeout, _logger) = (context, timeout, logger);
        _timer = time.CreateTimer(_ => Abort(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Starts the time again.</summary>
    public void Start() => Set(true);

    public void Stop() => Set(false);

    /// <summary>Limits the time of one write.</summary>
    public async Task LimitAsync(Task write)
    {
        if (!write.IsCompleted)
            Start();
        await write;
        Stop();
    }

    /// <summary>Limits the time between two items, in which the first one is written.</summary>
    public async IAsyncEnumerable<T> LimitAsync<T>(IAsyncEnumerable<T> items, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        await foreach (var item in items.WithCancellation(cancellation))
        {
            Start();
            yield return item;
            Stop();
        }
    }

    public void Dispose()
    {
        Stop();
        _timer.Dispose();
    }

    private void Set(bool running)
    {
        lock (_lock)
        {
            _running = running;
            _timer.Change(running ? _timeout : Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    private void Abort()
    {
        lock (_lock)
        {
            // The timer may have fired while it was being stopped: the connection may serve the next request by now.
            if (!_running)
                return;
            Log.RequestRejected(_logger, _context, "the client does not read the response");
            _context.Abort();
        }
    }
}

/// <summary>Provides the <see cref="ResponseTimeout"/> of each request to the public API.</summary>
internal sealed class ResponseTimeoutMiddleware(RequestDelegate next, GatewayOptions options, TimeProvider time, ILogger<ResponseTimeoutMiddleware> logger)
{
    public async Task InvokeAsync(HttpContext context)
    {
        if (!context.GetEndpoint().IsPublicApi())
        {
            await next(context);
            return;
        }
        using var timeout = new ResponseTimeout(context, options.ResponseTimeout, time, logger);
        context.Features.Set(timeout);
        if (context.Features.Get<IHttpMinResponseDataRateFeature>() is { } rate)
            rate.MinDataRate = null;
        // Streams limit each of their writes.
        if (context.GetEndpoint().GetResource() is not (ConcurrentResource.Calls or ConcurrentResource.EventStreams))
            context.Response.OnStarting(() =>
            {
                timeout.Start();
                return Task.CompletedTask;
            });
        await next(context);
        if (context.WebSockets.IsWebSocketRequest || context.RequestAborted.IsCancellationRequested)
            return;
        // Kestrel would send the rest after the request has ended, and the client's next request would be admitted before. The message of a
        // unary response over gRPC is not flushed yet. An error has its status in the headers and no message: its headers must end the stream.
        timeout.Start();
        try
        {
            if (context.IsGrpc() && !context.Response.Headers.ContainsKey("grpc-status"))
                await context.Response.BodyWriter.FlushAsync();
            await context.Response.CompleteAsync();
        }
        catch (InvalidOperationException)
        {
            // grpc-dotnet has completed the response, because the deadline has passed.
        }
    }
}
