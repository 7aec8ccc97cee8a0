using System.Net;
using System.Net.Sockets;

namespace Affect.Fuzz;

/// <summary>The server's bytes, and how they ended.</summary>
internal sealed record Reply(byte[] Bytes, bool TimedOut = false);

/// <summary>One TCP connection to the server.</summary>
internal static class Connection
{
    /// <summary>Time for a complete answer.</summary>
    public static readonly TimeSpan Timeout = TimeSpan.FromSeconds(20);

    /// <summary>Reading stops here: no answer to a case of a few kilobytes is larger.</summary>
    public const int MaxReplyBytes = 4 << 20;

    /// <summary>Sends a case and reads the answer until it is complete or the server closes the connection.</summary>
    public static async Task<Reply> ExchangeAsync(Case sent, int port)
    {
        using var limit = new CancellationTokenSource(Timeout);
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port), limit.Token);
        if (sent.Ending == Ending.Reset)
        {
            await SendAsync();
            await Task.Delay(sent.Bytes.Length % 16); // a reset discards bytes that the server has not read
            socket.LingerState = new(true, 0);
            return new([]);
        }

        var sending = SendAsync();
        var reply = new byte[16384];
        var length = 0;
        try
        {
            while (length < MaxReplyBytes)
            {
                if (length == reply.Length)
                    Array.Resize(ref reply, 2 * length);
                var read = await socket.ReceiveAsync(reply.AsMemory(length), limit.Token);
                length += read;
                if (read == 0 || Judge.IsComplete(sent, reply.AsSpan(0, length)))
                    break;
            }
        }
        catch (SocketException)
        {
            // The server reset the connection: the answer is judged up to here.
        }
        catch (OperationCanceledException)
        {
            return new(reply[..length], TimedOut: true);
        }
        finally
        {
            await limit.CancelAsync();
            await sending;
        }
        return new(reply[..length]);

        // A server may answer, and close, before it has read everything.
        async Task SendAsync()
        {
            try
            {
                for (var rest = (ReadOnlyMemory<byte>)sent.Bytes; rest.Length > 0;)
                    rest = rest[await socket.SendAsync(rest, limit.Token)..];
                if (sent.Ending == Ending.HalfClose)
                    socket.Shutdown(SocketShutdown.Send);
            }
            catch (Exception exception) when (exception is SocketException or OperationCanceledException)
            {
            }
        }
    }
}
