using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Affect.Training.Export;

/// <summary>
/// Compact JSON for diffs and readers: objects and arrays without nested arrays are written on one line if they fit (a row
/// of a confusion matrix, a bin), long arrays of numbers are wrapped, and non-ASCII characters are not escaped.
/// </summary>
internal static class ReadableJson
{
    private const int Width = 140, Indent = 2;
    private static readonly JsonSerializerOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Serializes a node as UTF-8 with a final line feed.</summary>
    public static byte[] Write(JsonNode node)
    {
        var text = new StringBuilder();
        Write(text, node, 0, 0);
        return Encoding.UTF8.GetBytes(text.Append('\n').ToString());
    }

    private static void Write(StringBuilder text, JsonNode? node, int indent, int name)
    {
        (char open, char close, List<(string Key, JsonNode? Value)> items) = node switch
        {
            JsonObject o => ('{', '}',
            o.Select(property => ($"{JsonSerializer.Serialize(property.Key, Plain)}: ", property.Value)).ToList()),
            JsonArray a => ('[', ']', a.Select(item => ("", item)).ToList()),
            _ => (' ', ' ', []),
        };
        if (node is not (JsonObject or JsonArray) || items.Count == 0)
        {
            text.Append(node?.ToJsonString(Plain) ?? "null");
            return;
        }
        var flat = items.All(item => item.Value is not (JsonObject or JsonArray) || item.Value is JsonArray { Count: 0 });
        if (flat)
        {
            var padding = node is JsonObject ? " " : "";
            var properties = items.Select(item => item.Key + (item.Value?.ToJsonString(Plain) ?? "null"));
            var line = $"{open}{padding}{string.Join(", ", properties)}{padding}{close}";
            if (indent + name + line.Length < Width && indent > 0)
            {
                text.Append(line);
                return;
            }
        }

        var margin = new string(' ', indent + Indent);
        text.Append(open).Append('\n').Append(margin);
        var column = indent + Indent;
        for (var i = 0; i < items.Count; i++)
        {
            var (key, value) = items[i];
            var start = text.Length;
            text.Append(key);
            Write(text, value, indent + Indent, key.Length);
            column += text.Length - start;
            if (i == items.Count - 1)
                break;
            // Wrap an array of numbers at the line width.
            if (flat && node is JsonArray && column + 2 + (items[i + 1].Value?.ToJsonString(Plain).Length ?? 4) < Width)
            {
                text.Append(", ");
                column += 2;
            }
            else
            {
                text.Append(",\n").Append(margin);
                column = indent + Indent;
            }
        }
        text.Append('\n').Append(' ', indent).Append(close);
    }
}
