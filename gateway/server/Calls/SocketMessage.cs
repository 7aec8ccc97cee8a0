using System.Buffers.Binary;
using System.Net.WebSockets;
using System.Text.Json;
using Affect.Gateway.Errors;
using Affect.Hosting;
using Affect.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace Affect.Gateway.Calls;

/// <summary>Messages of a client over a WebSocket; README.md describes their formats.</summary>
internal static class SocketMessage
{
    /// <summary>A kind and eight bytes, before the media.</summary>
    public const int HeaderBytes = 9;

    /// <summary>Largest message.</summary>
    public const int MaxBytes = CallRelay.MaxMessageBytes + HeaderBytes;

    private const int MaxEndBytes = 1024;
    private const byte Audio = 1;
    private const byte Frame = 2;
    private const long MicrosecondsPerSecond = 1_000_000;

    /// <summary>Position of audio that follows the audio before.</summary>
    private const long Append = -1;

    /// <exception cref="RpcException">INVALID_ARGUMENT.</exception>
    public static AnalyzeStreamRequest ParseMedia(ReadOnlySpan<byte> message)
    {
        if (message.Length == 0 || message[0] is not (Audio or Frame))
            throw RpcErrors.InvalidArgument("kind", "The first byte must be 1 for audio or 2 for a video frame.");
        if (message.Length < HeaderBytes)
            throw RpcErrors.InvalidArgument(
                message[0] == Audio ? "audio.position" : "frame.time", "Must be eight bytes, a little-endian integer, after the first byte.");
        var number = BinaryPrimitives.ReadInt64LittleEndian(message[1..]);
        var bytes = ByteString.CopyFrom(message[HeaderBytes..]);
        if (message[0] == Frame)
            return new() { Frame = new() { Time = FromMicroseconds(number), Image = bytes } };
        var chunk = new AudioChunk { Data = bytes };
        if (number != Append)
            chunk.Position = number;
        return new() { Audio = chunk };
    }

    /// <exception cref="RpcException">INVALID_ARGUMENT with every invalid field.</exception>
    public static AnalyzeStreamRequest ParseConfig(ReadOnlyMemory<byte> text)
    {
        var config = new StreamConfig();
        var violations = new List<(string, string)>();
        // A copy, because the buffer of the socket gets the next message.
        ProtoJson.Read(text.ToArray(), config, "config", violations);
        return violations.Count == 0 ? new() { Config = config } : throw RpcErrors.InvalidArgument(violations);
    }

    /// <summary>The only text message that may follow the configuration.</summary>
    /// <exception cref="RpcException">INVALID_ARGUMENT.</exception>
    public static void ParseEnd(ReadOnlyMemory<byte> text)
    {
        if (text.Length > MaxEndBytes || !IsEnd(text))
            throw RpcErrors.InvalidArgument("end", "A text message after the configuration must be {\"end\": true}.");
    }

    /// <summary>The status that a WebSocket closes with (RFC 6455, 7.4; 1013 is IANA's "try again later").</summary>
    public static WebSocketCloseStatus CloseStatus(StatusCode code) => code switch
    {
        StatusCode.OK => WebSocketCloseStatus.NormalClosure,
        StatusCode.Unavailable or StatusCode.ResourceExhausted => (WebSocketCloseStatus)1013,
        _ when ErrorResponses.HttpStatus(code) is >= 400 and < 500 => WebSocketCloseStatus.PolicyViolation,
        _ => WebSocketCloseStatus.InternalServerError,
    };

    private static bool IsEnd(ReadOnlyMemory<byte> text)
    {
        try
        {
            using var json = JsonDocument.Parse(text);
            return json.RootElement.ValueKind == JsonValueKind.Object && json.RootElement.GetPropertyCount() == 1
                && json.RootElement.TryGetProperty("end", out var end) && end.ValueKind == JsonValueKind.True;
        }
        catch (Exception)
        {
            return false;
        }
    }

    private static Duration FromMicroseconds(long microseconds) => new()
    {
        Seconds = microseconds / MicrosecondsPerSecond,
        Nanos = (int)(microseconds % MicrosecondsPerSecond) * 1000,
    };
}
