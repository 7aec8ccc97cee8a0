using System.Runtime.InteropServices;
using Affect.Emotions;
using Affect.Inference;
using Affect.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Options;

namespace Affect.UnitTests.Inference;

/// <summary>A model repository on disk, loaded by ONNX Runtime.</summary>
public sealed class ClassifiersTests : IDisposable
{
    private const int SpeechBytes = 130 * 42 * sizeof(float);

    private readonly ModelFolder _folder = new();
    private readonly FakeLogCollector _logs = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Load_SeveralVersions_ServesTheNewest()
    {
        var manifest = TinyModel.Write(_folder.Path, TinyModel.Speech());
        TinyModel.Write(_folder.Path, manifest, bias: [0, 0, 5, 0, 0, 0, 0]);

        await using var served = await LoadAsync();

        var classifier = served.Find("")!;
        Assert.Equal("2", classifier.Version);
        var answer = await classifier.ClassifyAsync("", new byte[SpeechBytes], DateTime.MaxValue, Cancel);
        Assert.Equal(Emotion.Sad, answer.Scores.Best);
        Assert.Equal(MathF.Exp(5) / (MathF.Exp(5) + 6), answer.Scores.Confidence, 1e-6);
        Assert.Equal(Outcome.Ok, answer.Outcome);
        Assert.Empty(answer.Embedding);
        Assert.True(served.Healthy);
        _logs.ThrowOnErrors();
    }

    [Fact]
    public async Task Load_FileWithAnotherHash_ServesTheVersionBefore()
    {
        var manifest = TinyModel.Write(_folder.Path, TinyModel.Speech());
        TinyModel.Write(_folder.Path, manifest, bias: [0, 0, 5, 0, 0, 0, 0]);
        Flip(_folder["tiny-speech/2/model.onnx"]);

        await using var served = await LoadAsync();

        Assert.Equal("1", served.Find("")!.Version);
        Assert.True(served.Healthy);
        Assert.Contains("Rejected model tiny-speech version 2: 2/model.onnx has the SHA-256", Errors());
    }

    [Fact]
    public async Task Load_FileThatIsNotAModel_ServesTheVersionBefore()
    {
        var manifest = TinyModel.Write(_folder.Path, TinyModel.Speech());
        manifest = TinyModel.Write(_folder.Path, manifest);
        await File.WriteAllTextAsync(_folder["tiny-speech/2/model.onnx"], "not a model", Cancel);
        TinyModel.WriteManifest(_folder.Path, manifest with
        {
            Versions = [manifest.Versions[0], manifest.Versions[1] with { Sha256 = Sha256(_folder["tiny-speech/2/model.onnx"]) }],
        });

        await using var served = await LoadAsync();

        Assert.Equal("1", served.Find("")!.Version);
        Assert.Contains("version 2: ONNX Runtime cannot load it", Errors());
    }

    [Fact]
    public async Task Load_MissingFile_ServesTheVersionBefore()
    {
        var manifest = TinyModel.Write(_folder.Path, TinyModel.Speech());
        TinyModel.Write(_folder.Path, manifest);
        File.Delete(_folder["tiny-speech/2/model.onnx"]);

        await using var served = await LoadAsync();

        Assert.Equal("1", served.Find("")!.Version);
    }

    [Fact]
    public async Task Load_ModelWithoutAValidVersion_ServesTheOthers()
    {
        TinyModel.Write(_folder.Path, TinyModel.Speech());
        TinyModel.Write(_folder.Path, TinyModel.Speech("broken") with { Default = false });
        Flip(_folder["broken/1/model.onnx"]);

        await using var served = await LoadAsync();

        Assert.Null(served.Find("broken"));
        Assert.Equal(["tiny-speech"], served.Names);
        Assert.True(served.Healthy);
        Assert.Contains("Excluded model broken: it has no valid version", Errors());
    }

    [Fact]
    public async Task Load_ModelsOfBothModalities_AreSeparated()
    {
        TinyModel.Write(_folder.Path, TinyModel.Speech());
        TinyModel.Write(_folder.Path, TinyModel.Speech("another") with { Default = false }, bias: [0, 0, 0, 9, 0, 0, 0]);
        TinyModel.Write(_folder.Path, TinyModel.Face());

        await using var speech = await LoadAsync();
        await using var face = await LoadAsync(Modality.Face);

        Assert.Equal(["another", "tiny-speech"], speech.Names);
        Assert.Equal(["tiny-face"], face.Names);
        Assert.Equal("tiny-speech", speech.Find("")!.Manifest.Name);
        var answer = await speech.Find("another")!.ClassifyAsync("", new byte[SpeechBytes], DateTime.MaxValue, Cancel);
        Assert.Equal(Emotion.Angry, answer.Scores.Best);
        Assert.Null(speech.Find("tiny-face"));
        _logs.ThrowOnErrors();
    }

