using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;
using Affect.Fuzz.Mutation;
using Affect.V1;
using Google.Protobuf;

namespace Affect.Fuzz.Targets;

/// <summary>Sequences of messages and frames over a WebSocket.</summary>
internal static class WebSocketTarget
{
    private const byte Fin = 0x80, Continuation = 0, Text = 1, Binary = 2, Close = 8, Ping = 9, Pong = 10;

    private static readonly Frame End = new(Fin | Text, [.. "{\"end\": true}"u8]);

    public static Case Create(Random random)
    {
        var messages = random.Pick(Seeds.Calls).Select(Convert).Append(End);
        var frames = Sequence.Mutate(random, messages, frame => Mutate(random, frame));
        // Text that is not UTF-8 and long pings break the protocol: the connection ends, with or without an answer.
        var valid = frames.TrueForAll(frame => frame.Header switch
        {
            Fin | Text => Utf8.IsValid(frame.Payload),
            Fin | Ping => frame.Payload.Length < 126,
            _ => true,
        });
        if (random.Chance(0.3))
            frames = [.. frames.SelectMany(frame => Fragment(random, frame))];
        byte[] upgrade = Http1.Upgrade(random.Chance(0.2) ? ["Origin: http://localhost", "Sec-WebSocket-Protocol: affect.v1"] : []);
        // The half-close or the mistake before it ends every sequence of whole messages.
        if (valid && random.Chance(0.7))
            return new(Protocol.Http, [.. upgrade, .. frames.Append(End).SelectMany(frame => frame.Encode())]);

        // Frames that break the protocol, and sequences that stop anywhere.
        frames = Sequence.Mutate(random, frames, frame => Break(random, frame));
        byte[] bytes = [.. frames.SelectMany(frame => frame.Encode())];
        if (random.Chance(0.3))
            bytes = Bytes.Mutate(random, bytes);
        return new(Protocol.Http, [.. upgrade, .. bytes], random.Chance(0.3) ? Ending.Reset : Ending.HalfClose);
    }

    private static Frame Convert(AnalyzeStreamRequest request) => request.MessageCase switch
    {
        AnalyzeStreamRequest.MessageOneofCase.Audio => Media(1, request.Audio.Position, request.Audio.Data),
        AnalyzeStreamRequest.MessageOneofCase.Frame =>
            Media(2, request.Frame.Time.ToTimeSpan().Ticks / TimeSpan.TicksPerMicrosecond, request.Frame.Image),
        _ => new(Fin | Text, Encoding.UTF8.GetBytes(JsonFormatter.Default.Format(request.Config))),
    };

    private static Frame Media(byte kind, long number, ByteString media)
    {
        var message = new byte[9 + media.Length];
        message[0] = kind;
        BinaryPrimitives.WriteInt64LittleEndian(message.AsSpan(1), number);
        media.CopyTo(message, 9);
        return new(Fin | Binary, message);
    }

    private static Frame Mutate(Random random, Frame frame) => random.Next(6) switch
    {
        0 => new(Fin | Ping, random.Bytes(random.Next(126))),
        1 => frame with { Header = frame.Header == (Fin | Text) ? (byte)(Fin | Binary) : (byte)(Fin | Text) },
        2 when frame.Payload.Length > 8 => Number(random, frame),
        3 => frame with { Payload = [.. frame.Payload, .. new byte[random.Pick([1, 100, 70_000])]] },
        _ when frame.Header == (Fin | Text) => frame with { Payload = Json.Mutate(random, frame.Payload) },
        _ => frame with { Payload = Bytes.Mutate(random, frame.Payload, 16) },
    };

    private static Frame Number(Random random, Frame frame)
    {
        var payload = frame.Payload.ToArray();
        BinaryPrimitives.WriteInt64LittleEndian(payload.AsSpan(1), random.Pick(Hostile.Integers));
        return frame with { Payload = payload };
    }

    /// <summary>Splits a message into frames, some of them empty, with a ping between them.</summary>
    private static IEnumerable<Frame> Fragment(Random random, Frame frame)
    {
        if (frame.Payload.Length < 2 || (frame.Header & 8) != 0)
            return [frame];
        var cut = random.Next(frame.Payload.Length);
        return
        [
            new((byte)(frame.Header & ~Fin), frame.Payload[..cut]), new(Fin | Ping, []), new(Continuation, []),
            new(Fin | Continuation, frame.Payload[cut..]),
        ];
    }

    private static Frame Break(Random random, Frame frame) => random.Next(8) switch
    {
        0 => frame with { Header = (byte)random.Next(256) },
        1 => frame with { Masked = false },
        2 => frame with { Length = (ulong)random.Pick(Hostile.Integers) },
        3 => new(Fin | Close, random.Pick((byte[][])[[], [3], [3, 0xE8], [3, 0xED], [0xFF, 0xFF], [3, 0xE8, 0xFF, 0xFE], new byte[200]])),
        4 => new(Fin | Ping, new byte[126]),
        5 => new(Fin | Pong, [1]),
        6 => new(Fin | Text, [0xFF, 0xFE]),
        _ => frame with { Header = (byte)(frame.Header ^ Fin) },
    };

    /// <summary>A frame (RFC 6455, 5.2); <paramref name="Length"/> replaces the actual length.</summary>
    private sealed record Frame(byte Header, byte[] Payload, bool Masked = true, ulong? Length = null)
    {
        public byte[] Encode()
        {
            var length = Length ?? (ulong)Payload.Length;
            var mask = (byte)(Masked ? 0x80 : 0);
            byte[] size = length < 126 ? [(byte)(mask | (byte)length)]
                : length <= ushort.MaxValue ? [(byte)(mask | 126), (byte)(length >> 8), (byte)length]
                : [(byte)(mask | 127), .. BitConverter.GetBytes(BinaryPrimitives.ReverseEndianness(length))];
            // A mask of zero leaves the payload as it is.
            return [Header, .. size, .. Masked ? new byte[4] : [], .. Payload];
        }
    }
}
