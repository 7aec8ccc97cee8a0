using System.Collections.Concurrent;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Affect.Gateway.Events;
using Affect.Hosting;

namespace Affect.Gateway;

/// <summary>Who watches calls just now. Nothing is kept for those who come later.</summary>
internal sealed class Dashboards(GatewayOptions options, GatewayMetrics metrics, TimeProvider time, IHostApplicationLifetime lifetime)
{
    /// <summary>What a quiet stream is told, so that neither proxies nor readers take it for dead.</summary>
    public static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(15);

    private readonly ConcurrentDictionary<Dashboard, bool> _open = new();

    public bool Any => !_open.IsEmpty;

    /// <summary>Puts an event before those whom it is for. Waits for nobody.</summary>
    public void Show(CallEvent happened)
    {
        foreach (var (dashboard, _) in _open)
            dashboard.Show(happened);
    }

    /// <summary>Events from now on, until the reader has enough or the process stops.</summary>
    /// <param name="tenant">Whose calls; everybody's where null.</param>
    /// <param name="session">Only the calls of that session id; all where null or empty.</param>
    /// <exception cref="Grpc.Core.RpcException">RESOURCE_EXHAUSTED.</exception>
    public IAsyncEnumerable<SseItem<string>> Open(string? tenant, string? session)
    {
        if (_open.Count >= options.Events.MaxDashboards)
            throw RpcErrors.ResourceExhausted("too many dashboards are open", Heartbeat);
        return ReadAsync(new Dashboard(tenant, session, options.Events.DashboardQueueLength, metrics));
    }

    private async IAsyncEnumerable<SseItem<string>> ReadAsync(
        Dashboard dashboard, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellation, lifetime.ApplicationStopping);
        _open[dashboard] = true;
        try
        {
            // At once, so that the reader knows that it is heard.
            yield return new("", "heartbeat");
            var ready = dashboard.Events.WaitToReadAsync(CancellationToken.None).AsTask();
            var beat = Task.Delay(Heartbeat, time, ended.Token);
            while (true)
            {
                var first = await Task.WhenAny(ready, beat);
                if (ended.IsCancellationRequested)
                    yield break;
                if (first == beat)
                {
                    yield return new("", "heartbeat");
                    beat = Task.Delay(Heartbeat, time, ended.Token);
                    continue;
                }
                while (dashboard.Events.TryRead(out var happened))
                {
                    // Those that were pushed out were older than any that is left.
                    if (dashboard.TakeDropped() is > 0 and var count)
                        yield return new($$"""{"count":{{count}}}""", "dropped");
                    yield return new(happened.ToString(), happened.Name) { EventId = happened.Id };
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
                    metrics.Dropped("dashboard");
                });
        }

        public ChannelReader<CallEvent> Events => _events.Reader;

        public void Show(CallEvent happened)
        {
            if ((_tenant is null || happened.Tenant == _tenant) && (string.IsNullOrEmpty(_session) || happened.Session == _session))
                _events.Writer.TryWrite(happened);
        }

        public long TakeDropped() => Interlocked.Exchange(ref _dropped, 0);
    }
}