    [Fact]
    public async Task Load_TwoDefaults_IsUnhealthy()
    {
        TinyModel.Write(_folder.Path, TinyModel.Speech());
        TinyModel.Write(_folder.Path, TinyModel.Speech("another"));

        await using var served = await LoadAsync();

        Assert.False(served.Healthy);
        Assert.Throws<NotServingException>(() => served.Find(""));
        Assert.Contains("only one of another, tiny-speech may set default", Errors());
    }

    [Fact]
    public async Task Load_NoDefault_IsUnhealthy()
    {
        TinyModel.Write(_folder.Path, TinyModel.Speech() with { Default = false });

        await using var served = await LoadAsync();

        Assert.False(served.Healthy);
        Assert.Contains("one of 1 valid manifests must set default", Errors());
    }

    [Fact]
    public async Task Load_EmptyRepository_IsUnhealthyAndLogged()
    {
        await using var served = await LoadAsync();

        Assert.False(served.Healthy);
        Assert.Throws<NotServingException>(() => served.Find(""));
        Assert.Contains(_folder.Path, Errors());
    }

    [Fact]
    public async Task Load_InvalidManifest_LogsEveryErrorAndServesTheOthers()
    {
        TinyModel.Write(_folder.Path, TinyModel.Speech());
        Directory.CreateDirectory(_folder["wrong"]);
        await File.WriteAllTextAsync(_folder["wrong/manifest.json"], """{ "name": "wrong", "color": "red" }""", Cancel);

        await using var served = await LoadAsync();

        Assert.True(served.Healthy);
        Assert.Contains("color: unknown property; modality: required", Errors());
    }

    [Fact]
    public async Task Load_ModelThatDoesNotMatchItsManifest_LogsEveryDifference()
    {
        var manifest = TinyModel.Write(_folder.Path, TinyModel.Speech());
        TinyModel.WriteManifest(_folder.Path, manifest with
        {
            Input = manifest.Input with { WindowSeconds = 2 },
            Output = manifest.Output with { Embedding = "embedding", Logits = "scores" },
        });

        await using var served = await LoadAsync();

        Assert.False(served.Healthy);
        Assert.Contains(
            "input 'input' has the shape [batch, 130, 42]; the manifest requires [batch, 87, 42]; " +
            "output 'scores' not found; the file has 'logits'; output 'embedding' not found; the file has 'logits'", Errors());
    }

    [Fact]
    public async Task Load_ModelWithAnotherNumberOfLabels_IsRejected()
    {
        var manifest = TinyModel.Write(_folder.Path, TinyModel.Speech());
        TinyModel.WriteManifest(_folder.Path, manifest with
        {
            Output = manifest.Output with { Labels = ["happy", "sad", "angry"] },
        });

        await using var served = await LoadAsync();

        Assert.False(served.Healthy);
        Assert.Contains("output 'logits' has the shape [1, 7] for a batch of 1; must be [1, 3] for the manifest's labels", Errors());
    }

    [Fact]
    public async Task Load_ModelWithNonFiniteOutput_IsRejected()
    {
        TinyModel.Write(_folder.Path, TinyModel.Speech(), bias: [0, float.NaN, 0, 0, 0, 0, 0]);

        await using var served = await LoadAsync();

        Assert.False(served.Healthy);
        Assert.Contains("output 'logits' must be finite for an input of zeros", Errors());
    }

    [Fact]
    public async Task ClassifyAsync_BelowTheThreshold_IsUncertainWithScores()
    {
        var manifest = TinyModel.Speech();
        TinyModel.Write(_folder.Path, manifest with { Output = manifest.Output with { AbstainBelow = 0.95f } });

        await using var served = await LoadAsync();

        var answer = await served.Find("")!.ClassifyAsync("", new byte[SpeechBytes], DateTime.MaxValue, Cancel);
        Assert.Equal(Outcome.Uncertain, answer.Outcome);
        Assert.Equal(Emotion.Happy, answer.Scores.Best);
    }

