using System.Security.Cryptography;
using System.Text;
using Affect.Classifier.V1;
using Affect.Features.V1;
using Affect.Fusion.V1;
using Affect.Testing;
using Affect.V1;
using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Net.Client;
using Grpc.Reflection.V1Alpha;

namespace Affect.FunctionalTests;

/// <summary>All services in one process that requires keys: its ports serve the public API alone.</summary>
public sealed class LocalTests : IAsyncLifetime
{
    private const string Key = "key-of-app";

    private readonly ServiceProcess _process = new(
        "Local", ("Gateway__RequireApiKey", "true"),
        ("Gateway__ApiKeys__app__Sha256", Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Key)))));

    private GrpcChannel? _channel;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await _process.StartAsync(Cancellation);
        _channel = GrpcChannel.ForAddress(_process.Address);
    }

    public async ValueTask DisposeAsync()
    {
        _channel?.Dispose();
        await _process.DisposeAsync();
    }

    [Fact]
    public async Task PublicPort_InternalService_IsUnimplemented()
    {
        var features = new FeaturesService.FeaturesServiceClient(_channel);
        var classifier = new ClassifierService.ClassifierServiceClient(_channel);
        var fusion = new FusionService.FusionServiceClient(_channel);

        await AssertUnimplementedAsync(() => classifier.ListModelsAsync(new(), cancellationToken: Cancellation).ResponseAsync);
        await AssertUnimplementedAsync(() => classifier.ClassifyAsync(new(), cancellationToken: Cancellation).ResponseAsync);
        await AssertUnimplementedAsync(() => features.ExtractFacesAsync(new(), cancellationToken: Cancellation).ResponseAsync);
        await AssertUnimplementedAsync(() => fusion.ListModelsAsync(new(), cancellationToken: Cancellation).ResponseAsync);
        await AssertUnimplementedAsync(async () =>
        {
            using var call = fusion.AnalyzeStream(cancellationToken: Cancellation);
            await call.ResponseStream.MoveNext(Cancellation);
        });
    }

    [Fact]
    public async Task PublicPort_PublicServices_Answer()
    {
        Assert.Equal(
            HealthCheckResponse.Types.ServingStatus.Serving,
            (await new Health.HealthClient(_channel).CheckAsync(new(), cancellationToken: Cancellation)).Status);

        // The models come from speech and face, which fusion reaches in memory.
        var client = new EmotionService.EmotionServiceClient(_channel);
        var models = await client.ListModelsAsync(new(), new Metadata { { "x-api-key", Key } }, cancellationToken: Cancellation);
        Assert.Equal([Modality.Speech, Modality.Face], models.Models.Select(model => model.Modality).Distinct());
        Assert.Equal(StatusCode.Unauthenticated, await StatusAsync(() => client.ListModelsAsync(new(), cancellationToken: Cancellation).ResponseAsync));
    }

    [Fact]
    public async Task Reflection_OnPublicPort_ListsPublicServices()
    {
        using var reflection = new ServerReflection.ServerReflectionClient(_channel).ServerReflectionInfo(cancellationToken: Cancellation);
        await reflection.RequestStream.WriteAsync(new() { ListServices = "" }, Cancellation);
        Assert.True(await reflection.ResponseStream.MoveNext(Cancellation));

        Assert.Equal(
            ["affect.v1.EmotionService", "grpc.health.v1.Health"],
            reflection.ResponseStream.Current.ListServicesResponse.Service.Select(service => service.Name)
                .Where(name => !name.StartsWith("grpc.reflection", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
    }

    private static async Task AssertUnimplementedAsync(Func<Task> send) => Assert.Equal(StatusCode.Unimplemented, await StatusAsync(send));

    private static async Task<StatusCode> StatusAsync(Func<Task> send) => (await Assert.ThrowsAsync<RpcException>(send)).StatusCode;
}
