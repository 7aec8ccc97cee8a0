using System.Net;
using System.Net.Sockets;
using Grpc.Core;
using Grpc.Net.Client.Balancer;

namespace Affect.Hosting;

/// <summary>
/// Resolves a <c>dns:///</c> name: every <see cref="Interval"/>, and <see cref="MinInterval"/> after the last time if a connection
/// ends or fails. The resolver of Grpc.Net.Client waits for 15 s then, during which requests go to addresses that may be gone.
/// </summary>
internal sealed class PeerResolver : Resolver
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5), MinInterval = TimeSpan.FromSeconds(1);

    /// <summary>Attribute of an address with the host that requests and certificates name, as the resolver of Grpc.Net.Client sets it.</summary>
    private static readonly BalancerAttributesKey<string> HostOverride = new("HostOverride");

    private readonly string _host, _authority;
    private readonly int _port;
    private readonly SemaphoreSlim _requested = new(0);
    private readonly CancellationTokenSource _stopped = new();

    public PeerResolver(ResolverOptions options)
    {
        var name = new Uri($"dns://{options.Address.AbsolutePath.TrimStart('/')}");
        (_host, _port) = (name.Host, name.IsDefaultPort ? options.DefaultPort : name.Port);
        _authority = $"{_host}:{_port}";
    }

    public override void Start(Action<ResolverResult> listener)
    {
        // The trace of the request that opens the channel ends with it.
        using (ExecutionContext.SuppressFlow())
            _ = Task.Run(() => RunAsync(listener));
    }

    public override void Refresh()
    {
        if (_requested.CurrentCount == 0)
            _requested.Release();
    }

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        _stopped.Cancel();
    }

    private async Task RunAsync(Action<ResolverResult> listener)
    {
        try
        {
            for (var known = false; ;)
            {
                // This lookup answers all requests before it.
                while (await _requested.WaitAsync(TimeSpan.Zero, _stopped.Token))
                    continue;
                var resolved = await ResolveAsync(listener, known);
                known |= resolved;
                await Task.Delay(MinInterval, _stopped.Token);
                if (resolved)
                    await _requested.WaitAsync(Interval - MinInterval, _stopped.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // The channel is disposed.
        }
    }

    /// <summary>Reports the addresses, or the failure; known addresses stay in use while the name server does not answer.</summary>
    private async Task<bool> ResolveAsync(Action<ResolverResult> listener, bool known)
    {
        try
        {
            var addresses = await Dns.GetHostAddressesAsync(_host, _stopped.Token);
            listener(ResolverResult.ForResult([.. addresses.Select(Address)]));
            return true;
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            if (!known || exception is not SocketException { SocketErrorCode: SocketError.TryAgain })
                listener(ResolverResult.ForFailure(new Status(StatusCode.Unavailable, $"'{_host}' cannot be resolved", exception)));
            return false;
        }
    }

    private BalancerAddress Address(IPAddress address)
    {
        var peer = new BalancerAddress(address.ToString(), _port);
        peer.Attributes.Set(HostOverride, _authority);
        return peer;
    }
}

/// <summary>Makes <see cref="PeerResolver"/> the resolver of <c>dns:///</c>.</summary>
internal sealed class PeerResolverFactory : ResolverFactory
{
    public override string Name => "dns";

    public override Resolver Create(ResolverOptions options) => new PeerResolver(options);
}
