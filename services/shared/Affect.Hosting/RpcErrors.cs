using System.Text.Json;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;

namespace Affect.Hosting;

/// <summary>
/// Errors that clients see: google.rpc.Status with details, as https://google.aip.dev/193 describes. Descriptions never
/// contain exception texts.
/// </summary>
public static class RpcErrors
{
    /// <summary>INVALID_ARGUMENT for one field.</summary>
    /// <param name="field">Path in the request, as in the proto: "clip.audio", "clip.images[2]".</param>
    /// <param name="description">The expected value, in short: "must lie between 0.1 s and 10 s".</param>
    public static RpcException InvalidArgument(string field, string description) =>
        InvalidArgument([(field, description)]);

    /// <summary>INVALID_ARGUMENT for every invalid field.</summary>
    public static RpcException InvalidArgument(IReadOnlyList<(string Field, string Description)> violations)
    {
        var details = new BadRequest();
        foreach (var (field, description) in violations)
            details.FieldViolations.Add(new BadRequest.Types.FieldViolation { Field = field, Description = description });
        return Error(Code.InvalidArgument, string.Join("; ", violations.Select(v => $"{v.Field}: {v.Description}")), details);
    }

    /// <summary>NOT_FOUND for one named resource.</summary>
    public static RpcException NotFound(string type, string name) =>
        Error(Code.NotFound, $"{type} '{name}' does not exist", new ResourceInfo { ResourceType = type, ResourceName = name });

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
        var status = new Google.Rpc.Status { Code = (int)code, Message = message };
        foreach (var detail in details)
            status.Details.Add(Any.Pack(detail));
        return status.ToRpcException();
    }
}
