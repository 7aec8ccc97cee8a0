using System.Buffers.Binary;
using System.Net.WebSockets;
using System.Text.Json;
using Affect.Gateway.Errors;
using Affect.Hosting;
using Affect.V1;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace Affect.Gateway.Calls;

/// <summary>What comes over a WebSocket: README.md tells the forms.</summary>
internal static class SocketMessage
{
    /// <summary>A kind and eight bytes, then media.</summary>
    public const int HeaderBytes = 9;

    /// <summary>More than that is not read.</summary>
    public const int Largest = CallPipe.LargestMessage + HeaderBytes;

    private const byte Audio = 1;
    private const byte Frame = 2;
    private const long MicrosecondsPerSecond = 1_000_000;

    /// <exception cref="RpcException">INVALID_ARGUMENT.</exception>
    public static AnalyzeStreamRequest ReadMedia(ReadOnlySpan<byte> message)
    {
        if (message.Length == 0 || message[0] is not (Audio or Frame))
            throw RpcErrors.InvalidArgument("kind", "The first byte must be 1 for audio or 2 for a video frame.");
        if (message.Length < HeaderBytes)
            throw RpcErrors.InvalidArgument(
                message[0] == Audio ? "audio.position" : "frame.time", "Behind the first byte there must be eight of a little-endian integer.");
        var number = BinaryPrimitives.ReadInt64LittleEndian(message[1..]);
        var bytes = ByteString.CopyFrom(message[HeaderBytes..]);
        return message[0] == Audio
            ? new() { Audio = new() { Position = number, Data = bytes } }
            : new() { Frame = new() { Time = FromMicroseconds(number), Image = bytes } };
    }

    /// <exception cref="RpcException">INVALID_ARGUMENT, naming every field that is wrong.</exception>
    public static AnalyzeStreamRequest ReadConfig(ReadOnlyMemory<byte> text)
    {
        var config = new StreamConfig();
        var violations = new List<(string, string)>();
        using var json = Parse(text, "config");
        Read(json.RootElement, config, "config", violations);
        return violations.Count == 0 ? new() { Config = config } : throw RpcErrors.InvalidArgument(violations);
    }

    /// <summary>The one text that may follow the configuration.</summary>
    /// <exception cref="RpcException">INVALID_ARGUMENT.</exception>
    public static void ReadEnd(ReadOnlyMemory<byte> text)
    {
        using var json = Parse(text, "end");
        if (json.RootElement.ValueKind != JsonValueKind.Object || json.RootElement.GetPropertyCount() != 1
            || !json.RootElement.TryGetProperty("end", out var end) || end.ValueKind != JsonValueKind.True)
            throw RpcErrors.InvalidArgument("end", "Behind the configuration there is no other text than {\"end\": true}.");
    }

    /// <summary>The status that a WebSocket closes with (RFC 6455, 7.4; 1013 is IANA's "try again later").</summary>
    public static WebSocketCloseStatus CloseStatus(StatusCode code) => code switch
    {
        StatusCode.OK => WebSocketCloseStatus.NormalClosure,
        StatusCode.Unavailable or StatusCode.ResourceExhausted => (WebSocketCloseStatus)1013,
        _ when Refusals.HttpStatus(code) is >= 400 and < 500 => WebSocketCloseStatus.PolicyViolation,
        _ => WebSocketCloseStatus.InternalServerError,
    };

    private static JsonDocument Parse(ReadOnlyMemory<byte> text, string field)
    {
        try
        {
            return JsonDocument.Parse(text);
        }
        catch (JsonException)
        {
            throw RpcErrors.InvalidArgument(field, "It is no valid JSON.");
        }
    }

    // Field by field: the parser of Google.Protobuf stops at the first mistake and does not say where it is.
    private static void Read(JsonElement json, IMessage into, string path, List<(string, string)> violations)
    {
        if (json.ValueKind != JsonValueKind.Object)
        {
            violations.Add((path, "It must be a JSON object."));
            return;
        }
        var known = into.Descriptor.Fields.InFieldNumberOrder();
        foreach (var property in json.EnumerateObject())
        {
            var at = $"{path}.{property.Name}";
            if (known.FirstOrDefault(field => field.Name == property.Name || field.JsonName == property.Name) is not { } field)
                violations.Add((at, $"It is unknown; known are {string.Join(", ", known.Select(one => one.Name))}."));
            else if (property.Value.ValueKind != JsonValueKind.Null)
                Read(field, property.Value, into, at, violations);
        }
    }

    private static void Read(FieldDescriptor field, JsonElement json, IMessage into, string path, List<(string, string)> violations)
    {
        if (field.FieldType != FieldType.Message || field.MessageType == Duration.Descriptor)
        {
            try
            {
                var parsed = JsonParser.Default.Parse($$"""{"{{field.JsonName}}":{{json.GetRawText()}}}""", into.Descriptor);
                field.Accessor.SetValue(into, field.Accessor.GetValue(parsed));
            }
            catch (Exception exception) when (exception is InvalidProtocolBufferException or InvalidJsonException)
            {
                violations.Add((path, $"It must be {Form(field)}."));
            }
            return;
        }
        if (!field.IsRepeated)
        {
            var message = field.MessageType.Parser.ParseFrom(ByteString.Empty);
            Read(json, message, path, violations);
            field.Accessor.SetValue(into, message);
            return;
        }
        if (json.ValueKind != JsonValueKind.Array)
        {
            violations.Add((path, "It must be a list."));
            return;
        }
        var list = (System.Collections.IList)field.Accessor.GetValue(into);
        foreach (var element in json.EnumerateArray())
        {
            var message = field.MessageType.Parser.ParseFrom(ByteString.Empty);
            Read(element, message, $"{path}[{list.Count}]", violations);
            list.Add(message);
        }
    }

    private static string Form(FieldDescriptor field) => field.FieldType switch
    {
        FieldType.Enum => "one of " + string.Join(", ", field.EnumType.Values.Skip(1).Select(value => value.Name)),
        FieldType.Message => "a string of seconds, as in \"1.5s\"",
        FieldType.Bytes => "a string of base64",
        FieldType.String => "a string",
        _ => "a whole number",
    };

    private static Duration FromMicroseconds(long microseconds) => new()
    {
        Seconds = microseconds / MicrosecondsPerSecond,
        Nanos = (int)(microseconds % MicrosecondsPerSecond) * 1000,
    };
}
