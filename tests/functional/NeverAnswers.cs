using Affect.Classifier.V1;
using Affect.Features.V1;
using Affect.Fusion.V1;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Affect.FunctionalTests;

/// <summary>A fake of all internal services that accepts every request and answers none.</summary>
internal static class NeverAnswers
{
    public static void Add(WebApplicationBuilder builder) =>
        builder.Services.AddHealthChecks().AddCheck("never-answers", () => HealthCheckResult.Healthy());

    public static void Map(WebApplication app)
    {
        app.MapGrpcService<Features>();
        app.MapGrpcService<Classifiers>();
        app.MapGrpcService<Fusion>();
    }

    private static async Task<T> WaitAsync<T>(ServerCallContext context)
    {
        await Task.Delay(Timeout.Infinite, context.CancellationToken);
        throw new InvalidOperationException("an infinite delay came to its end");
    }

    /// <param name="entered">Completes with the first request, if registered.</param>
    private sealed class Features(TaskCompletionSource? entered = null) : FeaturesService.FeaturesServiceBase
    {
        public override Task ExtractSpeech(
            ExtractSpeechRequest request, IServerStreamWriter<ExtractSpeechResponse> responseStream, ServerCallContext context)
        {
            entered?.TrySetResult();
            return WaitAsync<ExtractSpeechResponse>(context);
        }

        public override Task<ExtractFacesResponse> ExtractFaces(ExtractFacesRequest request, ServerCallContext context) =>
            WaitAsync<ExtractFacesResponse>(context);
    }

    private sealed class Classifiers : ClassifierService.ClassifierServiceBase
    {
        public override Task<ClassifyResponse> Classify(ClassifyRequest request, ServerCallContext context) =>
            WaitAsync<ClassifyResponse>(context);

        public override Task<Affect.Classifier.V1.ListModelsResponse> ListModels(Affect.Classifier.V1.ListModelsRequest request, ServerCallContext context) =>
            WaitAsync<Affect.Classifier.V1.ListModelsResponse>(context);
    }

    private sealed class Fusion : FusionService.FusionServiceBase
    {
        public override Task<AnalyzeResponse> Analyze(AnalyzeRequest request, ServerCallContext context) =>
            WaitAsync<AnalyzeResponse>(context);

        public override Task<Affect.Fusion.V1.ListModelsResponse> ListModels(Affect.Fusion.V1.ListModelsRequest request, ServerCallContext context) =>
            WaitAsync<Affect.Fusion.V1.ListModelsResponse>(context);
    }
}
