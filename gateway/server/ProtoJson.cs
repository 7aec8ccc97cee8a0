using System.Buffers.Text;
using System.Collections;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Affect.Hosting;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;

namespace Affect.Gateway;

/// <summary>
/// The JSON form of the protos (https://protobuf.dev/programming-guides/json/). Reads field by field, because the parser of
/// Google.Protobuf stops at the first error and does not name the field.
/// </summary>
internal static class ProtoJson
{
    public const string InvalidJson = "Must be valid JSON.";
    public const string Repeated = "Must not occur more than once.";
    public const string NotSupported = "Not supported yet.";
    public const string EmptyFile = "The file must not be empty.";

    /// <summary>Bounds <see cref="TryParseSeconds"/> so that the conversion cannot overflow; no option of the API is that long.</summary>
    private const decimal MaxSeconds = 86_400;

    // Writes defaults, so that a score of 0 differs from an absent one.
    private static readonly JsonFormatter Formatter = new(
        JsonFormatter.Settings.Default.WithPreserveProtoFieldNames(true).WithFormatDefaultValues(true));

    public static string Format(IMessage message) => Formatter.Format(message);

    /// <summary>
    /// Reads an object into a message. Adds a violation for each invalid field, and stops at <see cref="RpcErrors.MaxViolations"/>, so that
    /// time and memory are linear in the text.
    /// </summary>
    /// <param name="json">The text, with fields named in either spelling. Base64 is decoded in place: the message refers to this memory.</param>
    /// <param name="into">Gets the valid fields.</param>
    /// <param name="path">The message's own path in violations: "clip".</param>
    /// <param name="violations">Paths as the proto names them, and descriptions.</param>
    /// <param name="reserved">Names of fields that are reserved for later versions.</param>
    /// <returns>The fields that the object contains, except those that are null.</returns>
    public static IReadOnlySet<FieldDescriptor> Read(
        Memory<byte> json, IMessage into, string path, List<(string Field, string Description)> violations, IReadOnlyCollection<string>? reserved = null)
    {
        var reader = new Utf8JsonReader(json.Span);
        try
        {
            reader.Read();
            var fields = new JsonMessageReader(json, violations, reserved).ReadMessage(ref reader, into, path);
            if (violations.Count < RpcErrors.MaxViolations)
                reader.Read(); // throws if text follows
            return fields;
        }
        catch (JsonException)
        {
            violations.Clear();
            violations.Add((path, InvalidJson));
            return new HashSet<FieldDescriptor>();
        }
    }

    /// <summary>The violation of a field that does not exist.</summary>
    public static string Unknown(IEnumerable<string> names) => $"Unknown field; must be one of {string.Join(", ", names)}.";

