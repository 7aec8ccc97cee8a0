using System.Text.Json;
using Affect.Hosting;
using Affect.V1;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;

namespace Affect.Gateway.Clips;

/// <summary>
/// Reads a clip from the body of a REST request into memory; ASP.NET Core's form reader would write large parts to disk.
/// Reports every invalid field.
/// </summary>
internal static class ClipReader
{
    /// <summary>The multipart name of <c>images</c>; other parts have the proto's names.</summary>
    private const string ImagePart = "image";

    /// <summary>RFC 2046, 5.1.1.</summary>
    private const int MaxBoundaryLength = 70;

    private static readonly string[] Parts = ["audio", ImagePart, "speech_model", "face_model", "hop"];

    /// <summary>Reserved for later versions of the API.</summary>
    private static readonly string[] Reserved = ["text", "video"];

    /// <summary>True if the body's media type is supported.</summary>
    public static bool CanRead(HttpRequest request) => IsJson(request) || IsMultipart(request);

    /// <exception cref="RpcException">INVALID_ARGUMENT with fields named as in the proto.</exception>
    /// <exception cref="BadHttpRequestException">The body exceeds the limit or is incomplete.</exception>
    public static async Task<Clip> ReadAsync(HttpRequest request, CancellationToken cancellation)
    {
        var violations = new List<(string Field, string Description)>();
        var clip = IsJson(request)
            ? await ReadJsonAsync(request, violations, cancellation)
            : await ReadMultipartAsync(request, violations, cancellation);
        return violations.Count == 0 ? clip : throw RpcErrors.InvalidArgument(violations);
    }

    /// <summary>Maps the proto's path of a field ("clip.images[2]") to the request's name.</summary>
    public static string ToRequestField(HttpRequest request, string field)
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

    /// <summary>Parsers throw many types, and each is due to the content. The excluded ones are about the request as a whole.</summary>
    private static bool IsInvalidContent(Exception exception) =>
        exception is not (BadHttpRequestException or OperationCanceledException or RpcException);

    private static async Task<Clip> ReadMultipartAsync(
        HttpRequest request, List<(string, string)> violations, CancellationToken cancellation)
    {
        var clip = new Clip();
        var boundary = HeaderUtilities.RemoveQuotes(MediaTypeHeaderValue.Parse(request.ContentType).Boundary).Value;
        if (string.IsNullOrEmpty(boundary) || boundary.Length > MaxBoundaryLength)
        {
            violations.Add(("clip", $"The content type must have a boundary of at most {MaxBoundaryLength} characters."));
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
                    violations.Add(($"clip.{name}", ProtoJson.Repeated));
                switch (name)
                {
                    case "audio":
                        clip.Audio = await ByteString.FromStreamAsync(section.Body, cancellation);
                        if (clip.Audio.IsEmpty)
                            violations.Add(("clip.audio", ProtoJson.EmptyFile));
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
                        if (ProtoJson.TryParseSeconds(await section.ReadAsStringAsync(cancellation), out var hop))
                            clip.Hop = hop;
                        else
                            violations.Add(("clip.hop", "Must be seconds such as 1.5 or 1.5s."));
                        break;
                    default:
                        violations.Add(($"clip.{name}", Reserved.Contains(name)
                            ? ProtoJson.NotSupported
                            : ProtoJson.Unknown(Parts)));
                        break;
                }
            }
        }
        catch (Exception exception) when (IsInvalidContent(exception))
        {
            violations.Add(("clip", "Must be complete multipart/form-data."));
        }
        return clip;
    }

    private static async Task<Clip> ReadJsonAsync(
        HttpRequest request, List<(string, string)> violations, CancellationToken cancellation)
    {
        var clip = new Clip();
        try
        {
            using var json = await JsonDocument.ParseAsync(request.Body, cancellationToken: cancellation);
            ProtoJson.Read(json.RootElement, clip, "clip", violations, Reserved);
            if (json.RootElement.ValueKind == JsonValueKind.Object && json.RootElement.TryGetProperty("audio", out var audio)
                && audio.ValueKind == JsonValueKind.String && audio.ValueEquals(""))
                violations.Add(("clip.audio", ProtoJson.EmptyFile));
        }
        catch (Exception exception) when (IsInvalidContent(exception))
        {
            violations.Add(("clip", ProtoJson.InvalidJson));
        }
        return clip;
    }
}
