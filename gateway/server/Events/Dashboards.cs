using System.Collections.Concurrent;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Affect.Hosting;

namespace Affect.Gateway.Events;

/// <summary>The open dashboards: streams of server-sent events. Events are not stored for later readers.</summary>
internal sealed class Dashboards(GatewayOptions options, GatewayMetrics metrics, TimeProvider time, IHostApplicationLifetime lifetime)
{
    /// <summary>Sent on an idle stream, so that proxies and readers keep it open.</summary>
    public static readonly TimeSpan HeartbeatInterval = TimeSpan.FromSeconds(15);

    private readonly ConcurrentDictionary<Dashboard, bool> _open = new();

    /// <summary>True if at least one dashboard is open.</summary>
    public bool Any => !_open.IsEmpty;

    /// <summary>Queues an event for every dashboard that may see it. Never waits.</summary>
    public void Send(CallEvent callEvent)
    {
        foreach (var (dashboard, _) in _open)
            dashboard.TryEnqueue(callEvent);
    }

    /// <summary>Streams events until the reader disconnects or the process stops.</summary>
    /// <param name="tenant">Only calls of this tenant; null for all.</param>
    /// <param name="session">Only calls of this session id; null or empty for all.</param>
    /// <exception cref="Grpc.Core.RpcException">RESOURCE_EXHAUSTED.</exception>
    public IAsyncEnumerable<SseItem<string>> Open(string? tenant, string? session)
    {
        if (_open.Count >= options.Events.MaxDashboards)
            throw RpcErrors.ResourceExhausted("Too many dashboards are open.", HeartbeatInterval);
        return ReadAsync(new Dashboard(tenant, session, options.Events.DashboardQueueLength, metrics));
    }

    private async IAsyncEnumerable<SseItem<string>> ReadAsync(
        Dashboard dashboard, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellation, lifetime.ApplicationStopping);
        _open[dashboard] = true;
        try
        {
            // Immediately, to confirm the subscription.
            yield return new("", "heartbeat");
            var ready = dashboard.Events.WaitToReadAsync(CancellationToken.None).AsTask();
            var heartbeat = Task.Delay(HeartbeatInterval, time, ended.Token);
            while (true)
            {
                var first = await Task.WhenAny(ready, heartbeat);
                if (ended.IsCancellationRequested)
                    yield break;
                if (first == heartbeat)
                {
                    yield return new("", "heartbeat");
                    heartbeat = Task.Delay(HeartbeatInterval, time, ended.Token);
                    continue;
                }
                while (dashboard.Events.TryRead(out var callEvent))
                {
                    // The dropped events are older than all that are left.
                    if (dashboard.ResetDropped() is > 0 and var count)
                        yield return new($$"""{"count":{{count}}}""", "dropped");
                    yield return new(callEvent.ToString(), callEvent.Name) { EventId = callEvent.Id };
                }
                ready = dashboard.Events.WaitToReadAsync(CancellationToken.None).AsTask();
            }
        }
        finally
        {
            _open.TryRemove(dashboard, out _);
        }
    }

    private sealed class Dashboard
    {
        private readonly string? _tenant;
        private readonly string? _session;
        private readonly Channel<CallEvent> _events;
        private long _dropped;

        public Dashboard(string? tenant, string? session, int capacity, GatewayMetrics metrics)
        {
            _tenant = tenant;
            _session = session;
            _events = Channel.CreateBounded<CallEvent>(
                new BoundedChannelOptions(capacity) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true },
                _ =>
                {
                    Interlocked.Increment(ref _dropped);
                    metrics.EventDropped("dashboard");
                });
        }

        public ChannelReader<CallEvent> Events => _events.Reader;

        public void TryEnqueue(CallEvent callEvent)
        {
            if ((_tenant is null || callEvent.Tenant == _tenant) && (string.IsNullOrEmpty(_session) || callEvent.Session == _session))
                _events.Writer.TryWrite(callEvent);
        }

        /// <summary>Returns the number of events dropped since the last call.</summary>
        public long ResetDropped() => Interlocked.Exchange(ref _dropped, 0);
    }
}
