using System.Net;
using System.Net.Sockets;

namespace Affect.Testing;

/// <summary>The loopback interface.</summary>
public static class Loopback
{
    /// <summary>Returns a currently unused port, for programs that cannot choose one themselves.</summary>
    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
