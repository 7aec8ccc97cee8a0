using System.Diagnostics.Metrics;

namespace Affect.Gateway;

/// <summary>All metrics of the gateway.</summary>
internal sealed class GatewayMetrics
{
    /// <summary>Name of the meter.</summary>
    public const string MeterName = "Affect.Gateway";

    /// <summary>Counter, events, with the tag <c>event</c>.</summary>
    public const string EventsPublished = "affect.gateway.events.published";

    /// <summary>Counter, events, with the tag <c>reason</c>.</summary>
    public const string EventsDropped = "affect.gateway.events.dropped";

    private readonly Counter<long> _published;
    private readonly Counter<long> _dropped;

    public GatewayMetrics(IMeterFactory factory)
    {
        var meter = factory.Create(MeterName);
        _published = meter.CreateCounter<long>(
            EventsPublished, "{event}", "Call events published to the broker, or to dashboards if no broker is configured, by the tag event.");
        _dropped = meter.CreateCounter<long>(
            EventsDropped, "{event}", "Call events lost, by the tag reason: queue (full), broker (failed or timed out), dashboard (too slow).");
    }

    public void EventPublished(string name) => _published.Add(1, new KeyValuePair<string, object?>("event", name));

    public void EventDropped(string reason) => _dropped.Add(1, new KeyValuePair<string, object?>("reason", reason));
}
