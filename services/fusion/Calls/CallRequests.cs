using Affect.Hosting;
using Affect.V1;
using Grpc.Core;

namespace Affect.Fusion.Calls;

/// <summary>Reads the messages of a call's client.</summary>
/// <param name="stream">Messages of the client.</param>
/// <param name="stallTimeout">Longest time between two messages.</param>
/// <param name="time">Clock.</param>
internal sealed class CallRequests(IAsyncStreamReader<AnalyzeStreamRequest> stream, TimeSpan stallTimeout, TimeProvider time)
{
    /// <summary>Reads the first message, the configuration of the call.</summary>
    /// <exception cref="RpcException">FAILED_PRECONDITION: the first message is another, or does not arrive in time.</exception>
    public async Task<StreamConfig> ReadConfigAsync(CancellationToken cancellation)
    {
        try
        {
            if (await ReadAsync(cancellation) is { Config: { } config })
                return config;
        }
        catch (TimeoutException)
        {
            // Reported as a stream that ends without a configuration.
        }

        throw RpcErrors.Status(StatusCode.FailedPrecondition, "the first message of a stream must be its configuration");
    }

    /// <summary>Reads the next message; null if the client has completed the call.</summary>
    /// <exception cref="TimeoutException">No message arrives in time.</exception>
    public async Task<AnalyzeStreamRequest?> ReadAsync(CancellationToken cancellation)
    {
        var next = stream.MoveNext(CancellationToken.None);
        return (next.IsCompleted ? await next : await next.WaitAsync(stallTimeout, time, cancellation)) ? stream.Current : null;
    }
}
