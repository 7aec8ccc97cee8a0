using Affect.Hosting;
using Affect.Inference;
using Affect.Inference.Grpc;
using Affect.Speech.V1;
using Grpc.Core;

namespace Affect.Speech;

/// <summary>The gRPC side of the speech models.</summary>
internal sealed class SpeechService([FromKeyedServices(Modality.Speech)] Classifiers classifiers) : V1.SpeechService.SpeechServiceBase
{
    public override async Task<ClassifyResponse> Classify(ClassifyRequest request, ServerCallContext context)
    {
        var (model, result) = await classifiers.ClassifyAsync(request.Model, request.Features, "features", context);
        return new ClassifyResponse
        {
            Model = model.Reference(),
            Outcome = result.Outcome.ToProto(),
            Scores = result.Scores.ToProto(),
            Embedding = { result.Embedding },
        };
    }

    public override Task<ListModelsResponse> ListModels(ListModelsRequest request, ServerCallContext context) =>
        Task.FromResult(new ListModelsResponse { Models = { classifiers.All.Select(ModelMapping.ToProto) } });
}