    [Fact]
    public async Task ClassifyAsync_ConcurrentInputs_GetTheirOwnResults()
    {
        // Logit of sad is the first feature of the first frame, logit of angry that of the last frame.
        TinyModel.Write(_folder.Path, TinyModel.Speech(), new float[7], (i, label) =>
            (i, label) is (0, 2) or (129 * 42, 3) ? 1 : 0);
        await using var served = await LoadAsync();
        var classifier = served.Find("")!;

        await Parallel.ForEachAsync(Enumerable.Range(0, 500), Cancel, async (i, cancellationToken) =>
        {
            var features = new float[130 * 42];
            var at = i % 2 == 0 ? 0 : 129 * 42;
            features[at] = 1 + i / 100f;
            var answer = await classifier.ClassifyAsync("", MemoryMarshal.AsBytes<float>(features).ToArray(), DateTime.MaxValue, cancellationToken);
            Assert.Equal(i % 2 == 0 ? Emotion.Sad : Emotion.Angry, answer.Scores.Best);
            Assert.Equal(MathF.Exp(features[at]) / (MathF.Exp(features[at]) + 6), answer.Scores.Confidence, 1e-5);
        });
    }

    [Theory]
    [InlineData(0)]
    [InlineData(SpeechBytes + 4)]
    public async Task ClassifyAsync_WrongSize_IsRejected(int bytes)
    {
        TinyModel.Write(_folder.Path, TinyModel.Speech());
        await using var served = await LoadAsync();

        var refused = await Assert.ThrowsAsync<InvalidInputException>(
            () => served.Find("")!.ClassifyAsync("", new byte[bytes], DateTime.MaxValue, Cancel));

        Assert.Contains("21840", refused.Message);
    }

    [Fact]
    public async Task ClassifyAsync_ValuesThatOverflow_AreRejectedAlone()
    {
        TinyModel.Write(_folder.Path, TinyModel.Speech(), weight: (_, _) => 10);
        await using var served = await LoadAsync();
        var classifier = served.Find("")!;
        var features = new float[130 * 42];
        Array.Fill(features, float.MaxValue);

        await Assert.ThrowsAsync<InvalidInputException>(
            () => classifier.ClassifyAsync("", MemoryMarshal.AsBytes<float>(features).ToArray(), DateTime.MaxValue, Cancel));

        var next = await classifier.ClassifyAsync("", new byte[SpeechBytes], DateTime.MaxValue, Cancel);
        Assert.Equal(Emotion.Happy, next.Scores.Best);
    }

    [Fact]
    public async Task ClassifyAsync_ThirdPartyFaceModel_FollowsItsManifest()
    {
        // Another size, RGB, channels last, a scaler per channel, eight labels with other names in another order, one of them
        // ignored, a temperature, an embedding, other tensor names.
        var foreign = TinyModel.Face("foreign") with
        {
            Input = new ModelInput
            {
                Tensor = "pixel_values",
                Features = FeatureKind.Rgb,
                Layout = TensorLayout.Nhwc,
                Size = 64,
                Mean = [123.675f, 116.28f, 103.53f],
                Scale = [58.395f, 57.12f, 57.375f],
            },
            Output = new ModelOutput
            {
                Logits = "classifier",
                Embedding = "pooled",
                Labels = ["surprised", "contempt", "joy", "anger", "sadness", "content", "scared", "disgusted"],
                LabelMap = new Dictionary<string, string>
                {
                    ["surprised"] = "surprise",
                    ["contempt"] = "",
                    ["joy"] = "happy",
                    ["anger"] = "angry",
                    ["sadness"] = "sad",
                    ["content"] = "happy",
                    ["scared"] = "fear",
                    ["disgusted"] = "disgust",
                },
                Temperature = 2,
            },
        };
        const int blueOfLastPixel = 64 * 64 * 3 - 1;
        TinyModel.Write(_folder.Path, foreign, [0, 9, 1, 0, 0, 2, 0, 0], (i, label) => (i, label) == (blueOfLastPixel, 4) ? 1 : 0);
        await using var served = await LoadAsync(Modality.Face);
        var pixels = new byte[64 * 64 * 3];
        pixels[blueOfLastPixel] = 255;

        var answer = await served.Find("foreign")!.ClassifyAsync("", pixels, DateTime.MaxValue, Cancel);

        // The logit of sadness is the scaled blue value, halved by the temperature; contempt is ignored; joy and content map to happy.
        var sadness = (255 - 103.53f) / 57.375f;
        float[] weights = [0, MathF.Exp(0.5f) + MathF.Exp(1), MathF.Exp(sadness / 2), 1, 1, 1, 1];
        Assert.Equal(weights.Select(weight => weight / weights.Sum()), Enumerable.Range(0, 7).Select(i => answer.Scores[i]), Close);
        Assert.Equal([0, 9, 1, 0, sadness, 2, 0, 0], answer.Embedding, Close);
        _logs.ThrowOnErrors();
    }

