using Affect.Fusion.V1;
using Affect.Gateway.Access;
using Affect.Gateway.Errors;
using Affect.Gateway.Events;
using Affect.Hosting;
using Grpc.Core;
using Grpc.Net.Client;
using AnalyzeStreamRequest = Affect.V1.AnalyzeStreamRequest;
using AnalyzeStreamResponse = Affect.V1.AnalyzeStreamResponse;

namespace Affect.Gateway.Calls;

/// <summary>
/// A call on its way to fusion and back, whatever protocol it came in by. Holds the message in hand in each
/// direction and no more: one is taken when the one before has gone on, so that flow control passes through.
/// </summary>
internal sealed class CallPipe(
    [FromKeyedServices(GatewayHosting.StreamChannel)] GrpcChannel channel,
    CallEvents events, GatewayOptions options, IHostApplicationLifetime lifetime)
{
    /// <summary>Largest chunk of audio, picture or configuration: 1 MiB, as the proto says.</summary>
    public const int LargestMessage = 1 << 20;

    private readonly FusionService.FusionServiceClient _fusion = new(channel);

    /// <summary>Runs until fusion has said its last word, whether or not the client has said its own.</summary>
    /// <param name="caller">Whose call it is.</param>
    /// <param name="requests">Its end is the half-close. RpcExceptions that it throws are for the client.</param>
    /// <param name="respond">Takes an answer to the client. Never called twice at once.</param>
    /// <param name="cancellation">The client went away.</param>
    /// <exception cref="RpcException">Fit for clients.</exception>
    /// <exception cref="OperationCanceledException">The client went away.</exception>
    public async Task RunAsync(
        Caller caller, IAsyncEnumerable<AnalyzeStreamRequest> requests, Func<AnalyzeStreamResponse, Task> respond,
        CancellationToken cancellation)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellation, lifetime.ApplicationStopping);
        // No deadline: a call lasts as long as people talk.
        using var call = _fusion.AnalyzeStream(new CallOptions(cancellationToken: ended.Token));
        var sending = SendAsync();
        await using var told = events.Open(caller.Tenant);
        try
        {
            while (await call.ResponseStream.MoveNext(ended.Token))
            {
                var response = call.ResponseStream.Current.Call;
                if (response.MessageCase == AnalyzeStreamResponse.MessageOneofCase.Started)
                    response.Started.Notice = options.Notice;
                // Before the client has it: what a client saw and resumes behind was published.
                await told.PublishAsync(response, ended.Token);
                await respond(response);
            }
        }
        catch (Exception exception) when (exception is RpcException or OperationCanceledException)
        {
            cancellation.ThrowIfCancellationRequested();
            if (lifetime.ApplicationStopping.IsCancellationRequested)
                throw told.Failed(RpcErrors.Status(StatusCode.Unavailable, "the server is going away; go on with the call on another"));
            await ended.CancelAsync();
            // What the client did wrong, rather than what came of it.
            throw told.Failed(await sending ?? (exception is RpcException rpc
                ? Upstream.ForClients(rpc)
                : RpcErrors.Status(StatusCode.Internal, "an internal error")));
        }
        finally
        {
            await ended.CancelAsync();
            await sending;
        }

        // Returns the client's mistake, if it made one; all else is told by the responses.
        async Task<RpcException?> SendAsync()
        {
            try
            {
                await foreach (var request in requests.WithCancellation(ended.Token))
                {
                    Check(request);
                    if (!await TryAsync(() => call.RequestStream.WriteAsync(new() { Call = request }, ended.Token)))
                        return null;
                }
                await TryAsync(call.RequestStream.CompleteAsync);
                return null;
            }
            catch (RpcException mistake)
            {
                await ended.CancelAsync();
                return mistake;
            }
            catch (Exception) when (ended.IsCancellationRequested)
            {
                // The call is over: nobody reads on.
                return null;
            }
            catch (Exception exception) when (exception is OperationCanceledException or IOException or InvalidOperationException)
            {
                await ended.CancelAsync();
                return RpcErrors.Status(StatusCode.Cancelled, "the caller went away");
            }
        }

        // Whether fusion takes more; if not, for whatever reason of the channel's, the responses tell why.
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

    /// <summary>Sizes only; what the messages say is for fusion to judge.</summary>
    /// <exception cref="RpcException">INVALID_ARGUMENT.</exception>
    private static void Check(AnalyzeStreamRequest request)
    {
        var (field, bytes) = request.MessageCase switch
        {
            AnalyzeStreamRequest.MessageOneofCase.Audio => ("audio.data", request.Audio.Data.Length),
            AnalyzeStreamRequest.MessageOneofCase.Frame => ("frame.image", request.Frame.Image.Length),
            _ => ("config", request.CalculateSize()),
        };
        if (bytes > LargestMessage)
            throw RpcErrors.InvalidArgument(field, $"It is larger than {LargestMessage} bytes.");
    }
}
