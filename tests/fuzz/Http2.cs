using System.Buffers.Binary;
using System.Text;

namespace Affect.Fuzz;

/// <summary>One frame of HTTP/2 (RFC 9113, 4.1).</summary>
internal sealed record Http2Frame(byte Type, byte Flags, int Stream, byte[] Payload)
{
    public const byte Data = 0, Headers = 1, Priority = 2, Reset = 3, Settings = 4, Ping = 6, GoAway = 7, WindowUpdate = 8,
        Continuation = 9;

    public const byte EndStream = 1, EndHeaders = 4;

    public bool IsLastOfStream => Type is Data or Headers && (Flags & EndStream) != 0;

    /// <param name="length">The length in the header; the actual one if null.</param>
    public byte[] Encode(int? length = null)
    {
        var frame = new byte[9 + Payload.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame, (length ?? Payload.Length) << 8 | Type);
        frame[4] = Flags;
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(5), Stream);
        Payload.CopyTo(frame, 9);
        return frame;
    }

    /// <summary>The complete frames of a connection.</summary>
    public static List<Http2Frame> Parse(ReadOnlySpan<byte> bytes)
    {
        var frames = new List<Http2Frame>();
        while (bytes.Length >= 9)
        {
            var length = BinaryPrimitives.ReadInt32BigEndian(bytes) >>> 8;
            if (bytes.Length < 9 + length)
                break;
            frames.Add(new(bytes[3], bytes[4], BinaryPrimitives.ReadInt32BigEndian(bytes[5..]), bytes.Slice(9, length).ToArray()));
            bytes = bytes[(9 + length)..];
        }
        return frames;
    }
}

/// <summary>gRPC over HTTP/2 by the byte, so that invalid messages can be sent.</summary>
internal static class Http2
{
    private const int MaxFrame = 16384;

    /// <summary>
    /// The client's preface: unlimited windows, and no dynamic table of headers, which <see cref="ReadHeaders"/> does not decode.
    /// </summary>
    public static byte[] Preface { get; } =
    [
        .. "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8,
        .. new Http2Frame(Http2Frame.Settings, 0, 0, [0, 1, 0, 0, 0, 0, 0, 4, 0x7F, 0xFF, 0xFF, 0xFF]).Encode(),
        .. new Http2Frame(Http2Frame.WindowUpdate, 0, 0, [0x40, 0, 0, 0]).Encode(),
    ];

    /// <summary>The frames of one request on stream 1.</summary>
    public static List<Http2Frame> Request(string path, byte[] body, params (string Name, string Value)[] headers)
    {
        List<Http2Frame> frames =
        [
            new(Http2Frame.Headers, Http2Frame.EndHeaders, 1, Block(
            [
                (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost"),
                ("content-type", "application/grpc"), ("te", "trailers"), .. headers,
            ])),
        ];
        foreach (var part in body.Chunk(MaxFrame))
            frames.Add(new(Http2Frame.Data, 0, 1, part));
        frames[^1] = frames[^1] with { Flags = (byte)(frames[^1].Flags | Http2Frame.EndStream) };
        return frames;
    }

    /// <summary>A connection with one gRPC request.</summary>
    public static Case Call(string path, byte[] body, params (string Name, string Value)[] headers) =>
        new(Protocol.Grpc, [.. Preface, .. Request(path, body, headers).SelectMany(frame => frame.Encode())]);

    /// <summary>A length-prefixed message of gRPC.</summary>
    public static byte[] Message(byte[] message) => Message(0, message.Length, message);

    /// <summary>A message with any prefix.</summary>
    public static byte[] Message(byte compressed, int length, byte[] message)
    {
        var prefixed = new byte[5 + message.Length];
        prefixed[0] = compressed;
        BinaryPrimitives.WriteInt32BigEndian(prefixed.AsSpan(1), length);
        message.CopyTo(prefixed, 5);
        return prefixed;
    }

    /// <summary>
    /// The headers and trailers of a response as Kestrel encodes them: without Huffman codes. Of the names in the static table, only
    /// :status is decoded.
    /// </summary>
    public static Dictionary<string, string> ReadHeaders(IEnumerable<Http2Frame> frames)
    {
        var headers = new Dictionary<string, string>();
        foreach (var frame in frames.Where(frame => frame is { Type: Http2Frame.Headers, Stream: 1 }))
            for (var rest = (ReadOnlySpan<byte>)frame.Payload; rest.Length > 0;)
            {
                var first = rest[0];
                if (first >= 0x80) // indexed; 8 to 14 are values of :status
                {
                    var index = ReadInteger(ref rest, 7);
                    if (index is >= 8 and <= 14)
                        headers[":status"] = ((string[])["200", "204", "206", "304", "400", "404", "500"])[index - 8];
                    continue;
                }
                if ((first & 0xE0) == 0x20) // size of the dynamic table
                {
                    ReadInteger(ref rest, 5);
                    continue;
                }
                var name = ReadInteger(ref rest, first >= 0x40 ? 6 : 4) switch { 0 => ReadString(ref rest), 8 => ":status", _ => "" };
                headers[name] = ReadString(ref rest);
            }
        return headers;

        static int ReadInteger(ref ReadOnlySpan<byte> bytes, int bits)
        {
            var value = bytes[0] & ((1 << bits) - 1);
            bytes = bytes[1..];
            if (value < (1 << bits) - 1)
                return value;
            for (var shift = 0; ; shift += 7)
            {
                var next = bytes[0];
                bytes = bytes[1..];
                value += (next & 0x7F) << shift;
                if (next < 0x80)
                    return value;
            }
        }

        static string ReadString(ref ReadOnlySpan<byte> bytes)
        {
            var length = ReadInteger(ref bytes, 7);
            var text = Encoding.Latin1.GetString(bytes[..length]);
            bytes = bytes[length..];
            return text;
        }
    }

    // Literals that are not indexed (RFC 7541, 6.2.2).
    private static byte[] Block(IEnumerable<(string Name, string Value)> headers) =>
        [.. headers.SelectMany(header => (byte[])[0, .. Text(header.Name), .. Text(header.Value)])];

    private static byte[] Text(string text)
    {
        var bytes = Encoding.Latin1.GetBytes(text);
        var length = new List<byte>();
        if (bytes.Length < 127)
            length.Add((byte)bytes.Length);
        else
        {
            length.Add(127);
            var rest = bytes.Length - 127;
            for (; rest >= 128; rest >>= 7)
                length.Add((byte)(rest & 0x7F | 0x80));
            length.Add((byte)rest);
        }
        return [.. length, .. bytes];
    }
}
