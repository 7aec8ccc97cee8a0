using System.Buffers;
using System.Buffers.Binary;
using Affect.Gateway.Errors;
using Affect.Hosting;
using Grpc.AspNetCore.Server;
using Grpc.Core;
using Microsoft.AspNetCore.Http.Features;

namespace Affect.Gateway.Access;

/// <summary>
/// Rejects a request that exceeds the client's limit before its body is read: by Content-Length over REST, by the length
/// prefix of the message over gRPC, whose own limit would answer without naming a field.
/// </summary>
internal sealed class RequestSizeMiddleware(RequestDelegate next, ILogger<RequestSizeMiddleware> logger)
{
    /// <summary>Compressed flag and length of a message: PROTOCOL-HTTP2.md, "Length-Prefixed-Message".</summary>
    private const int PrefixBytes = 5;

    public async Task InvokeAsync(HttpContext context)
    {
        if (!IsLimited(context.GetEndpoint()))
        {
            await next(context);
            return;
        }

        var limit = context.GetClient().Limits.MaxRequestBytes;
        var grpc = context.IsGrpc();
        // Kestrel enforces the limit on bodies without Content-Length while they are read.
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } body)
            body.MaxRequestBodySize = limit + (grpc ? PrefixBytes : 0);

        var length = grpc ? await PeekMessageLengthAsync(context) : context.Request.ContentLength;
        if (length > limit)
        {
            Log.RequestRejected(logger, context, "request too large");
            await WriteTooLargeAsync(context, limit);
            return;
        }
        await next(context);
    }

    /// <summary>413 over REST; INVALID_ARGUMENT over gRPC, because a retry cannot succeed.</summary>
    public static Task WriteTooLargeAsync(HttpContext context, long limit)
    {
        var reason = $"The request exceeds {limit} bytes.";
        return context.WriteErrorAsync(
            context.IsGrpc() ? RpcErrors.InvalidArgument("clip", reason) : RpcErrors.Status(StatusCode.InvalidArgument, reason),
            StatusCodes.Status413PayloadTooLarge);
    }

    // Streams are not limited: a call may last for hours. grpc-dotnet lifts Kestrel's size and data rate limits for streams,
    // unless the body was read before; CallRelay limits each message instead.
    private static bool IsLimited(Endpoint? endpoint) =>
        endpoint.IsPublicApi()
        && endpoint!.Metadata.GetMetadata<GrpcMethodMetadata>()?.Method.Type is not MethodType.DuplexStreaming;

    private static async Task<long?> PeekMessageLengthAsync(HttpContext context)
    {
        var reader = context.Request.BodyReader;
        var result = await reader.ReadAtLeastAsync(PrefixBytes, context.RequestAborted);
        var length = result.Buffer.Length < PrefixBytes ? (long?)null : ParseLength(result.Buffer);
        // Consumes nothing: the next reader gets the whole message.
        reader.AdvanceTo(result.Buffer.Start);
        return length;
    }

    private static long ParseLength(ReadOnlySequence<byte> buffer)
    {
        Span<byte> prefix = stackalloc byte[PrefixBytes];
        buffer.Slice(0, PrefixBytes).CopyTo(prefix);
        return BinaryPrimitives.ReadUInt32BigEndian(prefix[1..]);
    }
}
