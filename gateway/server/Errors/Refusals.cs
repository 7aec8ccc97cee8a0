using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Affect.Hosting;
using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;
using Microsoft.AspNetCore.WebUtilities;

namespace Affect.Gateway.Errors;

/// <summary>
/// Errors in the caller's language: google.rpc.Status in trailers for gRPC, problem+json (RFC 9457) for
/// REST. For what refuses before a service is reached, and for REST as a whole.
/// </summary>
internal static class Refusals
{
    public static bool IsGrpc(this HttpContext context) =>
        context.Request.ContentType?.StartsWith("application/grpc", StringComparison.OrdinalIgnoreCase) == true;

    /// <summary>Answers with an error instead of what was asked for.</summary>
    /// <param name="context">The call; nothing was answered yet.</param>
    /// <param name="exception">Made by <see cref="RpcErrors"/>.</param>
    /// <param name="httpStatus">For REST, where HTTP has a finer status than the gRPC code maps to.</param>
    /// <param name="rename">For REST: from the proto's name of a field to what the caller called it.</param>
    public static Task RefuseAsync(
        this HttpContext context, RpcException exception, int? httpStatus = null, Func<string, string>? rename = null)
    {
        var status = exception.ToStatus();
        return context.IsGrpc() ? RefuseGrpcAsync(context, status) : RefuseHttpAsync(context, status, httpStatus, rename);
    }

    /// <summary>With the details, where there are any.</summary>
    public static Google.Rpc.Status ToStatus(this RpcException exception) =>
        exception.GetRpcStatus() ?? new Google.Rpc.Status { Code = (int)exception.StatusCode, Message = exception.Status.Detail };

    // "Trailers-Only": https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses
    private static Task RefuseGrpcAsync(HttpContext context, Google.Rpc.Status status)
    {
        var response = context.Response;
        response.StatusCode = StatusCodes.Status200OK;
        response.ContentType = "application/grpc";
        response.Headers["grpc-status"] = status.Code.ToString(CultureInfo.InvariantCulture);
        response.Headers["grpc-message"] = Uri.EscapeDataString(status.Message);
        response.Headers["grpc-status-details-bin"] = Convert.ToBase64String(status.ToByteArray());
        return response.CompleteAsync();
    }

    private static async Task RefuseHttpAsync(
        HttpContext context, Google.Rpc.Status status, int? httpStatus, Func<string, string>? rename)
    {
        var response = context.Response;
        response.StatusCode = httpStatus ?? HttpStatus((StatusCode)status.Code);
        if (status.GetDetail<RetryInfo>() is { } retry)
            // Whole seconds are all that the header knows; rounded up, so that nobody comes too early.
            response.Headers.RetryAfter = Math.Ceiling(retry.RetryDelay.ToTimeSpan().TotalSeconds).ToString(CultureInfo.InvariantCulture);

        response.ContentType = "application/problem+json";
        WriteProblem(response.BodyWriter, status, response.StatusCode, rename);
        await response.BodyWriter.FlushAsync();
    }

    /// <summary>The problem (RFC 9457) that tells an error.</summary>
    public static void WriteProblem(
        IBufferWriter<byte> output, Google.Rpc.Status status, int httpStatus, Func<string, string>? rename = null)
    {
        using var json = new Utf8JsonWriter(output);
        json.WriteStartObject();
        json.WriteString("type", "about:blank");
        json.WriteString("title", ReasonPhrases.GetReasonPhrase(httpStatus));
        json.WriteNumber("status", httpStatus);
        json.WriteString("code", RpcErrors.Name((StatusCode)status.Code));
        if (status.GetDetail<BadRequest>() is { } bad)
        {
            json.WriteString("detail", "The request is wrong in the fields that 'errors' names.");
            json.WriteStartObject("errors");
            foreach (var field in bad.FieldViolations.GroupBy(violation => rename?.Invoke(violation.Field) ?? violation.Field))
            {
                json.WriteStartArray(field.Key);
                foreach (var violation in field)
                    json.WriteStringValue(violation.Description);
                json.WriteEndArray();
            }
            json.WriteEndObject();
        }
        else
            json.WriteString("detail", status.Message);
        // What Retry-After says, for those who get no headers.
        if (status.GetDetail<RetryInfo>() is { } retry)
            json.WriteNumber("retry_after", retry.RetryDelay.ToTimeSpan().TotalSeconds);
        json.WriteEndObject();
    }

    /// <summary>The mapping of google/rpc/code.proto.</summary>
    internal static int HttpStatus(StatusCode code) => code switch
    {
        StatusCode.OK => StatusCodes.Status200OK,
        StatusCode.InvalidArgument or StatusCode.FailedPrecondition or StatusCode.OutOfRange => StatusCodes.Status400BadRequest,
        StatusCode.Unauthenticated => StatusCodes.Status401Unauthorized,
        StatusCode.PermissionDenied => StatusCodes.Status403Forbidden,
        StatusCode.NotFound => StatusCodes.Status404NotFound,
        StatusCode.AlreadyExists or StatusCode.Aborted => StatusCodes.Status409Conflict,
        StatusCode.ResourceExhausted => StatusCodes.Status429TooManyRequests,
        StatusCode.Cancelled => StatusCodes.Status499ClientClosedRequest,
        StatusCode.Unimplemented => StatusCodes.Status501NotImplemented,
        StatusCode.Unavailable => StatusCodes.Status503ServiceUnavailable,
        StatusCode.DeadlineExceeded => StatusCodes.Status504GatewayTimeout,
        _ => StatusCodes.Status500InternalServerError,
    };
}
