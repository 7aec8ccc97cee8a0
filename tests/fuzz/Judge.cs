using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Grpc.Core;

namespace Affect.Fuzz;

/// <summary>The invariants of one answer.</summary>
internal static class Judge
{
    private static ReadOnlySpan<byte> EndOfHead => "\r\n\r\n"u8;

    /// <summary>Statuses that blame the server.</summary>
    private static readonly StatusCode[] ServerErrors =
        [StatusCode.Unknown, StatusCode.DeadlineExceeded, StatusCode.Internal, StatusCode.Unavailable, StatusCode.DataLoss];

    /// <summary>Close codes of WebSockets that blame the client (RFC 6455, 7.4), and 1000.</summary>
    private static readonly int[] CloseCodes = [1000, 1002, 1007, 1008, 1009];

    /// <summary>True if nothing that matters follows.</summary>
    public static bool IsComplete(Case sent, ReadOnlySpan<byte> reply) => sent.Protocol switch
    {
        Protocol.Http => IsHttpComplete(reply),
        Protocol.Grpc => Http2Frame.Parse(reply)
            .Exists(frame => frame.Stream == 1 && (frame.IsLastOfStream || frame.Type == Http2Frame.Reset)),
        _ => false,
    };

    /// <summary>Returns the fault of an answer, or null.</summary>
    public static string? FindFault(Case sent, Reply reply)
    {
        if (reply.TimedOut)
            return $"no complete answer within {Connection.Timeout.TotalSeconds} s, after {reply.Bytes.Length} bytes";
        if (reply.Bytes.Length >= Connection.MaxReplyBytes)
            return $"an answer of more than {Connection.MaxReplyBytes} bytes";
        if (sent.Ending == Ending.Reset)
            return null;
        var required = sent.Ending == Ending.Await;
        return sent.Protocol == Protocol.Http ? FindHttpFault(reply.Bytes, required) : FindGrpcFault(reply.Bytes, required);
    }

    private static string? FindHttpFault(ReadOnlySpan<byte> reply, bool required)
    {
        if (Status(reply) is not { } status)
            return required ? "closed without an answer" : null;
        if (status == 101)
        {
            var close = FindClose(reply[(reply.IndexOf(EndOfHead) + 4)..]);
            return close is null ? required ? "closed without a close frame" : null
                : CloseCodes.Contains(close.Value) ? null : $"close code {close}: {Excerpt(reply)}";
        }
        // 505 is Kestrel's answer to other versions of HTTP.
        return status is >= 500 and not 505 ? $"status {status}: {Excerpt(reply)}" : null;
    }

    private static string? FindGrpcFault(ReadOnlySpan<byte> reply, bool required)
    {
        var frames = Http2Frame.Parse(reply);
        var headers = Http2.ReadHeaders(frames);
        if (headers.GetValueOrDefault(":status") is ['5', ..] failed)
            return $"status {failed}";
        if (frames.Find(frame => frame is { Type: Http2Frame.Reset, Stream: 1 }) is { } reset
            && BinaryPrimitives.ReadInt32BigEndian(reset.Payload) is var code and (2 or > 13))
            return $"reset with error {code}";
        if (headers.TryGetValue("grpc-status", out var number))
            return (StatusCode)int.Parse(number, CultureInfo.InvariantCulture) is var status && ServerErrors.Contains(status)
                ? $"{status}: {headers.GetValueOrDefault("grpc-message")}"
                : null;
        return required && !frames.Exists(frame => frame.Type is Http2Frame.Headers or Http2Frame.Reset or Http2Frame.GoAway)
            ? "closed without an answer"
            : null;
    }

    private static bool IsHttpComplete(ReadOnlySpan<byte> reply)
    {
        while (Status(reply) == 100)
            reply = reply[(reply.IndexOf(EndOfHead) + 4)..];
        var end = reply.IndexOf(EndOfHead);
        if (end < 0)
            return false;
        var head = Encoding.Latin1.GetString(reply[..end]);
        var body = reply[(end + 4)..];
        if (Status(reply) == 101)
            return FindClose(body) is not null;
        if (Header(head, "Content-Length") is { } length)
            return body.Length >= int.Parse(length, CultureInfo.InvariantCulture);
        // Server-sent events do not end.
        return head.Contains("text/event-stream", StringComparison.Ordinal) || Header(head, "Transfer-Encoding") is null
            || body.EndsWith("0\r\n\r\n"u8);
    }

    private static string? Header(string head, string name) =>
        head.Split("\r\n").FirstOrDefault(line => line.StartsWith($"{name}:", StringComparison.OrdinalIgnoreCase))?
            [(name.Length + 1)..].Trim();

    private static int? Status(ReadOnlySpan<byte> reply) =>
        reply.Length > 12 && reply.StartsWith("HTTP/1."u8) && int.TryParse(reply[9..12], CultureInfo.InvariantCulture, out var status)
            ? status
            : null;

    /// <summary>The code of the server's close frame, if it has sent one; its frames are not masked.</summary>
    private static int? FindClose(ReadOnlySpan<byte> frames)
    {
        while (frames.Length >= 2)
        {
            var (header, length) = frames[1] switch
            {
                126 when frames.Length >= 4 => (4, BinaryPrimitives.ReadUInt16BigEndian(frames[2..])),
                127 when frames.Length >= 10 => (10, (long)BinaryPrimitives.ReadUInt64BigEndian(frames[2..])),
                < 126 => (2, frames[1]),
                _ => (2, long.MaxValue - 2),
            };
            if (frames.Length < header + length)
                return null;
            if ((frames[0] & 0x0F) == 8)
                return length < 2 ? 1005 : BinaryPrimitives.ReadUInt16BigEndian(frames[header..]);
            frames = frames[(header + (int)length)..];
        }
        return null;
    }

    /// <summary>The end of an answer, on one line.</summary>
    private static string Excerpt(ReadOnlySpan<byte> reply) =>
        string.Concat(Encoding.UTF8.GetString(reply[Math.Max(0, reply.Length - 300)..])
            .Select(letter => char.IsControl(letter) ? ' ' : letter));
}
