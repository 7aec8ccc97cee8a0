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
/// Writes errors in the protocol of the request: google.rpc.Status in trailers for gRPC, problem+json (RFC 9457) for REST.
/// </summary>
internal static class ErrorResponses
{
    public static bool IsGrpc(this HttpContext context) =>
        context.Request.ContentType?.StartsWith("application/grpc", StringComparison.OrdinalIgnoreCase) == true;

    /// <summary>Writes an error as the response.</summary>
    /// <param name="context">The request; its response has not started.</param>
    /// <param name="exception">Created by <see cref="RpcErrors"/>.</param>
    /// <param name="httpStatus">For REST, where HTTP has a more specific status than the gRPC code maps to.</param>
    /// <param name="renameField">For REST: maps the proto's name of a field to the request's.</param>
    public static Task WriteErrorAsync(
        this HttpContext context, RpcException exception, int? httpStatus = null, Func<string, string>? renameField = null)
    {
        var status = exception.ToStatus();
        return context.IsGrpc() ? WriteGrpcAsync(context, status) : WriteHttpAsync(context, status, httpStatus, renameField);
    }

    /// <summary>Answers an authenticated client that lacks the endpoint's scope.</summary>
    public static Task WriteForbiddenAsync(this HttpContext context, ILogger logger)
    {
        const string reason = "The key or token lacks the required scope.";
        Log.RequestRejected(logger, context, reason);
        return context.WriteErrorAsync(RpcErrors.Status(StatusCode.PermissionDenied, reason));
    }

    /// <summary>The status with its details, if it has any.</summary>
    public static Google.Rpc.Status ToStatus(this RpcException exception) =>
        exception.GetRpcStatus() ?? new Google.Rpc.Status { Code = (int)exception.StatusCode, Message = exception.Status.Detail };

    /// <summary>Writes an error as a problem (RFC 9457).</summary>
    public static void WriteProblem(
        IBufferWriter<byte> output, Google.Rpc.Status status, int httpStatus, Func<string, string>? renameField = null)
    {
        using var json = new Utf8JsonWriter(output);
        json.WriteStartObject();
        json.WriteString("type", "about:blank");
        json.WriteString("title", ReasonPhrases.GetReasonPhrase(httpStatus));
        json.WriteNumber("status", httpStatus);
        json.WriteString("code", RpcErrors.Name((StatusCode)status.Code));
        if (status.GetDetail<BadRequest>() is { } bad)
        {
            json.WriteString("detail", "The request has invalid fields; see 'errors'.");
            json.WriteStartObject("errors");
            foreach (var field in bad.FieldViolations.GroupBy(violation => renameField?.Invoke(violation.Field) ?? violation.Field))
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
        // Equals Retry-After, for WebSocket clients, which get no headers.
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

    // "Trailers-Only": https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses
    private static Task WriteGrpcAsync(HttpContext context, Google.Rpc.Status status)
    {
        var response = context.Response;
        response.StatusCode = StatusCodes.Status200OK;
        response.ContentType = "application/grpc";
        response.Headers["grpc-status"] = status.Code.ToString(CultureInfo.InvariantCulture);
        response.Headers["grpc-message"] = Uri.EscapeDataString(status.Message);
        response.Headers["grpc-status-details-bin"] = Convert.ToBase64String(status.ToByteArray());
        return response.CompleteAsync();
    }

    private static async Task WriteHttpAsync(
        HttpContext context, Google.Rpc.Status status, int? httpStatus, Func<string, string>? renameField)
    {
        var response = context.Response;
        response.StatusCode = httpStatus ?? HttpStatus((StatusCode)status.Code);
        if (status.GetDetail<RetryInfo>() is { } retry)
            // The header takes whole seconds; rounding up avoids an early retry.
            response.Headers.RetryAfter = Math.Ceiling(retry.RetryDelay.ToTimeSpan().TotalSeconds).ToString(CultureInfo.InvariantCulture);

        response.ContentType = "application/problem+json";
        WriteProblem(response.BodyWriter, status, response.StatusCode, renameField);
        await response.BodyWriter.FlushAsync();
    }
}
