using System.Globalization;
using System.Text.Json;
using System.Threading.Channels;
using Affect.Hosting;
using Affect.V1;
using Dapr.Client;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;

namespace Affect.Gateway.Events;

/// <summary>
/// Publishes the events of calls: to the broker, which delivers them to every gateway, or without one to this process's
/// dashboards. Does not wait unless <see cref="EventsOptions.AtLeastOnce"/> is set: events that the broker is too slow for
/// are dropped and counted.
/// </summary>
internal sealed class CallEventPublisher : IHostedService, IDisposable
{
    /// <summary>Number of queues. All events of a call go through one of them, which keeps their order.</summary>
    private const int QueueCount = 8;

    private static readonly TimeSpan LogInterval = TimeSpan.FromMinutes(1);

    private readonly EventsOptions _options;
    private readonly Backoff _backoff;
    private readonly Dashboards _dashboards;
    private readonly GatewayMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly ILogger<CallEventPublisher> _logger;
    private readonly DaprClient? _dapr;
    private readonly Channel<CallEvent>[] _queues;
    private readonly CancellationTokenSource _stopped = new();
    private Task _publishing = Task.CompletedTask;
    private long _droppedSinceLog;
    private long _lastLog = long.MinValue;

    public CallEventPublisher(
        GatewayOptions options, Dashboards dashboards, GatewayMetrics metrics, IConfiguration configuration, TimeProvider time,
        ILogger<CallEventPublisher> logger)
    {
        _options = options.Events;
        _backoff = new(TimeSpan.FromMilliseconds(100), _options.PublishTimeout);
        _dashboards = dashboards;
        _metrics = metrics;
        _time = time;
        _logger = logger;
        _dapr = _options.PubSub.Length > 0 ? CreateDapr(configuration) : null;
        var queue = new BoundedChannelOptions(_options.QueueLength / QueueCount) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true };
        _queues = [.. Enumerable.Range(0, QueueCount).Select(_ => Channel.CreateBounded<CallEvent>(queue, _ => Drop("queue")))];
    }

    /// <summary>Creates the publisher of one call. Disposing it publishes the end of the call.</summary>
    /// <param name="tenant">Owner of the call; empty for anonymous clients.</param>
    public Call BeginCall(string tenant) => new(this, tenant);

    public Task StartAsync(CancellationToken cancellationToken)
    {
        if (_dapr is not null)
            _publishing = Task.WhenAll(_queues.Select(queue => Task.Run(() => SendAllAsync(queue.Reader), CancellationToken.None)));
        return Task.CompletedTask;
    }

    /// <summary>Runs after Kestrel has stopped and all calls have ended. Publishes the queued events while the broker takes them.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        foreach (var queue in _queues)
            queue.Writer.TryComplete();
        _stopped.CancelAfter(_options.PublishTimeout);
        await _publishing;
    }

    public void Dispose()
    {
        _dapr?.Dispose();
        _stopped.Dispose();
    }

    private static DaprClient CreateDapr(IConfiguration configuration)
    {
        var builder = new DaprClientBuilder().UseGrpcChannelOptions(new GrpcChannelOptions
        {
            ThrowOperationCanceledOnCancellation = true,
            // The default is two minutes; a sidecar that restarted must be reached sooner.
            MaxReconnectBackoff = TimeSpan.FromSeconds(5),
        });
        // DaprClient itself reads these from environment variables only.
        if (configuration["DAPR_GRPC_ENDPOINT"] is { Length: > 0 } endpoint)
            builder.UseGrpcEndpoint(endpoint);
        if (configuration["DAPR_API_TOKEN"] is { Length: > 0 } token)
            builder.UseDaprApiToken(token);
        return builder.Build();
    }

    private ValueTask PublishAsync(CallEvent callEvent, int queue, CancellationToken cancellation)
    {
        if (_dapr is null)
        {
            _metrics.EventPublished(callEvent.Name);
            _dashboards.Send(callEvent);
        }
        else if (_options.AtLeastOnce)
            return new(SendUntilTakenAsync(callEvent, cancellation));
        else if (!_queues[queue].Writer.TryWrite(callEvent))
            Drop("queue");
        return ValueTask.CompletedTask;
    }

    private async Task SendAllAsync(ChannelReader<CallEvent> queue)
    {
        await foreach (var callEvent in queue.ReadAllAsync(CancellationToken.None))
            if (_stopped.IsCancellationRequested || !await TrySendAsync(callEvent, _stopped.Token))
                Drop("broker");
    }

    private async Task SendUntilTakenAsync(CallEvent callEvent, CancellationToken cancellation)
    {
        try
        {
            for (var attempt = 0; !await TrySendAsync(callEvent, cancellation); attempt++)
            {
                cancellation.ThrowIfCancellationRequested();
                if (IsTimeToLog())
                    Log.EventsWaiting(_logger);
                await Task.Delay(_backoff.Delay(attempt), _time, cancellation);
            }
        }
        catch (OperationCanceledException)
        {
            Drop("broker");
            throw;
        }
    }

    private async Task<bool> TrySendAsync(CallEvent callEvent, CancellationToken cancellation)
    {
        using var timeout = new CancellationTokenSource(_options.PublishTimeout, _time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellation);
        try
        {
            await _dapr!.PublishByteEventAsync(
                _options.PubSub, _options.Topic, callEvent.ToJson(), CallEvent.ContentType, cancellationToken: linked.Token);
            _metrics.EventPublished(callEvent.Name);
            return true;
        }
        catch (Exception)
        {
            // Every failure (no sidecar, no such component, a broker that is full or hangs) has the same consequence.
            return false;
        }
    }

    private void Drop(string reason)
    {
        _metrics.EventDropped(reason);
        Interlocked.Increment(ref _droppedSinceLog);
        if (IsTimeToLog())
            Log.EventsDropped(_logger, Interlocked.Exchange(ref _droppedSinceLog, 0), reason);
    }

    private bool IsTimeToLog()
    {
        var (now, last) = (_time.GetTimestamp(), Volatile.Read(ref _lastLog));
        return (last == long.MinValue || _time.GetElapsedTime(last, now) >= LogInterval)
            && Interlocked.CompareExchange(ref _lastLog, now, last) == last;
    }

    /// <summary>Publishes the events of one call, from its first response to its end; nothing for a call that never started.</summary>
    public sealed class Call(CallEventPublisher publisher, string tenant) : IAsyncDisposable
    {
        // Unique, unlike session ids, which clients choose.
        private readonly string _id = Guid.CreateVersion7().ToString();
        private readonly int _queue = Random.Shared.Next(QueueCount);
        private string? _session;
        private int _count;
        private CallSummary? _summary;
        private StatusCode _status = StatusCode.Cancelled;

        /// <summary>Publishes the event of a response, if it has one. Waits for the broker only where configured.</summary>
        public ValueTask PublishAsync(AnalyzeStreamResponse response, CancellationToken cancellation)
        {
            switch (response.MessageCase)
            {
                case AnalyzeStreamResponse.MessageOneofCase.Started:
                    _session = response.Started.SessionId;
                    return EmitAsync(CallEvent.Started, response.Started, cancellation);
                case AnalyzeStreamResponse.MessageOneofCase.Window when publisher._options.Windows:
                    return EmitAsync(CallEvent.Window, response.Window, cancellation);
                case AnalyzeStreamResponse.MessageOneofCase.Alert:
                    return EmitAsync(CallEvent.Alert, response.Alert, cancellation);
                case AnalyzeStreamResponse.MessageOneofCase.Summary:
                    (_summary, _status) = (response.Summary, StatusCode.OK);
                    break;
            }
            return ValueTask.CompletedTask;
        }

        /// <summary>Records the error that ended the call, and returns it.</summary>
        public RpcException Fail(RpcException error)
        {
            _status = error.StatusCode;
            return error;
        }

        public async ValueTask DisposeAsync()
        {
            // Not the call's token, which may have ended it.
            using var timeout = new CancellationTokenSource(publisher._options.PublishTimeout, publisher._time);
            try
            {
                var summary = _summary is null ? "" : $$""","summary":{{ProtoJson.Format(_summary)}}""";
                await EmitAsync(CallEvent.Ended, $$"""{"status":"{{RpcErrors.Name(_status)}}"{{summary}}}""", timeout.Token);
            }
            catch (OperationCanceledException)
            {
                // Counted as dropped.
            }
        }

        private ValueTask EmitAsync(string name, IMessage message, CancellationToken cancellation) =>
            // Without readers the cost of formatting is saved.
            publisher._dapr is null && !publisher._dashboards.Any
                ? ValueTask.CompletedTask
                : EmitAsync(name, ProtoJson.Format(message), cancellation);

        private ValueTask EmitAsync(string name, string content, CancellationToken cancellation)
        {
            if (_session is null)
                return ValueTask.CompletedTask;
            // Operators choose the names of keys, which may need escapes.
            var tenantJson = JsonSerializer.Serialize(tenant);
            var id = string.Create(CultureInfo.InvariantCulture, $"{_id}-{_count++}");
            return publisher.PublishAsync(
                new(id, name, _session, tenant, publisher._time.GetUtcNow(), $$"""{"tenant":{{tenantJson}},"call":"{{_id}}","{{name}}":{{content}}}"""),
                _queue, cancellation);
        }
    }
}