    [Fact]
    public async Task ClassifyAsync_ThirdPartySpeechModel_FollowsItsManifest()
    {
        // The eight labels of RAVDESS, log-probabilities, 2 s of log-mel as an image, a scaler per band.
        var foreign = TinyModel.Speech("foreign") with
        {
            Input = new ModelInput
            {
                Tensor = "spectrogram",
                Features = FeatureKind.LogMel,
                Layout = TensorLayout.N1ft,
                WindowSeconds = 2,
                Mean = [.. Enumerable.Range(0, 128).Select(band => -40f + band / 8f)],
                Scale = [.. Enumerable.Range(0, 128).Select(band => 10f + band)],
            },
            Output = new ModelOutput
            {
                Logits = "log_probabilities",
                Labels = ["neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"],
                LabelMap = new Dictionary<string, string> { ["calm"] = "neutral", ["fearful"] = "fear", ["surprised"] = "surprise" },
            },
        };
        // Band 5 of frame 86, the last, raises calm.
        TinyModel.Write(_folder.Path, foreign, [0, 0, 0, 0, 0, 1, 0, 0], (i, label) => (i, label) == (5 * 87 + 86, 1) ? 1 : 0, last: "LogSoftmax");
        await using var served = await LoadAsync();
        var features = new float[87 * 128];
        for (var band = 0; band < 128; band++)
            for (var frame = 0; frame < 87; frame++)
                features[frame * 128 + band] = foreign.Input.Mean[band];
        features[86 * 128 + 5] += 2 * foreign.Input.Scale[5];

        var answer = await served.Find("foreign")!.ClassifyAsync("", MemoryMarshal.AsBytes<float>(features).ToArray(), DateTime.MaxValue, Cancel);

        float[] weights = [1 + MathF.Exp(2), 1, 1, 1, MathF.Exp(1), 1, 1];
        Assert.Equal(weights.Select(weight => weight / weights.Sum()), Enumerable.Range(0, 7).Select(i => answer.Scores[i]), Close);
        Assert.Empty(answer.Embedding);
        _logs.ThrowOnErrors();
    }

    [Fact]
    public async Task ClassifyAsync_BatchFixedAtOne_ServesConcurrentInputs()
    {
        var manifest = TinyModel.Speech();
        TinyModel.Write(
            _folder.Path, manifest with { Output = manifest.Output with { Embedding = "embedding" } }, new float[7],
            (i, label) => (i, label) is (0, 2) or (129 * 42, 3) ? 1 : 0, batch: 1);
        await using var served = await LoadAsync();
        var classifier = served.Find("")!;

        await Parallel.ForEachAsync(Enumerable.Range(0, 200), Cancel, async (i, cancellationToken) =>
        {
            var features = new float[130 * 42];
            var at = i % 2 == 0 ? 0 : 129 * 42;
            features[at] = 1 + i / 100f;
            var answer = await classifier.ClassifyAsync("", MemoryMarshal.AsBytes<float>(features).ToArray(), DateTime.MaxValue, cancellationToken);
            Assert.Equal(i % 2 == 0 ? Emotion.Sad : Emotion.Angry, answer.Scores.Best);
            Assert.Equal(MathF.Exp(features[at]) / (MathF.Exp(features[at]) + 6), answer.Scores.Confidence, 1e-5);
            Assert.Equal(features[at], answer.Embedding.Max(), 1e-5);
        });
        _logs.ThrowOnErrors();
    }

    [Fact]
    public async Task Load_BatchFixedAtFour_IsRejected()
    {
        TinyModel.Write(_folder.Path, TinyModel.Speech(), batch: 4);

        await using var served = await LoadAsync();

        Assert.False(served.Healthy);
        Assert.Contains("input 'input' has a batch fixed at 4; it must be dynamic, or 1", Errors());
    }