    /// <summary>Parses seconds with or without the unit: "1.5s" or "1.5".</summary>
    public static bool TryParseSeconds(string text, out Duration duration)
    {
        var number = text.AsSpan().Trim();
        if (number.EndsWith("s"))
            number = number[..^1];
        var valid = decimal.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds) && seconds <= MaxSeconds;
        duration = valid ? new Duration { Seconds = (long)seconds, Nanos = (int)(seconds % 1 * 1_000_000_000) } : new();
        return valid;
    }

    private static string DescribeType(FieldDescriptor field) => field.FieldType switch
    {
        FieldType.Enum => "one of " + string.Join(", ", field.EnumType.Values.Skip(1).Select(value => value.Name)),
        FieldType.Message => "a string of seconds such as \"1.5s\"",
        FieldType.Bytes => "a base64 string",
        FieldType.String => "a string",
        _ => "an integer",
    };

    private sealed class JsonMessageReader(
        Memory<byte> json, List<(string Field, string Description)> violations, IReadOnlyCollection<string>? reserved)
    {
        /// <summary>One item more than any list may have is read, so that the list is rejected; the others are skipped.</summary>
        private const int MaxItems = RequestLimits.MaxImages + 1;

        /// <summary>Largest number of bytes of an integer or the name of an enum value.</summary>
        private const int MaxScalarBytes = 128;

        private bool IsFull => violations.Count >= RpcErrors.MaxViolations;

        public HashSet<FieldDescriptor> ReadMessage(ref Utf8JsonReader reader, IMessage into, string path)
        {
            var seen = new HashSet<FieldDescriptor>();
            if (reader.TokenType != JsonTokenType.StartObject)
            {
                Reject(ref reader, path, "Must be a JSON object.");
                return seen;
            }
            while (!IsFull && reader.Read() && reader.TokenType != JsonTokenType.EndObject)
            {
                var field = FindField(ref reader, into.Descriptor, path);
                reader.Read();
                if (field is null)
                {
                    reader.Skip();
                    continue;
                }
                var fieldPath = $"{path}.{field.Name}";
                if (reader.TokenType == JsonTokenType.Null)
                    continue;
                if (!seen.Add(field))
                    Reject(ref reader, fieldPath, Repeated);
                else
                    ReadField(ref reader, field, into, fieldPath);
            }
            return seen;
        }

        /// <summary>The field that the current property names; null, with a violation, if there is no such field.</summary>
        private FieldDescriptor? FindField(ref Utf8JsonReader reader, MessageDescriptor message, string path)
        {
            var fields = message.Fields.InFieldNumberOrder();
            if (GetString(ref reader) is not { } name)
                violations.Add((path, "Names must be valid Unicode."));
            else if (fields.FirstOrDefault(field => field.Name == name || field.JsonName == name) is { } field)
                return field;
            else
                violations.Add(($"{path}.{name}", reserved?.Contains(name) == true ? NotSupported : Unknown(fields.Select(known => known.Name))));
            return null;
        }

        private void ReadField(ref Utf8JsonReader reader, FieldDescriptor field, IMessage into, string path)
        {
            if (!field.IsRepeated)
            {
                if (ReadValue(ref reader, field, into.Descriptor, path) is { } value)
                    field.Accessor.SetValue(into, value);
                return;
            }
            if (reader.TokenType != JsonTokenType.StartArray)
            {
                Reject(ref reader, path, "Must be an array.");
                return;
            }
            var list = (IList)field.Accessor.GetValue(into);
            for (var index = 0; !IsFull && reader.Read() && reader.TokenType != JsonTokenType.EndArray; index++)
                if (list.Count >= MaxItems)
                    reader.Skip();
                else if (ReadValue(ref reader, field, into.Descriptor, $"{path}[{index}]") is { } item)
                    list.Add(item);
        }

        /// <summary>Returns null after adding a violation.</summary>
        private object? ReadValue(ref Utf8JsonReader reader, FieldDescriptor field, MessageDescriptor parent, string path)
        {
            if (field.FieldType == FieldType.Message && field.MessageType != Duration.Descriptor)
            {
                var message = field.MessageType.Parser.ParseFrom(ByteString.Empty);
                ReadMessage(ref reader, message, path);
                return message;
            }
            object? value = field.FieldType switch
            {
                FieldType.Bytes => ParseBytes(ref reader),
                FieldType.String => GetString(ref reader),
                FieldType.Message => reader.ValueSpan.Length <= MaxScalarBytes && GetString(ref reader) is { Length: > 1 } text && text.EndsWith('s')
                    && TryParseSeconds(text, out var duration) ? duration : null,
                _ => ParseScalar(ref reader, field, parent),
            };
            if (value is null)
                Reject(ref reader, path, $"Must be {DescribeType(field)}.");
            return value;
        }

        private void Reject(ref Utf8JsonReader reader, string path, string description)
        {
            violations.Add((path, description));
            if (!IsFull)
                reader.Skip();
        }

        /// <summary>The text of a string or the name of a property; null for other values and for text that is not valid Unicode.</summary>
        private static string? GetString(ref Utf8JsonReader reader)
        {
            try
            {
                return reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName ? reader.GetString() : null;
            }
            catch (InvalidOperationException)
            {
                // Invalid UTF-8, or the escape of half a surrogate pair.
                return null;
            }
        }

        private ByteString? ParseBytes(ref Utf8JsonReader reader)
        {
            if (reader.TokenType != JsonTokenType.String)
                return null;
            // Without the quotes.
            var text = json.Slice((int)reader.TokenStartIndex + 1, reader.ValueSpan.Length);
            if (reader.ValueIsEscaped)
            {
                if (GetString(ref reader) is not { } unescaped)
                    return null;
                text = Encoding.UTF8.GetBytes(unescaped);
            }
            int length;
            if (Base64.IsValid(text.Span))
                Base64.DecodeFromUtf8InPlace(text.Span, out length);
            else if (Base64Url.IsValid(text.Span))
                length = Base64Url.DecodeFromUtf8InPlace(text.Span);
            else
                return null;
            return UnsafeByteOperations.UnsafeWrap(text[..length]);
        }

        private static object? ParseScalar(ref Utf8JsonReader reader, FieldDescriptor field, MessageDescriptor parent)
        {
            if (reader.TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray || reader.ValueSpan.Length > MaxScalarBytes)
                return null;
            var quote = reader.TokenType == JsonTokenType.String ? "\"" : "";
            try
            {
                return field.Accessor.GetValue(JsonParser.Default.Parse(
                    $$"""{"{{field.JsonName}}":{{quote}}{{Encoding.UTF8.GetString(reader.ValueSpan)}}{{quote}}}""", parent));
            }
            catch (Exception)
            {
                return null;
            }
        }
    }
}
