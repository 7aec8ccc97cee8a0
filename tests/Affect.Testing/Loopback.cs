using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Affect.Testing;

/// <summary>The loopback interface.</summary>
public static class Loopback
{
    private static readonly ConcurrentBag<Socket> Reserved = [];

    /// <summary>Returns an unused port, reserved until this process ends, for programs that cannot choose one themselves.</summary>
    public static int FreePort()
    {
        var socket = Reserve();
        Reserved.Add(socket);
        return socket.Port;
    }

    /// <summary>
    /// Reserves an unused port until the socket is disposed. The system gives it to no other socket that asks for any port, because this
    /// one is bound to it; a server can still bind to it and listen, as often as it likes, because this one does not listen and .NET sets
    /// SO_REUSEADDR, as servers do. While no server listens, the port refuses connections.
    /// </summary>
    public static Socket Reserve()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return socket;
    }

    extension(Socket socket)
    {
        /// <summary>Local port.</summary>
        public int Port => ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
