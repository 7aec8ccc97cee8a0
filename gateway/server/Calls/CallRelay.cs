using Affect.Fusion.V1;
using Affect.Gateway.Access;
using Affect.Gateway.Errors;
using Affect.Gateway.Events;
using Affect.Hosting;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Http.Features;
using AnalyzeStreamRequest = Affect.V1.AnalyzeStreamRequest;
using AnalyzeStreamResponse = Affect.V1.AnalyzeStreamResponse;

namespace Affect.Gateway.Calls;

/// <summary>
/// Relays a call between a client and fusion, over gRPC or WebSocket. Holds one message per direction: the next one is read
/// after the previous one was written, so that flow control reaches the client.
/// </summary>
internal sealed class CallRelay(
    [FromKeyedServices(GatewayHosting.StreamChannel)] GrpcChannel channel,
    CallEventPublisher publisher, GatewayOptions options, IHostApplicationLifetime lifetime)
{
    /// <summary>Largest chunk of audio, picture or configuration: 1 MiB, as the proto states.</summary>
    public const int MaxMessageBytes = 1 << 20;

    private readonly FusionService.FusionServiceClient _fusion = new(channel);

    /// <summary>Runs until fusion ends its side of the call, even if the client has not ended its own.</summary>
    /// <param name="context">The client's request; its client owns the call.</param>
    /// <param name="requests">Its end is the half-close. An RpcException that it throws is returned to the client.</param>
    /// <param name="respond">Writes a response to the client. Calls do not overlap.</param>
    /// <param name="cancellation">Canceled when the client disconnects.</param>
    /// <exception cref="RpcException">Can be shown to clients.</exception>
    /// <exception cref="OperationCanceledException">The client disconnected.</exception>
    public async Task RunAsync(
        HttpContext context, IAsyncEnumerable<AnalyzeStreamRequest> requests, Func<AnalyzeStreamResponse, Task> respond,
        CancellationToken cancellation)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellation, lifetime.ApplicationStopping);
        // Without a deadline: a call lasts as long as the conversation.
        using var stream = _fusion.AnalyzeStream(new CallOptions(cancellationToken: ended.Token).WithTenant(context.GetPartitionKey()));
        var timeout = context.Features.GetRequiredFeature<ResponseTimeout>();
        var sending = SendAsync();
        await using var events = publisher.BeginCall(context.GetClient().Tenant);
        try
        {
            while (await stream.ResponseStream.MoveNext(ended.Token))
            {
                var response = stream.ResponseStream.Current.Call;
                if (response.MessageCase == AnalyzeStreamResponse.MessageOneofCase.Started)
                    response.Started.Notice = options.Notice;
                // Before the client gets it: whatever a client has received and resumes after is published.
                await events.PublishAsync(response, ended.Token);
                await timeout.LimitAsync(respond(response));
            }
        }
        catch (Exception exception) when (exception is RpcException or OperationCanceledException)
        {
            cancellation.ThrowIfCancellationRequested();
            if (lifetime.ApplicationStopping.IsCancellationRequested)
                throw events.Fail(RpcErrors.Status(StatusCode.Unavailable, "The server is shutting down; resume the call."));
            await ended.CancelAsync();
            // The client's own error takes precedence over its consequences.
            throw events.Fail(await sending ?? (exception is RpcException rpc
                ? FusionErrors.ToClientError(rpc)
                : RpcErrors.Status(StatusCode.Internal, "Internal error.")));
        }
        finally
        {
            await ended.CancelAsync();
            await sending;
        }

        // Returns the client's error, if any; the responses report all others.
        async Task<RpcException?> SendAsync()
        {
            try
            {
                await foreach (var request in requests.WithCancellation(ended.Token))
                {
                    Check(request);
                    if (!await TryAsync(() => stream.RequestStream.WriteAsync(new() { Call = request }, ended.Token)))
                        return null;
                }
                await TryAsync(stream.RequestStream.CompleteAsync);
                return null;
            }
            catch (RpcException error)
            {
                await ended.CancelAsync();
                return error;
            }
            catch (Exception) when (ended.IsCancellationRequested)
            {
                return null;
            }
            catch (Exception exception) when (exception is OperationCanceledException or IOException or InvalidOperationException)
            {
                await ended.CancelAsync();
                return RpcErrors.Status(StatusCode.Cancelled, "The client disconnected.");
            }
        }

        // False if fusion takes no more messages; the responses report the reason.
        static async Task<bool> TryAsync(Func<Task> send)
        {
            try
            {
                await send();
                return true;
            }
            catch (Exception)
            {
                return false;
            }
        }
    }

    /// <summary>Checks sizes only; fusion validates the content.</summary>
    /// <exception cref="RpcException">INVALID_ARGUMENT.</exception>
    private static void Check(AnalyzeStreamRequest request)
    {
        if (request.Config is { } config && RequestLimits.Check(config).ToList() is { Count: > 0 } violations)
            throw RpcErrors.InvalidArgument(violations);
        var (field, bytes) = request.MessageCase switch
        {
            AnalyzeStreamRequest.MessageOneofCase.Audio => ("audio.data", request.Audio.Data.Length),
            AnalyzeStreamRequest.MessageOneofCase.Frame => ("frame.image", request.Frame.Image.Length),
            _ => ("config", request.CalculateSize()),
        };
        if (bytes > MaxMessageBytes)
            throw RpcErrors.InvalidArgument(field, $"Must not exceed {MaxMessageBytes} bytes.");
    }
}
