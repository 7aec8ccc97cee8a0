using System.Buffers.Text;
using System.Globalization;
using System.Text.Json;
using Affect.Hosting;
using Affect.V1;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;

namespace Affect.Gateway.Clips;

/// <summary>
/// Reads a clip from the body of a REST request, in memory only: ASP.NET's own form reader would
/// write large parts to disk, and media are not for disks. Wrong fields are named all at once.
/// </summary>
internal static class ClipReader
{
    /// <summary>What multipart calls the fields of a clip; the rest goes by the proto's names.</summary>
    private const string ImagePart = "image";

    /// <summary>Parts that the API keeps for later.</summary>
    private static readonly string[] Reserved = ["text", "video"];

    /// <summary>Whether the body is of a type that can be read.</summary>
    public static bool CanRead(HttpRequest request) => IsJson(request) || IsMultipart(request);

    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT with the fields as the proto names them.</exception>
    /// <exception cref="BadHttpRequestException">The body is larger than the server takes, or broke off.</exception>
    public static async Task<Clip> ReadAsync(HttpRequest request, CancellationToken cancellation)
    {
        var violations = new List<(string Field, string Description)>();
        var clip = IsJson(request)
            ? await ReadJsonAsync(request, violations, cancellation)
            : await ReadMultipartAsync(request, violations, cancellation);
        return violations.Count == 0 ? clip : throw RpcErrors.InvalidArgument(violations);
    }

    /// <summary>From the proto's name of a field ("clip.images[2]") to what the caller calls it.</summary>
    public static string Rename(HttpRequest request, string field)
    {
        if (field == "clip")
            return "body";
        var name = field.StartsWith("clip.", StringComparison.Ordinal) ? field["clip.".Length..] : field;
        return IsMultipart(request) && name.StartsWith("images", StringComparison.Ordinal) ? ImagePart + name["images".Length..] : name;
    }

    private static bool IsJson(HttpRequest request) => HasType(request, "application/json");

    private static bool IsMultipart(HttpRequest request) => HasType(request, "multipart/form-data");

    private static bool HasType(HttpRequest request, string type) =>
        MediaTypeHeaderValue.TryParse(request.ContentType, out var parsed)
        && parsed.MediaType.Equals(type, StringComparison.OrdinalIgnoreCase);

    private static async Task<Clip> ReadMultipartAsync(
        HttpRequest request, List<(string, string)> violations, CancellationToken cancellation)
    {
        var clip = new Clip();
        var boundary = HeaderUtilities.RemoveQuotes(MediaTypeHeaderValue.Parse(request.ContentType).Boundary).Value;
        if (string.IsNullOrEmpty(boundary))
        {
            violations.Add(("clip", "The content type names no boundary."));
            return clip;
        }
        try
        {
            var seen = new HashSet<string>();
            var reader = new MultipartReader(boundary, request.Body);
            while (await reader.ReadNextSectionAsync(cancellation) is { } section)
            {
                var name = HeaderUtilities.RemoveQuotes(section.GetContentDispositionHeader()?.Name ?? default).Value ?? "";
                if (name != ImagePart && !seen.Add(name))
                    violations.Add(($"clip.{name}", "It occurs more than once."));
                switch (name)
                {
                    case "audio":
                        clip.Audio = await ByteString.FromStreamAsync(section.Body, cancellation);
                        if (clip.Audio.IsEmpty)
                            violations.Add(("clip.audio", "The file is empty."));
                        break;
                    case ImagePart:
                        clip.Images.Add(await ByteString.FromStreamAsync(section.Body, cancellation));
                        break;
                    case "speech_model":
                        clip.SpeechModel = await section.ReadAsStringAsync(cancellation);
                        break;
                    case "face_model":
                        clip.FaceModel = await section.ReadAsStringAsync(cancellation);
                        break;
                    case "hop":
                        if (Seconds(await section.ReadAsStringAsync(cancellation)) is { } hop)
                            clip.Hop = hop;
                        else
                            violations.Add(("clip.hop", "It must be seconds, as in 1.5 or 1.5s."));
                        break;
                    default:
                        violations.Add(($"clip.{name}", Reserved.Contains(name)
                            ? "It is not supported yet."
                            : "It is unknown; known are audio, image, speech_model, face_model and hop."));
                        break;
                }
            }
        }
        catch (Exception exception) when (exception is InvalidDataException or IOException and not BadHttpRequestException)
        {
            violations.Add(("clip", "It is no complete multipart/form-data."));
        }
        return clip;
    }

