using System.Buffers;
using System.Buffers.Binary;
using Affect.Gateway.Errors;
using Affect.Hosting;
using Grpc.AspNetCore.Server;
using Grpc.Core;
using Microsoft.AspNetCore.Http.Features;

namespace Affect.Gateway.Access;

/// <summary>
/// Refuses what is larger than the caller may send before it is read: by Content-Length over REST, by the
/// length in front of the message over gRPC, whose own limit would answer without naming a field.
/// </summary>
internal sealed class SizeLimit(RequestDelegate next, ILogger<SizeLimit> logger)
{
    /// <summary>Compressed flag and length of a message: PROTOCOL-HTTP2.md, "Length-Prefixed-Message".</summary>
    private const int PrefixBytes = 5;

    public async Task InvokeAsync(HttpContext context)
    {
        if (context.GetEndpoint()?.Metadata.GetMetadata<PublicApi>() is null)
        {
            await next(context);
            return;
        }

        // A call may last for hours. grpc-dotnet lifts Kestrel's limits of size and of the least rate from streams, unless
        // somebody read before it did; messages stay limited one by one (CallPipe).
        if (context.GetEndpoint()?.Metadata.GetMetadata<GrpcMethodMetadata>()?.Method.Type is MethodType.DuplexStreaming)
        {
            await next(context);
            return;
        }

        var limit = context.Caller().MaxRequestBytes;
        var grpc = context.IsGrpc();
        // Kestrel counts bodies that do not say their length beforehand, and gives up past the limit.
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } body)
            body.MaxRequestBodySize = limit + (grpc ? PrefixBytes : 0);

        var length = grpc ? await MessageLengthAsync(context) : context.Request.ContentLength;
        if (length > limit)
        {
            Log.RequestRefused(logger, context, "too large");
            await RefuseAsync(context, limit);
            return;
        }
        await next(context);
    }

    /// <summary>413 over REST; INVALID_ARGUMENT over gRPC, for waiting and trying again would not help.</summary>
    public static Task RefuseAsync(HttpContext context, long limit) => context.RefuseAsync(
        context.IsGrpc()
            ? RpcErrors.InvalidArgument("clip", $"The request is larger than {limit} bytes.")
            : RpcErrors.Status(StatusCode.InvalidArgument, $"The request is larger than {limit} bytes."),
        StatusCodes.Status413PayloadTooLarge);

    private static async Task<long?> MessageLengthAsync(HttpContext context)
    {
        var reader = context.Request.BodyReader;
        var result = await reader.ReadAtLeastAsync(PrefixBytes, context.RequestAborted);
        var length = result.Buffer.Length < PrefixBytes ? (long?)null : Length(result.Buffer);
        // Nothing is taken: whoever reads next finds the message whole.
        reader.AdvanceTo(result.Buffer.Start);
        return length;
    }

    private static long Length(ReadOnlySequence<byte> buffer)
    {
        Span<byte> prefix = stackalloc byte[PrefixBytes];
        buffer.Slice(0, PrefixBytes).CopyTo(prefix);
        return BinaryPrimitives.ReadUInt32BigEndian(prefix[1..]);
    }
}

/// <summary>Marks the endpoints that keys and limits guard: in one process with others, theirs are not.</summary>
internal sealed class PublicApi;
