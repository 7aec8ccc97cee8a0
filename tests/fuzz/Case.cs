using System.Text;

namespace Affect.Fuzz;

/// <summary>The protocol of a connection, which determines its port and how the answer is judged.</summary>
internal enum Protocol
{
    /// <summary>HTTP/1.1, WebSocket upgrades included.</summary>
    Http,

    /// <summary>One gRPC request over HTTP/2, on stream 1.</summary>
    Grpc,

    /// <summary>HTTP/2 frames in any order.</summary>
    Http2,
}

/// <summary>The client's behavior after its last byte.</summary>
internal enum Ending
{
    /// <summary>The bytes are complete: the client waits for the answer.</summary>
    Await,

    /// <summary>The bytes may be incomplete: the client sends FIN, and the server must close the connection.</summary>
    HalfClose,

    /// <summary>The client resets the connection and reads nothing.</summary>
    Reset,
}

/// <summary>All bytes that a client sends over one connection.</summary>
internal sealed record Case(Protocol Protocol, byte[] Bytes, Ending Ending = Ending.Await)
{
    /// <summary>Writes a file that <see cref="Load"/> reads: one line of text, then the bytes.</summary>
    public void Save(string path) => File.WriteAllBytes(path, [.. Encoding.ASCII.GetBytes($"{Protocol} {Ending}\n"), .. Bytes]);

    public static Case Load(string path)
    {
        var file = File.ReadAllBytes(path);
        var line = Array.IndexOf(file, (byte)'\n');
        var words = Encoding.ASCII.GetString(file, 0, line).Split(' ');
        return new(Enum.Parse<Protocol>(words[0]), file[(line + 1)..], Enum.Parse<Ending>(words[1]));
    }
}

/// <summary>A generator of cases. Equal seeds yield equal cases.</summary>
internal sealed record Target(string Name, Func<Random, Case> Create);
