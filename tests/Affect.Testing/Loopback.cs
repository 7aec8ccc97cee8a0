using System.Net;
using System.Net.Sockets;

namespace Affect.Testing;

/// <summary>This machine as seen from itself.</summary>
public static class Loopback
{
    /// <summary>A port that nobody listens on just now, for programs that cannot choose one themselves.</summary>
    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
