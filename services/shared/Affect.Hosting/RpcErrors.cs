using System.Text;
using System.Text.Json;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;

namespace Affect.Hosting;

/// <summary>
/// Errors that clients see: google.rpc.Status with details, as https://google.aip.dev/193 describes. Descriptions never
/// contain exception texts. All parts are shortened: a status travels in HTTP/2 headers, and a peer that receives more headers than it
/// accepts closes the connection with all its requests.
/// </summary>
public static class RpcErrors
{
    /// <summary>Largest number of violations in one status; the others are omitted.</summary>
    public const int MaxViolations = 20;

    /// <summary>Largest number of UTF-16 characters of a field and of the name of a resource; the rest is replaced by an ellipsis.</summary>
    public const int MaxFieldLength = 128;

    /// <summary>Largest number of UTF-16 characters of a description and of the message of a status.</summary>
    public const int MaxDescriptionLength = 256;

    /// <summary>
    /// Largest size of all violations in bytes. In the worst case (three bytes per character, percent-encoded in grpc-message, and in
    /// base64 in grpc-status-details-bin) the headers have 7 KB.
    /// </summary>
    private const int MaxDetailBytes = 2048;

    /// <summary>INVALID_ARGUMENT for one field.</summary>
    /// <param name="field">Path in the request, as in the proto: "clip.audio", "clip.images[2]".</param>
    /// <param name="description">The expected value, in short: "must lie between 0.1 s and 10 s".</param>
    public static RpcException InvalidArgument(string field, string description) =>
        InvalidArgument([(field, description)]);

    /// <summary>INVALID_ARGUMENT for every invalid field, up to <see cref="MaxViolations"/>.</summary>
    public static RpcException InvalidArgument(IEnumerable<(string Field, string Description)> violations)
    {
        var details = new BadRequest();
        var bytes = 0;
        foreach (var (field, description) in violations.Take(MaxViolations))
        {
            var violation = new BadRequest.Types.FieldViolation
            {
                Field = Shorten(field, MaxFieldLength),
                Description = Shorten(description, MaxDescriptionLength),
            };
            bytes += violation.CalculateSize();
            if (bytes > MaxDetailBytes)
                break;
            details.FieldViolations.Add(violation);
        }
        return Error(Code.InvalidArgument, string.Join("; ", details.FieldViolations.Select(v => $"{v.Field}: {v.Description}")), details);
    }

    /// <summary>NOT_FOUND for one named resource.</summary>
    public static RpcException NotFound(string type, string name)
    {
        name = Shorten(name, MaxFieldLength);
        return Error(Code.NotFound, $"{type} '{name}' does not exist", new ResourceInfo { ResourceType = type, ResourceName = name });
    }

    /// <summary>RESOURCE_EXHAUSTED with RetryInfo: a full queue or a limit.</summary>
    public static RpcException ResourceExhausted(string description, TimeSpan retryAfter) =>
        Error(Code.ResourceExhausted, description, new RetryInfo { RetryDelay = Duration.FromTimeSpan(retryAfter) });

    /// <summary>UNAVAILABLE with RetryInfo: a retry can succeed after the delay.</summary>
    public static RpcException Unavailable(string description, TimeSpan retryAfter) =>
        Error(Code.Unavailable, description, new RetryInfo { RetryDelay = Duration.FromTimeSpan(retryAfter) });

    /// <summary>Any other status, without details.</summary>
    public static RpcException Status(StatusCode code, string description) => Error((Code)(int)code, description);

    /// <summary>The delay that the server asks for before a retry; null if it does not.</summary>
    public static TimeSpan? RetryAfter(this RpcException exception) =>
        exception.GetRpcStatus()?.GetDetail<RetryInfo>()?.RetryDelay?.ToTimeSpan();

    /// <summary>"INVALID_ARGUMENT", as google.rpc.Code spells it.</summary>
    public static string Name(StatusCode code) => JsonNamingPolicy.SnakeCaseUpper.ConvertName(code.ToString());

    private static RpcException Error(Code code, string message, params IMessage[] details)
    {
        var status = new Google.Rpc.Status { Code = (int)code, Message = Shorten(message, MaxDescriptionLength) };
        foreach (var detail in details)
            status.Details.Add(Any.Pack(detail));
        return status.ToRpcException();
    }

    /// <summary>Shortens a text; replaces halves of surrogate pairs, which UTF-8 cannot represent.</summary>
    private static string Shorten(string text, int maxLength)
    {
        if (text.Length > maxLength)
        {
            var end = maxLength - 1;
            text = string.Concat(text.AsSpan(0, char.IsHighSurrogate(text[end - 1]) ? end - 1 : end), "…");
        }
        return Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));
    }
}
