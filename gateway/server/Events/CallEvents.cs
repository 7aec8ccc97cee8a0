using System.Globalization;
using System.Threading.Channels;
using Affect.Gateway.Clips;
using Affect.Hosting;
using Affect.V1;
using Dapr.Client;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;

namespace Affect.Gateway.Events;

/// <summary>
/// Tells what happens in calls: to the broker, which tells every gateway, where one is configured; else to this
/// process's dashboards. Unless told to wait, it never does: what the broker is too slow for is dropped and counted.
/// </summary>
internal sealed class CallEvents : IHostedService, IDisposable
{
    /// <summary>Events of one call go through one of them, one after the other, so that they stay in order.</summary>
    private const int LaneCount = 8;

    private static readonly TimeSpan LogInterval = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan FirstBackoff = TimeSpan.FromMilliseconds(100);

    private readonly EventsOptions _options;
    private readonly Dashboards _dashboards;
    private readonly GatewayMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly ILogger<CallEvents> _logger;
    private readonly DaprClient? _dapr;
    private readonly Channel<CallEvent>[] _lanes;
    private readonly CancellationTokenSource _stopped = new();
    private Task _publishing = Task.CompletedTask;
    private long _untold;
    private long _lastLog = long.MinValue;

    public CallEvents(
        GatewayOptions options, Dashboards dashboards, GatewayMetrics metrics, IConfiguration configuration, TimeProvider time,
        ILogger<CallEvents> logger)
    {
        _options = options.Events;
        _dashboards = dashboards;
        _metrics = metrics;
        _time = time;
        _logger = logger;
        _dapr = _options.PubSub.Length > 0 ? CreateDapr(configuration) : null;
        var lane = new BoundedChannelOptions(_options.QueueLength / LaneCount) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true };
        _lanes = [.. Enumerable.Range(0, LaneCount).Select(_ => Channel.CreateBounded<CallEvent>(lane, _ => Drop("queue")))];
    }

    /// <summary>For one call. Disposing it tells its end.</summary>
    /// <param name="tenant">Name of the key, empty without one.</param>
    public Call Open(string tenant) => new(this, tenant);

    public Task StartAsync(CancellationToken cancellationToken)
    {
        if (_dapr is not null)
            _publishing = Task.WhenAll(_lanes.Select(lane => Task.Run(() => RunAsync(lane.Reader), CancellationToken.None)));
        return Task.CompletedTask;
    }

    /// <summary>Kestrel stopped before, and with it all calls: the last of their events go out, if the broker takes them.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        foreach (var lane in _lanes)
            lane.Writer.TryComplete();
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
            // A sidecar that is back is found again soon; the default is up to two minutes.
            MaxReconnectBackoff = TimeSpan.FromSeconds(5),
        });
        // DaprClient itself looks for these in the environment alone.
        if (configuration["DAPR_GRPC_ENDPOINT"] is { Length: > 0 } endpoint)
            builder.UseGrpcEndpoint(endpoint);
        if (configuration["DAPR_API_TOKEN"] is { Length: > 0 } token)
            builder.UseDaprApiToken(token);
        return builder.Build();
    }

    private ValueTask PublishAsync(CallEvent happened, int lane, CancellationToken cancellation)
    {
        if (_dapr is null)
        {
            _metrics.Published(happened.Name);
            _dashboards.Show(happened);
        }
        else if (_options.AtLeastOnce)
            return new(InsistAsync(happened, cancellation));
        else if (!_lanes[lane].Writer.TryWrite(happened))
            Drop("queue");
        return ValueTask.CompletedTask;
    }

    private async Task RunAsync(ChannelReader<CallEvent> lane)
    {
        await foreach (var happened in lane.ReadAllAsync(CancellationToken.None))
            if (_stopped.IsCancellationRequested || !await TrySendAsync(happened, _stopped.Token))
                Drop("broker");
    }

    private async Task InsistAsync(CallEvent happened, CancellationToken cancellation)
    {
        try
        {
            for (var wait = FirstBackoff; !await TrySendAsync(happened, cancellation); wait = wait < _options.PublishTimeout ? 2 * wait : wait)
            {
                cancellation.ThrowIfCancellationRequested();
                if (IsTimeToLog())
                    Log.EventsWaiting(_logger);
                await Task.Delay(wait, _time, cancellation);
            }
        }
        catch (OperationCanceledException)
        {
            Drop("broker");
            throw;
        }
    }

    private async Task<bool> TrySendAsync(CallEvent happened, CancellationToken cancellation)
    {
        using var limit = new CancellationTokenSource(_options.PublishTimeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellation);
        try
        {
            await _dapr!.PublishByteEventAsync(
                _options.PubSub, _options.Topic, happened.ToJson(), CallEvent.ContentType, cancellationToken: either.Token);
            _metrics.Published(happened.Name);
            return true;
        }
        catch (Exception)
        {
            // Whatever it was (no sidecar, no such component, a broker that is full or hangs), the event is not there.
            return false;
        }
    }

    private void Drop(string reason)
    {
        _metrics.Dropped(reason);
        Interlocked.Increment(ref _untold);
        if (IsTimeToLog())
            Log.EventsDropped(_logger, Interlocked.Exchange(ref _untold, 0), reason);
    }

    private bool IsTimeToLog()
    {
        var (now, last) = (_time.GetTimestamp(), Volatile.Read(ref _lastLog));
        return (last == long.MinValue || _time.GetElapsedTime(last, now) >= LogInterval)
            && Interlocked.CompareExchange(ref _lastLog, now, last) == last;
    }

    /// <summary>One call's events, from its first answer to its end. A call that never began has none.</summary>
    public sealed class Call(CallEvents events, string tenant) : IAsyncDisposable
    {
        // Session ids are the client's and may come twice.
        private readonly string _id = Guid.CreateVersion7().ToString();
        private readonly int _lane = Random.Shared.Next(LaneCount);
        private string? _session;
        private int _count;
        private CallSummary? _summary;
        private StatusCode _status = StatusCode.Cancelled;

        /// <summary>Tells what an answer says. Waits for the broker where that is configured, else for nobody.</summary>
        public ValueTask PublishAsync(AnalyzeStreamResponse response, CancellationToken cancellation)
        {
            switch (response.MessageCase)
            {
                case AnalyzeStreamResponse.MessageOneofCase.Started:
                    _session = response.Started.SessionId;
                    return TellAsync(CallEvent.Started, response.Started, cancellation);
                case AnalyzeStreamResponse.MessageOneofCase.Window when events._options.Windows:
                    return TellAsync(CallEvent.Window, response.Window, cancellation);
                case AnalyzeStreamResponse.MessageOneofCase.Alert:
                    return TellAsync(CallEvent.Alert, response.Alert, cancellation);
                case AnalyzeStreamResponse.MessageOneofCase.Summary:
                    (_summary, _status) = (response.Summary, StatusCode.OK);
                    break;
            }
            return ValueTask.CompletedTask;
        }

        /// <summary>Notes why the call ended; returns the error as it is.</summary>
        public RpcException Failed(RpcException error)
        {
            _status = error.StatusCode;
            return error;
        }

        public async ValueTask DisposeAsync()
        {
            // The call's own token may have ended it.
            using var limit = new CancellationTokenSource(events._options.PublishTimeout, events._time);
            try
            {
                var summary = _summary is null ? "" : $$""","summary":{{Rest.Json.Format(_summary)}}""";
                await TellAsync(CallEvent.Ended, $$"""{"status":"{{RpcErrors.Name(_status)}}"{{summary}}}""", limit.Token);
            }
            catch (OperationCanceledException)
            {
                // Counted as dropped.
            }
        }

        private ValueTask TellAsync(string name, IMessage message, CancellationToken cancellation) =>
            // Nobody sees it: what it would cost to write is saved.
            events._dapr is null && !events._dashboards.Any
                ? ValueTask.CompletedTask
                : TellAsync(name, Rest.Json.Format(message), cancellation);

        private ValueTask TellAsync(string name, string content, CancellationToken cancellation)
        {
            if (_session is null)
                return ValueTask.CompletedTask;
            // Names of keys are the operator's and may hold anything.
            var tenantJson = System.Text.Json.JsonSerializer.Serialize(tenant);
            var id = string.Create(CultureInfo.InvariantCulture, $"{_id}-{_count++}");
            return events.PublishAsync(
                new(id, name, _session, tenant, events._time.GetUtcNow(), $$"""{"tenant":{{tenantJson}},"call":"{{_id}}","{{name}}":{{content}}}"""),
                _lane, cancellation);
        }
    }
}
