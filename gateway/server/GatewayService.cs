using Affect.Gateway.Access;
using Affect.Gateway.Calls;
using Affect.Gateway.Clips;
using Affect.V1;
using Grpc.Core;
using Microsoft.AspNetCore.Authorization;

namespace Affect.Gateway;

/// <summary>The public API over gRPC.</summary>
internal sealed class GatewayService(FusionClient fusion, CallRelay relay) : EmotionService.EmotionServiceBase
{
    [Authorize(Scopes.Analyze), LimitConcurrency(ConcurrentResource.Clips)]
    public override async Task<AnalyzeResponse> Analyze(AnalyzeRequest request, ServerCallContext context) =>
        new() { Analysis = await fusion.AnalyzeAsync(request.Clip, context.GetHttpContext().GetPartitionKey(), context.Deadline, context.CancellationToken) };

    [Authorize(Scopes.Stream), LimitConcurrency(ConcurrentResource.Calls)]
    public override Task AnalyzeStream(
        IAsyncStreamReader<AnalyzeStreamRequest> requestStream, IServerStreamWriter<AnalyzeStreamResponse> responseStream,
        ServerCallContext context) =>
        relay.RunAsync(context.GetHttpContext(), requestStream.ReadAllAsync(), responseStream.WriteAsync, context.CancellationToken);

    [Authorize(Scopes.Analyze)]
    public override async Task<ListModelsResponse> ListModels(ListModelsRequest request, ServerCallContext context) =>
        new() { Models = { await fusion.ListModelsAsync(request.Modality, context.GetHttpContext().GetPartitionKey(), context.Deadline, context.CancellationToken) } };

    [Authorize(Scopes.Analyze)]
    public override async Task<GetModelResponse> GetModel(GetModelRequest request, ServerCallContext context) =>
        new() { Model = await fusion.GetModelAsync(request.Name, context.GetHttpContext().GetPartitionKey(), context.Deadline, context.CancellationToken) };
}
