using Grpc.Core;
using Grpc.Net.Client;
using Grpc.Net.Client.Balancer;
using Grpc.Net.Client.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Affect.Hosting;

/// <summary>Creates the handler that passes requests to the services of the same process.</summary>
public delegate HttpMessageHandler InProcessTransport();

/// <summary>Channels from one service to another inside the cluster (HTTP/2, with mutual TLS where configured).</summary>
public static class PeerChannel
{
    /// <summary>Address of the services of the same process; requires an <see cref="InProcessTransport"/>.</summary>
    public const string InProcess = "inprocess:///";

    /// <summary>
    /// Creates a channel that spreads requests over every pod behind the address. It retries nothing: callers repeat
    /// <see cref="LostRequests">lost requests</see> within their own budgets and deadlines.
    /// </summary>
    /// <param name="address">"http://host:8081", "https://host:8081", or "dns:///headless-service:8081" for round robin over its pods.</param>
    /// <param name="tlsPath">As <see cref="ServerOptions.PeerTlsPath"/>.</param>
    /// <param name="maxMessageBytes">Largest response.</param>
    /// <param name="inProcess">Transport for the address <see cref="InProcess"/>.</param>
    public static GrpcChannel Create(
        string address, string? tlsPath = null, int maxMessageBytes = 64 << 20, InProcessTransport? inProcess = null)
    {
        if (address == InProcess)
            return GrpcChannel.ForAddress("http://localhost", new GrpcChannelOptions
            {
                MaxReceiveMessageSize = maxMessageBytes,
                HttpHandler = (inProcess ?? throw new InvalidOperationException($"{InProcess} is valid only in the one-process host."))(),
            });

        var tls = tlsPath is null ? null : new TlsFolder(tlsPath);
        return GrpcChannel.ForAddress(address, new GrpcChannelOptions
        {
            Credentials = tls is not null || address.StartsWith(Uri.UriSchemeHttps, StringComparison.OrdinalIgnoreCase)
                ? ChannelCredentials.SecureSsl
                : ChannelCredentials.Insecure,
            ServiceConfig = new() { LoadBalancingConfigs = { new RoundRobinConfig() } },
            ServiceProvider = Resolvers,
            MaxReceiveMessageSize = maxMessageBytes,
            // Requests fail until a restarted peer is connected again: within a second.
            InitialReconnectBackoff = TimeSpan.FromMilliseconds(100),
            MaxReconnectBackoff = TimeSpan.FromSeconds(1),
            DisposeHttpClient = true,
            HttpHandler = new SocketsHttpHandler
            {
                SslOptions = tls?.ClientOptions() ?? new(),
                ConnectTimeout = TimeSpan.FromSeconds(3),
                EnableMultipleHttp2Connections = true,
                // Unanswered pings reveal a peer that vanished without closing its connection.
                KeepAlivePingDelay = TimeSpan.FromSeconds(20),
                KeepAlivePingTimeout = TimeSpan.FromSeconds(5),
                PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan,
            },
        });
    }

    /// <summary>True if <see cref="Create"/> accepts the address.</summary>
    public static bool IsAddress(string address) =>
        Uri.TryCreate(address, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https" or "dns" or "inprocess";

    private static readonly IServiceProvider Resolvers = new ServiceCollection()
        .AddSingleton<ResolverFactory>(new PeerResolverFactory())
        .BuildServiceProvider();
}
