using System.Buffers.Text;
using System.Collections;
using System.Globalization;
using System.Text.Json;
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

    /// <summary>Reads an object into a message. Adds a violation for each invalid field.</summary>
    /// <param name="json">The object, with fields named in either spelling.</param>
    /// <param name="into">Gets the valid fields.</param>
    /// <param name="path">The message's own path in violations: "clip".</param>
    /// <param name="violations">Paths as the proto names them, and descriptions.</param>
    /// <param name="reserved">Names of fields that are reserved for later versions.</param>
    public static void Read(
        JsonElement json, IMessage into, string path, List<(string Field, string Description)> violations, IReadOnlyCollection<string>? reserved = null)
    {
        if (json.ValueKind != JsonValueKind.Object)
        {
            violations.Add((path, "Must be a JSON object."));
            return;
        }
        var fields = into.Descriptor.Fields.InFieldNumberOrder();
        var seen = new HashSet<FieldDescriptor>();
        foreach (var property in json.EnumerateObject())
        {
            if (!TryReadName(property, out var name))
            {
                violations.Add((path, "Names must be valid Unicode."));
                continue;
            }
            if (fields.FirstOrDefault(field => field.Name == name || field.JsonName == name) is not { } field)
            {
                violations.Add(($"{path}.{name}", reserved?.Contains(name) == true
                    ? NotSupported
                    : Unknown(fields.Select(known => known.Name))));
                continue;
            }
            var fieldPath = $"{path}.{field.Name}";
            if (!seen.Add(field))
                violations.Add((fieldPath, Repeated));
            if (property.Value.ValueKind != JsonValueKind.Null)
                ReadField(field, property.Value, into, fieldPath, violations);
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

    private static void ReadField(
        FieldDescriptor field, JsonElement json, IMessage into, string path, List<(string Field, string Description)> violations)
    {
        if (!field.IsRepeated)
        {
            if (ReadValue(field, json, into.Descriptor, path, violations) is { } value)
                field.Accessor.SetValue(into, value);
            return;
        }
        if (json.ValueKind != JsonValueKind.Array)
        {
            violations.Add((path, "Must be an array."));
            return;
        }
        var list = (IList)field.Accessor.GetValue(into);
        foreach (var (index, element) in json.EnumerateArray().Index())
            if (ReadValue(field, element, into.Descriptor, $"{path}[{index}]", violations) is { } item)
                list.Add(item);
    }

    /// <summary>Returns null after adding a violation.</summary>
    private static object? ReadValue(
        FieldDescriptor field, JsonElement json, MessageDescriptor parent, string path, List<(string Field, string Description)> violations)
    {
        if (field.FieldType == FieldType.Message && field.MessageType != Duration.Descriptor)
        {
            var message = field.MessageType.Parser.ParseFrom(ByteString.Empty);
            Read(json, message, path, violations);
            return message;
        }
        if (ParseValue(field, json, parent) is { } value)
            return value;
        violations.Add((path, $"Must be {DescribeType(field)}."));
        return null;
    }

    private static object? ParseValue(FieldDescriptor field, JsonElement json, MessageDescriptor parent)
    {
        try
        {
            return field.FieldType switch
            {
                FieldType.Bytes => ParseBytes(json),
                FieldType.Message => ParseDuration(json),
                _ => field.Accessor.GetValue(JsonParser.Default.Parse($$"""{"{{field.JsonName}}":{{json.GetRawText()}}}""", parent)),
            };
        }
        catch (Exception)
        {
            // Among others, strings with an unpaired surrogate or invalid UTF-8 throw when they are read.
            return null;
        }
    }

    // The URL-safe alphabet and missing padding are valid too.
    private static ByteString? ParseBytes(JsonElement json) => json.ValueKind != JsonValueKind.String
        ? null
        : UnsafeByteOperations.UnsafeWrap(json.TryGetBytesFromBase64(out var bytes) ? bytes : Base64Url.DecodeFromChars(json.GetString()));

    private static Duration? ParseDuration(JsonElement json) =>
        json.ValueKind == JsonValueKind.String && json.GetString() is { Length: > 1 } text && text.EndsWith('s')
        && TryParseSeconds(text, out var duration) ? duration : null;

    private static bool TryReadName(JsonProperty property, out string name)
    {
        try
        {
            name = property.Name;
            return true;
        }
        catch (InvalidOperationException)
        {
            name = "";
            return false;
        }
    }

    private static string DescribeType(FieldDescriptor field) => field.FieldType switch
    {
        FieldType.Enum => "one of " + string.Join(", ", field.EnumType.Values.Skip(1).Select(value => value.Name)),
        FieldType.Message => "a string of seconds such as \"1.5s\"",
        FieldType.Bytes => "a base64 string",
        FieldType.String => "a string",
        _ => "an integer",
    };
}
