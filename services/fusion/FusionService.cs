using Affect.Fusion.Calls;
using Affect.Fusion.Clips;
using Affect.Fusion.Peers;
using Affect.Hosting;
using Affect.Scheduling;
using Affect.V1;
using Grpc.Core;
using AnalyzeRequest = Affect.Fusion.V1.AnalyzeRequest;
using AnalyzeResponse = Affect.Fusion.V1.AnalyzeResponse;
using AnalyzeStreamRequest = Affect.Fusion.V1.AnalyzeStreamRequest;
using AnalyzeStreamResponse = Affect.Fusion.V1.AnalyzeStreamResponse;
using ListModelsRequest = Affect.Fusion.V1.ListModelsRequest;
using ListModelsResponse = Affect.Fusion.V1.ListModelsResponse;

namespace Affect.Fusion;

/// <summary>The gRPC adapter: admits requests, calls the domain, maps results.</summary>
internal sealed class FusionService(
    ClipSession clips,
    CallAnalysis calls,
    ModelCatalog models,
    [FromKeyedServices(FusionHosting.Clips)] FairLimiter clipLimiter,
    [FromKeyedServices(FusionHosting.Calls)] FairLimiter callLimiter,
    FusionOptions options,
    TimeProvider time)
    : V1.FusionService.FusionServiceBase
{
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1), ClipRetryAfter = TimeSpan.FromSeconds(5);

    public override async Task<AnalyzeResponse> Analyze(AnalyzeRequest request, ServerCallContext context)
    {
        using var permit = await AdmitClipAsync(context);
        var violations = new Violations();
        var analysis = await AnalyzeAsync();
        if (violations.Any)
            throw RpcErrors.InvalidArgument(violations.Ordered);
        if ((analysis.Speech?.Judgement.Outcome ?? Outcome.Unavailable) == Outcome.Unavailable
            && (analysis.Face?.Judgement.Outcome ?? Outcome.Unavailable) == Outcome.Unavailable)
            throw Unavailable(context);
        return new AnalyzeResponse { Analysis = analysis };

        async Task<Analysis> AnalyzeAsync()
        {
            try
            {
                return await clips.AnalyzeAsync(request.Clip, violations, context.GetTenant(), Deadline(context), context.CancellationToken);
            }
            catch (ClipTooLongException exception)
            {
                throw RpcErrors.ResourceExhausted($"{exception.Message}; shorten it, increase the hop, or retry later", ClipRetryAfter);
            }
        }
    }

    public override async Task AnalyzeStream(
        IAsyncStreamReader<AnalyzeStreamRequest> requestStream, IServerStreamWriter<AnalyzeStreamResponse> responseStream, ServerCallContext context)
    {
        using var permit = await callLimiter.AcquireAsync(context.GetTenant(), context.CancellationToken);
        if (!permit.IsAcquired)
            throw RpcErrors.ResourceExhausted($"the limit of {options.MaxCalls} concurrent calls, half of them for one tenant, is reached", RetryAfter);
        await calls.RunAsync(
            new Unwrapped(requestStream),
            response => responseStream.WriteAsync(new AnalyzeStreamResponse { Call = response }),
            context.GetTenant(),
            context.CancellationToken);
    }

    public override async Task<ListModelsResponse> ListModels(ListModelsRequest request, ServerCallContext context)
    {
        var lists = await Task.WhenAll(((Modality[])[Modality.Speech, Modality.Face]).Select(ListAsync));
        if (lists.All(list => list is null))
            throw Unavailable(context);
        var response = new ListModelsResponse();
        foreach (var list in lists.OfType<IReadOnlyList<Model>>())
            response.Models.Add(list.OrderBy(model => model.Reference.Name, StringComparer.Ordinal));
        return response;

        async Task<IReadOnlyList<Model>?> ListAsync(Modality modality)
        {
            using var requests = new PeerRequests(context.GetTenant(), options.ClipBudget, time, Deadline(context), context.CancellationToken);
            try
            {
                return await models.ListAsync(modality, requests);
            }
            catch (Exception exception) when (requests.IsOutage(exception))
            {
                return null;
            }
        }
    }

    /// <summary>Waits for the clip's turn, up to half of the time until its deadline: the other half is for its analysis.</summary>
    /// <exception cref="RpcException">RESOURCE_EXHAUSTED with RetryInfo.</exception>
    private async Task<FairPermit> AdmitClipAsync(ServerCallContext context)
    {
        var wait = context.Deadline == DateTime.MaxValue ? Timeout.InfiniteTimeSpan : (context.Deadline - time.GetUtcNow().UtcDateTime) / 2;
        using var late = new CancellationTokenSource(wait >= TimeSpan.Zero || wait == Timeout.InfiniteTimeSpan ? wait : TimeSpan.Zero, time);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(late.Token, context.CancellationToken);
        try
        {
            var permit = await clipLimiter.AcquireAsync(context.GetTenant(), ended.Token);
            if (permit.IsAcquired)
                return permit;
        }
        catch (OperationCanceledException) when (!context.CancellationToken.IsCancellationRequested)
        {
            // Too late for the analysis.
        }

        throw RpcErrors.ResourceExhausted($"too many clips wait: at most {options.MaxClipsPerTenant} of one tenant are analyzed concurrently", ClipRetryAfter);
    }

    /// <summary>Unwraps the client's messages; an empty message stays an empty message.</summary>
    private sealed class Unwrapped(IAsyncStreamReader<AnalyzeStreamRequest> wrapped) : IAsyncStreamReader<Affect.V1.AnalyzeStreamRequest>
    {
        public Affect.V1.AnalyzeStreamRequest Current => wrapped.Current.Call ?? new();

        public Task<bool> MoveNext(CancellationToken cancellationToken) => wrapped.MoveNext(cancellationToken);
    }

    private static DateTimeOffset Deadline(ServerCallContext context) =>
        context.Deadline == DateTime.MaxValue ? DateTimeOffset.MaxValue : new(context.Deadline, TimeSpan.Zero);

    private static RpcException Unavailable(ServerCallContext context)
    {
        // The requests to peers have been retried already: the pushback tells clients not to retry (gRFC A6).
        context.ResponseTrailers.Add("grpc-retry-pushback-ms", "-1");
        return RpcErrors.Status(StatusCode.Unavailable, "the services that the request needs are unavailable");
    }
}
