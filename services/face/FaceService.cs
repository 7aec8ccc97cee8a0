using Affect.Face.V1;
using Affect.Hosting;
using Affect.Inference;
using Affect.Inference.Grpc;
using Grpc.Core;

namespace Affect.Face;

/// <summary>The gRPC side of the face models.</summary>
internal sealed class FaceService([FromKeyedServices(Modality.Face)] Classifiers classifiers) : V1.FaceService.FaceServiceBase
{
    public override async Task<ClassifyResponse> Classify(ClassifyRequest request, ServerCallContext context)
    {
        var (model, result) = await classifiers.ClassifyAsync(request.Model, request.Pixels, "pixels", context);
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
