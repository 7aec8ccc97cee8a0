using System.Net;
using System.Net.Sockets;

namespace Affect.Benchmarks;

/// <summary>Passes TCP connections on to a server and counts the bytes of each direction.</summary>
internal sealed class TcpRelay : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly Uri _server;
    private readonly Task _accepting;
    private long _toServer, _toClient;

    public TcpRelay(string server)
    {
        _server = new(server);
        _listener.Start();
        Address = $"http://{_listener.LocalEndpoint}";
        _accepting = AcceptAsync();
    }

    /// <summary>The address in place of the server's.</summary>
    public string Address { get; }

    /// <summary>Bytes so far.</summary>
    public (long ToServer, long ToClient) Bytes => (Interlocked.Read(ref _toServer), Interlocked.Read(ref _toClient));

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Dispose();
        await _accepting;
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        var connections = new List<Task>();
        try
        {
            while (true)
                connections.Add(RelayAsync(await _listener.AcceptTcpClientAsync(_stop.Token)));
        }
        catch (Exception exception) when (exception is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            await Task.WhenAll(connections);
        }
    }

    private async Task RelayAsync(TcpClient client)
    {
        using var server = new TcpClient();
        using (client)
            try
            {
                await server.ConnectAsync(_server.Host, _server.Port, _stop.Token);
                client.NoDelay = server.NoDelay = true;
                await Task.WhenAny(
                    CopyAsync(client.GetStream(), server.GetStream(), bytes => Interlocked.Add(ref _toServer, bytes)),
                    CopyAsync(server.GetStream(), client.GetStream(), bytes => Interlocked.Add(ref _toClient, bytes)));
            }
            catch (Exception exception) when (exception is OperationCanceledException or SocketException)
            {
                // Closing both ends passes it on.
            }
    }

    private async Task CopyAsync(NetworkStream from, NetworkStream to, Action<int> count)
    {
        var buffer = new byte[1 << 16];
        try
        {
            while (await from.ReadAsync(buffer, _stop.Token) is > 0 and var read)
            {
                count(read);
                await to.WriteAsync(buffer.AsMemory(0, read), _stop.Token);
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException or ObjectDisposedException)
        {
            // The connection has ended.
        }
    }
}
