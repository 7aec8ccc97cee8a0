using System.Diagnostics.Metrics;

namespace Affect.Hosting;

/// <summary>The metrics of every process.</summary>
internal sealed class HostingMetrics
{
    private readonly Counter<long> _malformed;

    public HostingMetrics(IMeterFactory meters) => _malformed = meters.Create("Affect.Hosting").CreateCounter<long>(
        "affect.requests.malformed",
        "{request}",
        "gRPC requests that ended because a message could not be read: protobuf, frame, compression or size.");

    public void RequestMalformed() => _malformed.Add(1);
}
