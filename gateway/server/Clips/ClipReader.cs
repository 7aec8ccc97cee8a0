using System.Text;
using Affect.Hosting;
using Affect.V1;
using Google.Protobuf;
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

    private const int InitialBodyBytes = 1 << 16;

    /// <summary>More bytes than any text may have.</summary>
    private const int MaxTextBytes = 8 * RequestLimits.MaxNameLength;

    private static readonly string[] Parts = ["audio", ImagePart, "speech_model", "face_model", "hop", "channels"];

    private static readonly HashSet<string> Charsets = new(StringComparer.OrdinalIgnoreCase) { "utf-8", "us-ascii" };

    /// <summary>Reserved for later versions of the API.</summary>
    private static readonly string[] Reserved = ["text", "video"];

    /// <summary>True if the body's media type is supported.</summary>
    public static bool CanRead(HttpRequest request) => IsJson(request) || IsMultipart(request);

    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT with fields named as in the proto.</exception>
    /// <exception cref="BadHttpRequestException">The body exceeds the limit or is incomplete.</exception>
    public static async Task<Clip> ReadAsync(HttpRequest request, CancellationToken cancellation)
    {
        var violations = new List<(string Field, string Description)>();
        var body = await ReadBodyAsync(request, cancellation);
        var clip = IsJson(request) ? ReadJson(body, violations) : await ReadMultipartAsync(request, body, violations, cancellation);
        violations.AddRange(RequestLimits.Check(clip));
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

    /// <summary>Reads the whole body into one array, to which the clip refers.</summary>
    private static async Task<ArraySegment<byte>> ReadBodyAsync(HttpRequest request, CancellationToken cancellation)
    {
        var length = 0;
        var bytes = GC.AllocateUninitializedArray<byte>((int)(request.ContentLength ?? InitialBodyBytes));
        while (length < bytes.Length)
        {
            var read = await request.Body.ReadAsync(bytes.AsMemory(length), cancellation);
            if (read == 0)
                break;
            length += read;
            if (length == bytes.Length && request.ContentLength is null)
                Array.Resize(ref bytes, 2 * length);
        }
        return new(bytes, 0, length);
    }

    private static async Task<Clip> ReadMultipartAsync(
        HttpRequest request, ArraySegment<byte> body, List<(string, string)> violations, CancellationToken cancellation)
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
            var reader = new MultipartReader(boundary, new MemoryStream(body.Array!, 0, body.Count));
            while (violations.Count < RpcErrors.MaxViolations && clip.Images.Count <= RequestLimits.MaxImages
                && await reader.ReadNextSectionAsync(cancellation) is { } section)
            {
                var name = HeaderUtilities.RemoveQuotes(section.GetContentDispositionHeader()?.Name ?? default).Value ?? "";
                if (name != ImagePart && !seen.Add(name))
                    violations.Add(($"clip.{name}", ProtoJson.Repeated));
                await section.Body.CopyToAsync(Stream.Null, cancellation);
                var content = body.AsMemory((int)section.BaseStreamOffset!.Value, (int)section.Body.Position);
                switch (name)
                {
                    case "audio":
                        clip.Audio = UnsafeByteOperations.UnsafeWrap(content);
                        if (clip.Audio.IsEmpty)
                            violations.Add(("clip.audio", ProtoJson.EmptyFile));
                        break;
                    case ImagePart:
                        clip.Images.Add(UnsafeByteOperations.UnsafeWrap(content));
                        break;
                    case "speech_model":
                        clip.SpeechModel = ReadText(section, content.Span);
                        break;
                    case "face_model":
                        clip.FaceModel = ReadText(section, content.Span);
                        break;
                    case "hop":
                        if (ProtoJson.TryParseSeconds(ReadText(section, content.Span), out var hop))
                            clip.Hop = hop;
                        else
                            violations.Add(("clip.hop", "Must be seconds such as 1.5 or 1.5s."));
                        break;
                    case "channels":
                        if (TryParseRoles(ReadText(section, content.Span)) is { } roles)
                            clip.Channels.Add(roles.Select(role => new AudioChannel { Role = role }));
                        else
                            violations.Add(("clip.channels", "Must be a list of customer, agent and unknown such as customer,agent."));
                        break;
                    default:
                        violations.Add(($"clip.{name}", Reserved.Contains(name)
                            ? ProtoJson.NotSupported
                            : ProtoJson.Unknown(Parts)));
                        break;
                }
            }
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            // Parsers throw many types, each because of the content.
            violations.Add(("clip", "Must be complete multipart/form-data."));
        }
        return clip;
    }

    /// <summary>The start of a text: enough of one that is too long to be rejected.</summary>
    private static string ReadText(MultipartSection section, ReadOnlySpan<byte> content) =>
        MediaTypeHeaderValue.TryParse(section.ContentType, out var type) && type.Charset.HasValue && !Charsets.Contains(type.Charset.Value)
            ? throw new InvalidDataException("the charset is not UTF-8")
            : Encoding.UTF8.GetString(content[..Math.Min(content.Length, MaxTextBytes)]);

    /// <summary>Parses a list of roles such as "customer,agent"; null if one of them is not a role.</summary>
    private static List<SpeakerRole>? TryParseRoles(string text)
    {
        var roles = new List<SpeakerRole>();
        foreach (var name in text.Split(','))
        {
            var role = name.Trim().ToUpperInvariant() switch
            {
                "CUSTOMER" => SpeakerRole.Customer,
                "AGENT" => SpeakerRole.Agent,
                "UNKNOWN" => SpeakerRole.Unknown,
                _ => SpeakerRole.Unspecified,
            };
            if (role == SpeakerRole.Unspecified)
                return null;
            roles.Add(role);
        }

        return roles;
    }

    private static Clip ReadJson(ArraySegment<byte> body, List<(string Field, string Description)> violations)
    {
        var clip = new Clip();
        var fields = ProtoJson.Read(body, clip, "clip", violations, Reserved);
        if (fields.Contains(Clip.Descriptor.FindFieldByNumber(Clip.AudioFieldNumber)) && clip.Audio.IsEmpty
            && !violations.Exists(violation => violation.Field == "clip.audio"))
            violations.Add(("clip.audio", ProtoJson.EmptyFile));
        return clip;
    }
}