    [Fact]
    public async Task ClassifyAsync_ModelWithSoftmax_DoesNotApplyItAgain()
    {
        var manifest = TinyModel.Speech();
        TinyModel.Write(
            _folder.Path, manifest with { Output = manifest.Output with { Probabilities = true, Temperature = 2 } }, [0, 4, 0, 0, 0, 0, 0], last: "Softmax");
        await using var served = await LoadAsync();

        var answer = await served.Find("")!.ClassifyAsync("", new byte[SpeechBytes], DateTime.MaxValue, Cancel);

        Assert.Equal(MathF.Exp(2) / (MathF.Exp(2) + 6), answer.Scores[Emotion.Happy], 1e-5);
        _logs.ThrowOnErrors();
    }

    [Fact]
    public async Task Load_LogitsDeclaredAsProbabilities_IsRejected()
    {
        var manifest = TinyModel.Speech();
        TinyModel.Write(_folder.Path, manifest with { Output = manifest.Output with { Probabilities = true } });

        await using var served = await LoadAsync();

        Assert.False(served.Healthy);
        Assert.Contains("output 'logits' is 4 for an input of zeros; must lie in [0, 1] because output.probabilities is set", Errors());
    }

    [Fact]
    public async Task StartAsync_ProviderNotInTheBuild_Throws()
    {
        TinyModel.Write(_folder.Path, TinyModel.Speech());

        var exception = await Assert.ThrowsAsync<InvalidOperationException>(() => LoadAsync(provider: ExecutionProvider.Cuda));

        Assert.Contains("AffectGpu", exception.Message);
    }

    [Fact]
    public async Task StopAsync_LoadedModels_AreNoLongerAvailable()
    {
        TinyModel.Write(_folder.Path, TinyModel.Speech());
        var served = await LoadAsync();
        var classifier = served.Find("")!;

        await served.DisposeAsync();

        Assert.False(served.Healthy);
        Assert.Throws<NotServingException>(() => served.Find(""));
        await Assert.ThrowsAsync<NotServingException>(() => classifier.ClassifyAsync("", new byte[SpeechBytes], DateTime.MaxValue, Cancel));
    }

    [Fact]
    public async Task Watch_NewVersion_ReplacesTheOldWithoutInterruption()
    {
        var manifest = TinyModel.Write(_folder.Path, TinyModel.Speech());
        await using var served = await LoadAsync(watch: true);

        TinyModel.Write(_folder.Path, manifest, bias: [0, 0, 5, 0, 0, 0, 0]);
        // Each request is answered, by the old version or the new one.
        await served.UntilAsync("2");
        var (_, answer) = (await served.ClassifyAsync())!.Value;
        Assert.Equal(Emotion.Sad, answer.Scores.Best);
        Assert.True(served.Healthy);
        _logs.ThrowOnErrors();
    }

    [Fact]
    public async Task Watch_InvalidNewVersion_KeepsTheOld()
    {
        var manifest = TinyModel.Write(_folder.Path, TinyModel.Speech());
        await using var served = await LoadAsync(watch: true);

        var changed = TinyModel.Write(_folder.Path, manifest, bias: [0, 0, 5, 0, 0, 0, 0]);
        Flip(_folder["tiny-speech/2/model.onnx"]);
        await UntilLoggedAsync("Rejected model tiny-speech version 2");
        Assert.Equal("1", await served.VersionAsync());

        File.WriteAllText(_folder["tiny-speech/manifest.json"], "{");
        await UntilLoggedAsync("Rejected manifest");
        Assert.Equal("1", await served.VersionAsync());

        // Once corrected, it is loaded.
        Flip(_folder["tiny-speech/2/model.onnx"]);
        TinyModel.WriteManifest(_folder.Path, changed);
        await served.UntilAsync("2");
        Assert.True(served.Healthy);
    }

    [Fact]
    public async Task Watch_AddedAndDeletedModels_AreLoadedAndUnloaded()
    {
        TinyModel.Write(_folder.Path, TinyModel.Speech());
        await using var served = await LoadAsync(watch: true);

        TinyModel.Write(_folder.Path, TinyModel.Speech("second") with { Default = false });
        await Eventually(() => served.Names.Contains("second"));
        Directory.Delete(_folder["second"], recursive: true);
        await Eventually(() => !served.Names.Contains("second"));

        Assert.Equal("1", await served.VersionAsync());
        _logs.ThrowOnErrors();
    }

