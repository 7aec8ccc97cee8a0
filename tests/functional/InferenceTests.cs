using System.Runtime.InteropServices;
using Affect.Classifier.V1;
using Affect.Face;
using Affect.Speech;
using Affect.Testing;
using Affect.V1;
using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Testing;
using ClassifierClient = Affect.Classifier.V1.ClassifierService.ClassifierServiceClient;

namespace Affect.FunctionalTests;

/// <summary>The speech and face services over gRPC, with models whose answers can be computed by hand.</summary>
public sealed class InferenceTests : IAsyncDisposable
{
    private const int SpeechBytes = 130 * 42 * sizeof(float);
    private const int FaceBytes = 48 * 48;

    private readonly ModelFolder _models = new();
    private readonly FakeLogCollector _logs = new();
    private readonly List<IAsyncDisposable> _services = [];
    private readonly List<GrpcChannel> _channels = [];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        foreach (var channel in _channels)
            channel.Dispose();
        foreach (var service in _services)
            await service.DisposeAsync();
        _models.Dispose();
        _logs.ThrowOnErrors();
    }

    [Fact]
    public async Task Classify_Window_HasScoresAndModel()
    {
        var manifest = TinyModel.Speech();
        TinyModel.Write(_models.Path, manifest with { Output = manifest.Output with { Embedding = "embedding" } });
        var client = await SpeechAsync();

        var answer = await client.ClassifyAsync(Speech(Zeros(SpeechBytes)), cancellationToken: Cancellation);

        Assert.Equal(new ModelReference { Name = "tiny-speech", Version = "1" }, answer.Model);
        Assert.Equal(Outcome.Ok, answer.Judgement.Outcome);
        Assert.Equal(MathF.Exp(4) / (MathF.Exp(4) + 6), answer.Judgement.Scores.Happy, 1e-5);
        Assert.Equal(1 / (MathF.Exp(4) + 6), answer.Judgement.Scores.Surprise, 1e-5);
        Assert.Equal([0, 4, 0, 0, 0, 0, 0], answer.Embedding);
    }

    [Fact]
    public async Task Classify_Face_HasScores()
    {
        // Black is happy; each white pixel adds to sad.
        TinyModel.Write(_models.Path, TinyModel.Face(), weight: (_, label) => label == 2 ? 8f / FaceBytes : 0);
        var client = await FaceAsync();
        var white = ByteString.CopyFrom([.. Enumerable.Repeat((byte)255, FaceBytes)]);

        var dark = await client.ClassifyAsync(Face(Zeros(FaceBytes)), cancellationToken: Cancellation);
        var light = await client.ClassifyAsync(Face(white), cancellationToken: Cancellation);

        Assert.Equal(MathF.Exp(4) / (MathF.Exp(4) + 6), dark.Judgement.Scores.Happy, 1e-5);
        Assert.Equal(MathF.Exp(8) / (MathF.Exp(8) + MathF.Exp(4) + 5), light.Judgement.Scores.Sad, 1e-5);
        Assert.Empty(light.Embedding);
    }

    [Fact]
    public async Task ListModels_Models_MatchTheirManifests()
    {
        var manifest = TinyModel.Speech() with
        {
            Metrics =
            [
                new Affect.Inference.ModelMetrics
                {
                    Protocol = "random 80/20",
                    Data = "RAVDESS",
                    Samples = 7,
                    Accuracy = 0.9,
                    UnweightedAverageRecall = 0.8,
                    MacroF1 = 0.7,
                    MacroPrecision = 0.6,
                    ExpectedCalibrationError = 0.05,
                    Confusion = [.. Enumerable.Range(0, 7).Select(i => Enumerable.Repeat(i, 7).ToArray())],
                },
            ],
        };
        TinyModel.Write(_models.Path, manifest);
        TinyModel.Write(_models.Path, TinyModel.Speech("another") with { Default = false });
        TinyModel.Write(_models.Path, TinyModel.Face());
        var client = await SpeechAsync();

        var models = (await client.ListModelsAsync(new() { Modality = Modality.Speech }, cancellationToken: Cancellation)).Models;

        Assert.Equal(["another", "tiny-speech"], models.Select(model => model.Reference.Name));
        var model = models[1];
        Assert.True(model.IsDefault);
        Assert.Equal(Affect.V1.Modality.Speech, model.Modality);
        Assert.Equal(Affect.V1.FeatureKind.MfccZcrRms, model.Input.Features);
        Assert.Equal(TimeSpan.FromSeconds(3), model.Input.Window.ToTimeSpan());
        Assert.Equal("Apache-2.0", model.License);
        Assert.Equal(1, model.Temperature);
        var metrics = Assert.Single(model.Metrics);
        Assert.Equal((0.9, 0.8, 0.7, 0.6, 0.05, 7), (metrics.Accuracy, metrics.UnweightedAverageRecall, metrics.MacroF1,
            metrics.MacroPrecision, metrics.ExpectedCalibrationError, metrics.Samples));
        Assert.Equal([6, 6, 6, 6, 6, 6, 6], metrics.Confusion[6].Counts);
    }

    [Fact]
    public async Task ListModels_NoModelInService_IsUnavailable()
    {
        TinyModel.Write(_models.Path, TinyModel.Speech());
        var client = await SpeechAsync(("Speech:WatchInterval", "00:00:00"));
        await _services.OfType<TestService>().Single().Services
            .GetRequiredKeyedService<Affect.Inference.Classifiers>(Affect.Inference.Modality.Speech).StopAsync(Cancellation);

        var error = await Assert.ThrowsAsync<RpcException>(
            async () => await client.ListModelsAsync(new() { Modality = Modality.Speech }, cancellationToken: Cancellation));

        Assert.Equal(StatusCode.Unavailable, error.StatusCode);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(SpeechBytes - 4)]
    [InlineData(SpeechBytes + 1)]
    public async Task Classify_FeaturesOfWrongSize_ErrorNamesField(int bytes)
    {
        TinyModel.Write(_models.Path, TinyModel.Speech());
        var client = await SpeechAsync();

        var (field, description) = await InvalidAsync(() => client.ClassifyAsync(
            Speech(Zeros(bytes)), cancellationToken: Cancellation));

        Assert.Equal("input", field);
        Assert.Equal($"has {bytes} bytes; must have 21840: 130 frames of 42 float32", description);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.NegativeInfinity)]
    public async Task Classify_NonFiniteFeatures_ErrorNamesField(float value)
    {
        TinyModel.Write(_models.Path, TinyModel.Speech());
        var client = await SpeechAsync();
        var features = new float[130 * 42];
        features[^1] = value;

        var (field, description) = await InvalidAsync(() => client.ClassifyAsync(
            Speech(ByteString.CopyFrom(MemoryMarshal.AsBytes<float>(features))), cancellationToken: Cancellation));

        Assert.Equal(("input", "must not contain NaN or infinity"), (field, description));
    }

    [Fact]
    public async Task Classify_PixelsOfWrongSize_ErrorNamesField()
    {
        TinyModel.Write(_models.Path, TinyModel.Face());
        var client = await FaceAsync();

        var (field, description) = await InvalidAsync(() => client.ClassifyAsync(
            Face(Zeros(1)), cancellationToken: Cancellation));

        Assert.Equal(("input", "has 1 bytes; must have 2304: 2304 pixels of 1"), (field, description));
    }

    [Theory]
    [InlineData("other")]
    [InlineData("../tiny-speech")]
    [InlineData("tiny-face")] // of the other modality
    public async Task Classify_UnknownModel_IsNotFound(string model)
    {
        TinyModel.Write(_models.Path, TinyModel.Speech());
        TinyModel.Write(_models.Path, TinyModel.Face());
        var client = await SpeechAsync();

        var error = await Assert.ThrowsAsync<RpcException>(async () => await client.ClassifyAsync(
            Speech(Zeros(SpeechBytes), model), cancellationToken: Cancellation));

        Assert.Equal(StatusCode.NotFound, error.StatusCode);
        Assert.Equal(model, error.GetRpcStatus()!.GetDetail<ResourceInfo>()!.ResourceName);
    }

    [Theory]
    [InlineData(Modality.Face)]
    [InlineData(Modality.Unspecified)]
    public async Task Classify_ModalityThatIsNotServed_IsInvalid(Modality modality)
    {
        TinyModel.Write(_models.Path, TinyModel.Speech());
        var client = await SpeechAsync();

        var (field, description) = await InvalidAsync(() => client.ClassifyAsync(
            new ClassifyRequest { Modality = modality, Input = Zeros(SpeechBytes) }, cancellationToken: Cancellation));

        Assert.Equal(("modality", "Must be SPEECH."), (field, description));
    }

    [Fact]
    public async Task Classify_RequestAboveMebibyte_IsRejected()
    {
        TinyModel.Write(_models.Path, TinyModel.Speech());
        var client = await SpeechAsync();

        var (field, _) = await InvalidAsync(() => client.ClassifyAsync(Speech(Zeros(1024 * 1024)), cancellationToken: Cancellation));

        Assert.Equal("message", field);
    }

    [Fact]
    public async Task Classify_QueueFull_IsResourceExhaustedWithRetryInfo()
    {
        TinyModel.Write(_models.Path, TinyModel.Speech());
        var client = await SpeechAsync(("Speech:QueueCapacity", "1"), ("Speech:MaxBatchSize", "1"));

        // Bursts of growing size, until one exceeds the model's throughput.
        RpcException? refused = null;
        while (refused is null)
        {
            var burst = Enumerable.Range(0, 64).Select(async _ =>
            {
                try
                {
                    await client.ClassifyAsync(Speech(Zeros(SpeechBytes)), cancellationToken: Cancellation);
                    return null;
                }
                catch (RpcException exception)
                {
                    return exception;
                }
            });
            refused = (await Task.WhenAll(burst)).FirstOrDefault(exception => exception is not null);
        }

        Assert.Equal(StatusCode.ResourceExhausted, refused.StatusCode);
        Assert.True(refused.GetRpcStatus()!.GetDetail<RetryInfo>()!.RetryDelay.ToTimeSpan() >= TimeSpan.FromMilliseconds(10));
        await client.ClassifyAsync(Speech(Zeros(SpeechBytes)), cancellationToken: Cancellation);
    }

    [Fact]
    public async Task SpeechAndFace_OneProcess_BothServe()
    {
        TinyModel.Write(_models.Path, TinyModel.Speech());
        TinyModel.Write(_models.Path, TinyModel.Face(), bias: [0, 0, 0, 0, 0, 0, 9]);
        var channel = await StartAsync(
            builder =>
            {
                builder.AddSpeech();
                builder.AddFace();
            },
            app =>
            {
                app.MapSpeech();
                app.MapFace();
            });

        var client = new ClassifierClient(channel);
        var speech = await client.ClassifyAsync(Speech(Zeros(SpeechBytes)), cancellationToken: Cancellation);
        var face = await client.ClassifyAsync(Face(Zeros(FaceBytes)), cancellationToken: Cancellation);
        var models = (await client.ListModelsAsync(new() { Modality = Modality.Speech }, cancellationToken: Cancellation)).Models;
        var (field, description) = await InvalidAsync(() => client.ClassifyAsync(new ClassifyRequest(), cancellationToken: Cancellation));

        Assert.True(speech.Judgement.Scores.Happy > 0.9);
        Assert.True(face.Judgement.Scores.Surprise > 0.9);
        Assert.Equal(["tiny-speech"], models.Select(model => model.Reference.Name));
        Assert.Equal(("modality", "Must be SPEECH or FACE."), (field, description));
    }

    private static ClassifyRequest Speech(ByteString features, string model = "") =>
        new() { Modality = Modality.Speech, Model = model, Input = features };

    private static ClassifyRequest Face(ByteString pixels) => new() { Modality = Modality.Face, Input = pixels };

    private async Task<ClassifierClient> SpeechAsync(params (string Key, string Value)[] settings) =>
        new(await StartAsync(SpeechHosting.AddSpeech, SpeechHosting.MapSpeech, settings));

    private async Task<ClassifierClient> FaceAsync() => new(await StartAsync(FaceHosting.AddFace, FaceHosting.MapFace));

    private async Task<GrpcChannel> StartAsync(
        Action<Microsoft.AspNetCore.Builder.WebApplicationBuilder> add,
        Action<Microsoft.AspNetCore.Builder.WebApplication> map,
        params (string Key, string Value)[] settings)
    {
        var configuration = new Dictionary<string, string?> { ["Speech:ModelsPath"] = _models.Path, ["Face:ModelsPath"] = _models.Path };
        foreach (var (key, value) in settings)
            configuration[key] = value;
        var service = await TestService.StartAsync("affect-inference", _logs, add, map, configuration);
        _services.Add(service);
        var channel = service.CreateChannel();
        _channels.Add(channel);
        return channel;
    }

    private static ByteString Zeros(int bytes) => ByteString.CopyFrom(new byte[bytes]);

    private static async Task<(string Field, string Description)> InvalidAsync<T>(Func<AsyncUnaryCall<T>> call)
    {
        var error = await Assert.ThrowsAsync<RpcException>(async () => await call());
        Assert.Equal(StatusCode.InvalidArgument, error.StatusCode);
        var violation = Assert.Single(error.GetRpcStatus()!.GetDetail<BadRequest>()!.FieldViolations);
        return (violation.Field, violation.Description);
    }
}
