using Affect.Classifier.V1;
using Affect.Hosting;
using Grpc.Core;
using Microsoft.Extensions.DependencyInjection;

namespace Affect.Inference.Grpc;

/// <summary>The gRPC side of all models that this process serves, of one modality or of several.</summary>
internal sealed class ClassifierService(IServiceProvider provider) : Affect.Classifier.V1.ClassifierService.ClassifierServiceBase
{
    private readonly (V1.Modality Modality, Classifiers Models)[] _served =
        [.. Enum.GetValues<Modality>()
            .Select(modality => (modality.ToProto(), provider.GetKeyedService<Classifiers>(modality)!))
            .Where(served => served.Item2 is not null)];

    public override async Task<ClassifyResponse> Classify(ClassifyRequest request, ServerCallContext context)
    {
        var models = GetModels(request.Modality);
        try
        {
            var (model, result) = await models.ClassifyAsync(
                    request.Model, context.GetTenant(), request.Input.Memory, context.Deadline, context.CancellationToken)
                ?? throw RpcErrors.NotFound("model", request.Model);
            return new ClassifyResponse
            {
                Model = model.Reference(),
                Judgement = result.Scores.ToJudgement(result.Outcome),
                Embedding = { result.Embedding },
            };
        }
        catch (InvalidInputException exception)
        {
            throw RpcErrors.InvalidArgument("input", exception.Message);
        }
        catch (QueueFullException exception)
        {
            throw RpcErrors.ResourceExhausted("the queue of this model is full", exception.RetryAfter);
        }
        catch (DeadlinePassedException)
        {
            throw RpcErrors.Status(StatusCode.DeadlineExceeded, "the deadline passed while the input was queued");
        }
        catch (BatchFailedException)
        {
            throw RpcErrors.Status(StatusCode.Internal, "the model failed; see the log of the service");
        }
        catch (NotServingException exception)
        {
            throw RpcErrors.Status(StatusCode.Unavailable, exception.Message);
        }
    }

    public override Task<ListModelsResponse> ListModels(ListModelsRequest request, ServerCallContext context)
    {
        var models = GetModels(request.Modality);
        try
        {
            // An empty list would say that no model exists, hence the default must be loaded.
            models.Find("");
            return Task.FromResult(new ListModelsResponse { Models = { models.All.Select(ModelMapping.ToProto) } });
        }
        catch (NotServingException exception)
        {
            throw RpcErrors.Status(StatusCode.Unavailable, exception.Message);
        }
    }

    private Classifiers GetModels(V1.Modality modality) =>
        _served.FirstOrDefault(served => served.Modality == modality).Models ?? throw RpcErrors.InvalidArgument(
            "modality", $"Must be {string.Join(" or ", _served.Select(served => served.Modality.ToString().ToUpperInvariant()))}.");
}
