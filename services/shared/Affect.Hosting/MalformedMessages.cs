using System.Globalization;
using Google.Protobuf;
using Grpc.AspNetCore.Server;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Affect.Hosting;

/// <summary>
/// Answers INVALID_ARGUMENT to messages that cannot be read: invalid protobuf, invalid frames, invalid compression, too many bytes.
/// grpc-dotnet reads the message of a unary request before any interceptor, answers UNKNOWN or INTERNAL, and logs an error; the messages
/// of a stream are read within the <see cref="ErrorInterceptor"/>.
/// </summary>
internal static class MalformedMessages
{
    /// <summary>Logs what escapes the interceptors, as an error with its stack: replaced by <see cref="UseMalformedMessageErrors"/>.</summary>
    public const string ReplacedLog = "Grpc.AspNetCore.Server.ServerCallHandler";

    private static readonly object Read = new();

    /// <summary>Records that the first message of the request has been read.</summary>
    public static void SetRead(ServerCallContext call) => call.UserState[Read] = true;

    /// <summary>Replaces grpc-dotnet's answer to a request whose message it could not read.</summary>
    public static void UseMalformedMessageErrors(this WebApplication app)
    {
        var metrics = app.Services.GetRequiredService<HostingMetrics>();
        var logger = app.Services.GetRequiredService<ILogger<ErrorInterceptor>>();
        app.Use(async (context, next) =>
        {
            // Before the headers are sent, which other middleware may do.
            context.Response.OnStarting(() =>
            {
                if (GetFailedCall(context) is { } call && ToUnreadError(call) is { } error)
                    WriteStatus(context.Response.Headers, error);
                return Task.CompletedTask;
            });
            await next(context);
            if (GetFailedCall(context) is not { } call)
                return;
            if (ToUnreadError(call) is not null)
                metrics.RequestMalformed();
            // Not from a handler, whose exceptions do not leave the interceptor.
            else if (call.Status is { StatusCode: StatusCode.Unknown, DebugException: { } exception }
                && exception is not (IOException or OperationCanceledException) && !context.RequestAborted.IsCancellationRequested)
                Log.RequestFailed(logger, call.Method, exception);
        });
    }

    /// <summary>Reads the messages of a stream; a message that cannot be read is INVALID_ARGUMENT.</summary>
    public sealed class StreamReader<T>(IAsyncStreamReader<T> requests, HostingMetrics metrics) : IAsyncStreamReader<T>
    {
        public T Current => requests.Current;

        public async Task<bool> MoveNext(CancellationToken cancellationToken)
        {
            try
            {
                return await requests.MoveNext(cancellationToken);
            }
            catch (Exception exception) when (ToError(exception is RpcException rpc ? rpc.Status : new(StatusCode.Unknown, "", exception)) is { } error)
            {
                metrics.RequestMalformed();
                throw error;
            }
        }
    }

    private static ServerCallContext? GetFailedCall(HttpContext context) =>
        context.Features.Get<IServerCallContextFeature>()?.ServerCallContext is { Status.StatusCode: not StatusCode.OK } call ? call : null;

    /// <summary>The error of a request whose first message could not be read; null for other errors.</summary>
    private static RpcException? ToUnreadError(ServerCallContext call) => call.UserState.ContainsKey(Read) ? null : ToError(call.Status);

    /// <summary>The error for a status that grpc-dotnet set because it could not read a message; null for other statuses.</summary>
    private static RpcException? ToError(Status status) => status switch
    {
        { DebugException: { } exception } when !IsMalformed(exception) => null,
        { StatusCode: StatusCode.ResourceExhausted } => RpcErrors.InvalidArgument("message", "exceeds the size limit"),
        { StatusCode: StatusCode.Unknown or StatusCode.Internal } =>
            RpcErrors.InvalidArgument("message", "must be a valid protobuf message in a valid gRPC frame"),
        _ => null,
    };

    /// <summary>False for a lost connection, which is an IOException as well.</summary>
    private static bool IsMalformed(Exception exception) =>
        exception is InvalidProtocolBufferException or InvalidDataException or BadHttpRequestException
        // A length of 2 GiB or more.
        || (exception is IOException && exception.Message.StartsWith("Message too large", StringComparison.Ordinal));

    // "Trailers-Only": https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses
    private static void WriteStatus(IHeaderDictionary headers, RpcException error)
    {
        headers["grpc-status"] = ((int)error.StatusCode).ToString(CultureInfo.InvariantCulture);
        headers["grpc-message"] = Uri.EscapeDataString(error.Status.Detail);
        foreach (var entry in error.Trailers)
            headers[entry.Key] = Convert.ToBase64String(entry.ValueBytes);
    }
}