    [Fact]
    public async Task Find_VersionOnTrial_ServesItsShare()
    {
        var manifest = TinyModel.Write(_folder.Path, TinyModel.Speech());
        manifest = TinyModel.Write(_folder.Path, manifest, bias: [0, 0, 5, 0, 0, 0, 0]);
        TinyModel.WriteManifest(_folder.Path, manifest with { Versions = [manifest.Versions[0], manifest.Versions[1] with { Share = 0.25 }] });
        await using var served = await LoadAsync();

        // Clients see the stable version.
        Assert.Equal("1", Assert.Single(served.Models).Version);
        const int requests = 4000;
        var tried = 0;
        for (var i = 0; i < requests; i++)
            tried += served.Find("")!.Version == "2" ? 1 : 0;
        // Six standard deviations on either side.
        Assert.InRange(tried, 836, 1164);
        _logs.ThrowOnErrors();
    }

    [Fact]
    public async Task Find_InvalidVersionOnTrial_ServesTheStableOne()
    {
        var manifest = TinyModel.Write(_folder.Path, TinyModel.Speech());
        manifest = TinyModel.Write(_folder.Path, manifest, bias: [0, 0, 5, 0, 0, 0, 0]);
        TinyModel.WriteManifest(_folder.Path, manifest with { Versions = [manifest.Versions[0], manifest.Versions[1] with { Share = 0.5 }] });
        Flip(_folder["tiny-speech/2/model.onnx"]);
        await using var served = await LoadAsync();

        for (var i = 0; i < 100; i++)
            Assert.Equal("1", served.Find("")!.Version);
        Assert.Contains("Rejected model tiny-speech version 2", Errors());
    }

    private static bool Close(float expected, float actual) => MathF.Abs(expected - actual) < 1e-5;

    private string Errors() => string.Join('\n', _logs.GetSnapshot().Where(record => record.Level == LogLevel.Error).Select(record => record.Message));

    private static void Flip(string path)
    {
        var bytes = File.ReadAllBytes(path);
        bytes[^1] ^= 1;
        File.WriteAllBytes(path, bytes);
    }

    private static string Sha256(string path) =>
        Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(path)));

    private Task UntilLoggedAsync(string error) => Eventually(() => Errors().Contains(error, StringComparison.Ordinal));

    private static async Task Eventually(Func<bool> condition)
    {
        for (var deadline = DateTime.UtcNow.AddMinutes(1); !condition(); await Task.Delay(20, Cancel))
            Assert.True(DateTime.UtcNow < deadline, "The condition did not hold within a minute.");
    }

    private async Task<Served> LoadAsync(Modality modality = Modality.Speech, ExecutionProvider provider = ExecutionProvider.Cpu, bool watch = false)
    {
        var services = new ServiceCollection();
        services.AddSingleton(TimeProvider.System);
        services.AddMetrics();
        services.AddLogging(logging => logging.AddProvider(new FakeLoggerProvider(_logs)));
        services.AddSingleton(Options.Create(new TestOptions
        {
            ModelsPath = _folder.Path,
            Provider = provider,
            MaxBatchSize = 8,
            WatchInterval = watch ? TimeSpan.FromMilliseconds(50) : TimeSpan.Zero,
        }));
        services.AddClassifiers<TestOptions>(modality, "test");
        var container = services.BuildServiceProvider();
        var classifiers = container.GetRequiredKeyedService<Classifiers>(modality);
        await classifiers.StartAsync(Cancel);
        var served = new Served(classifiers, container.GetRequiredService<HealthCheckService>());
        await (watch ? Eventually(() => served.Names.Any()) : classifiers.ExecuteTask!);
        return served;
    }

    private sealed class TestOptions : InferenceOptions;

    private sealed class Served(Classifiers classifiers, HealthCheckService health) : IAsyncDisposable
    {
        public IEnumerable<string> Names => classifiers.All.Select(classifier => classifier.Manifest.Name);

        public IEnumerable<Affect.Inference.Classifier> Models => classifiers.All;

        public bool Healthy => health.CheckHealthAsync(Cancel).Result.Status == HealthStatus.Healthy;

        public Affect.Inference.Classifier? Find(string name) => classifiers.Find(name);

        public Task<(Affect.Inference.Classifier Model, Classification Result)?> ClassifyAsync() =>
            classifiers.ClassifyAsync("", "", new byte[SpeechBytes], DateTime.MaxValue, Cancel);

        public async Task<string> VersionAsync() => (await ClassifyAsync())!.Value.Model.Version;

        public async Task UntilAsync(string version)
        {
            for (var deadline = DateTime.UtcNow.AddMinutes(1); await VersionAsync() != version;)
                Assert.True(DateTime.UtcNow < deadline, "The condition did not hold within a minute.");
        }

        public async ValueTask DisposeAsync() => await classifiers.StopAsync(Cancel);
    }
}
