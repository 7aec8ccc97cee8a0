using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using Affect.Gateway.Errors;
using Affect.Hosting;
using Grpc.AspNetCore.Server;
using Grpc.Core;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

namespace Affect.Gateway.Access;

/// <summary>
/// Limits the body of a request: rejects one that exceeds the client's limit before it is read, by Content-Length over REST, by the length
/// prefix of the message over gRPC, whose own limit would answer without naming a field; and reads it as a <see cref="MeteredBody"/>.
/// </summary>
internal sealed class RequestBodyMiddleware(
    RequestDelegate next, BodyBudget budget, GatewayOptions options, TimeProvider time, ILogger<RequestBodyMiddleware> logger)
{
    /// <summary>Compressed flag and length of a message: PROTOCOL-HTTP2.md, "Length-Prefixed-Message".</summary>
    private const int PrefixBytes = 5;

    /// <summary>Largest request that is not a clip.</summary>
    private const int MaxSmallRequestBytes = 1 << 16;

    public async Task InvokeAsync(HttpContext context)
    {
        if (!IsLimited(context))
        {
            await next(context);
            return;
        }

        var limit = GetLimit(context);
        var grpc = context.IsGrpc();
        // Kestrel enforces the limit on bodies without Content-Length while they are read.
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
            size.MaxRequestBodySize = limit + (grpc ? PrefixBytes : 0);
        if (context.Features.Get<IHttpMinRequestBodyDataRateFeature>() is { } rate)
            rate.MinDataRate = null;

        using var body = new MeteredBody(context.Request.BodyReader, context.GetPartitionKey(), budget, options, time);
        context.Features.Set(body);
        context.Features.Set<IRequestBodyPipeFeature>(body);
        context.Request.Body = body.AsStream();
        try
        {
            var length = grpc ? await PeekMessageLengthAsync(body, limit, context.RequestAborted) : context.Request.ContentLength ?? 0;
            if (length > limit)
            {
                Log.RequestRejected(logger, context, "request too large");
                await WriteTooLargeAsync(context);
                return;
            }
            body.Reserve(length);
        }
        catch (RpcException exception)
        {
            Log.RequestRejected(logger, context, exception.Status.Detail);
            await context.WriteErrorAsync(exception, GetHttpStatus(context));
            return;
        }
        catch (BadHttpRequestException exception) when (exception.StatusCode == StatusCodes.Status413PayloadTooLarge)
        {
            Log.RequestRejected(logger, context, "request too large");
            await WriteTooLargeAsync(context);
            return;
        }
        await next(context);
    }

    /// <summary>413 over REST; INVALID_ARGUMENT over gRPC, because a retry cannot succeed.</summary>
    public static Task WriteTooLargeAsync(HttpContext context)
    {
        var reason = $"The request exceeds {GetLimit(context)} bytes.";
        return context.WriteErrorAsync(
            context.IsGrpc() ? RpcErrors.InvalidArgument("clip", reason) : RpcErrors.Status(StatusCode.InvalidArgument, reason),
            StatusCodes.Status413PayloadTooLarge);
    }

    /// <summary>408 if the body arrived too slowly; otherwise null.</summary>
    public static int? GetHttpStatus(HttpContext context) =>
        context.Features.Get<MeteredBody>() is { IsTooSlow: true } ? StatusCodes.Status408RequestTimeout : null;

    private static int GetLimit(HttpContext context)
    {
        var limit = context.GetClient().Limits.MaxRequestBytes;
        return IsClip(context) ? limit : Math.Min(limit, MaxSmallRequestBytes);
    }

    private static bool IsClip(HttpContext context) => context.GetEndpoint().GetResource() == ConcurrentResource.Clips;

    // Streams are not limited: a call may last for hours. grpc-dotnet lifts Kestrel's size and data rate limits for streams,
    // unless the body was read before; CallRelay limits each message instead.
    private static bool IsLimited(HttpContext context) =>
        context.GetEndpoint() is { } endpoint && endpoint.IsPublicApi()
        && endpoint.Metadata.GetMetadata<GrpcMethodMetadata>()?.Method.Type is not MethodType.DuplexStreaming
        && context.Features.Get<IHttpRequestBodyDetectionFeature>()?.CanHaveBody != false;

    private static async Task<long> PeekMessageLengthAsync(PipeReader reader, long compressedLength, CancellationToken cancellation)
    {
        var result = await reader.ReadAtLeastAsync(PrefixBytes, cancellation);
        var length = result.Buffer.Length < PrefixBytes ? 0 : ParseLength(result.Buffer, compressedLength);
        // Consumes nothing: the next reader gets the whole message.
        reader.AdvanceTo(result.Buffer.Start);
        return length;
    }

    /// <summary>The length of a message; at least <paramref name="compressedLength"/> for one that is compressed, because it may grow to the limit.</summary>
    private static long ParseLength(ReadOnlySequence<byte> buffer, long compressedLength)
    {
        Span<byte> prefix = stackalloc byte[PrefixBytes];
        buffer.Slice(0, PrefixBytes).CopyTo(prefix);
        var length = BinaryPrimitives.ReadUInt32BigEndian(prefix[1..]);
        return prefix[0] == 0 ? length : Math.Max(length, compressedLength);
    }
}