    private static Duration? Seconds(string text)
    {
        var number = text.AsSpan().Trim();
        if (number.EndsWith("s"))
            number = number[..^1];
        // Beyond a day there is nothing to tell apart, and the conversion below is safe.
        return decimal.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds) && seconds <= 86_400
            ? new Duration { Seconds = (long)seconds, Nanos = (int)(seconds % 1 * 1_000_000_000) }
            : null;
    }

    /// <summary>
    /// The JSON form of the proto (https://protobuf.dev/programming-guides/json/), field by field: the
    /// parser of Google.Protobuf stops at the first mistake and does not say in which field it is.
    /// </summary>
    private static async Task<Clip> ReadJsonAsync(
        HttpRequest request, List<(string, string)> violations, CancellationToken cancellation)
    {
        var clip = new Clip();
        try
        {
            using var json = await JsonDocument.ParseAsync(request.Body, cancellationToken: cancellation);
            if (json.RootElement.ValueKind != JsonValueKind.Object)
            {
                violations.Add(("clip", "It must be a JSON object."));
                return clip;
            }
            var seen = new HashSet<string>();
            foreach (var property in json.RootElement.EnumerateObject())
                Read(property, clip, seen, violations);
        }
        catch (JsonException)
        {
            violations.Add(("clip", "It is no valid JSON."));
        }
        return clip;
    }

    private static void Read(JsonProperty property, Clip clip, HashSet<string> seen, List<(string, string)> violations)
    {
        var field = Clip.Descriptor.Fields.InFieldNumberOrder()
            .FirstOrDefault(field => field.Name == property.Name || field.JsonName == property.Name);
        if (field is null)
        {
            violations.Add(($"clip.{property.Name}", Reserved.Contains(property.Name)
                ? "It is not supported yet."
                : $"It is unknown; known are {string.Join(", ", Clip.Descriptor.Fields.InFieldNumberOrder().Select(known => known.Name))}."));
            return;
        }
        if (!seen.Add(field.Name))
            violations.Add(($"clip.{field.Name}", "It occurs more than once."));
        if (property.Value.ValueKind == JsonValueKind.Null)
            return;
        if (!field.IsRepeated)
        {
            if (Value(field, property.Value) is not { } value)
                violations.Add(($"clip.{field.Name}", $"It must be {Form(field)}."));
            else if (value is ByteString { IsEmpty: true })
                violations.Add(($"clip.{field.Name}", "The file is empty."));
            else
                field.Accessor.SetValue(clip, value);
            return;
        }
        if (property.Value.ValueKind != JsonValueKind.Array)
        {
            violations.Add(($"clip.{field.Name}", $"It must be a list, each of it {Form(field)}."));
            return;
        }
        var list = (System.Collections.IList)field.Accessor.GetValue(clip);
        foreach (var element in property.Value.EnumerateArray())
            if (Value(field, element) is { } item)
                list.Add(item);
            else
            {
                violations.Add(($"clip.{field.Name}[{list.Count}]", $"It must be {Form(field)}."));
                return;
            }
    }

    private static object? Value(FieldDescriptor field, JsonElement json)
    {
        if (json.ValueKind != JsonValueKind.String)
            return null;
        switch (field.FieldType)
        {
            case FieldType.String:
                return json.GetString();
            case FieldType.Bytes:
                if (json.TryGetBytesFromBase64(out var bytes))
                    return UnsafeByteOperations.UnsafeWrap(bytes);
                // The URL-safe alphabet and missing padding are allowed too.
                try
                {
                    return UnsafeByteOperations.UnsafeWrap(Base64Url.DecodeFromChars(json.GetString()));
                }
                catch (FormatException)
                {
                    return null;
                }
            case FieldType.Message when field.MessageType == Duration.Descriptor:
                return json.GetString() is { Length: > 1 } text && text.EndsWith('s') ? Seconds(text) : null;
            default:
                throw new NotSupportedException($"{field.FullName} has a type that REST cannot read");
        }
    }

    private static string Form(FieldDescriptor field) => field.FieldType switch
    {
        FieldType.Bytes => "a string of base64",
        FieldType.Message => "a string of seconds, as in \"1.5s\"",
        _ => "a string",
    };
}
