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

/// <summary>A model repository on disk, and ONNX Runtime on what lies in it.</summary>
public sealed class ClassifiersTests : IDisposable
{
    private const int SpeechBytes = 130 * 42 * sizeof(float);

    private readonly ModelFolder _folder = new();
    private readonly FakeLogCollector _logs = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task The_newest_version_serves()
    {
        var manifest = TinyModel.Write(_folder.Path, TinyModel.Speech());
        TinyModel.Write(_folder.Path, manifest, bias: [0, 0, 5, 0, 0, 0, 0]);

        await using var served = await LoadAsync();

        var classifier = served.Find("")!;
        Assert.Equal("2", classifier.Version);
        var answer = await classifier.ClassifyAsync(new byte[SpeechBytes], DateTime.MaxValue, Cancel);
        Assert.Equal(Emotion.Sad, answer.Scores.Best);
        Assert.Equal(MathF.Exp(5) / (MathF.Exp(5) + 6), answer.Scores.Confidence, 1e-6);
        Assert.Equal(Outcome.Ok, answer.Outcome);
        Assert.Empty(answer.Embedding);
        Assert.True(served.Healthy);
        _logs.ThrowOnErrors();
    }

    [Fact]
    public async Task A_file_that_is_not_the_manifest_s_is_refused_and_the_version_before_it_serves()
    {
        var manifest = TinyModel.Write(_folder.Path, TinyModel.Speech());
        TinyModel.Write(_folder.Path, manifest, bias: [0, 0, 5, 0, 0, 0, 0]);
        Flip(_folder["tiny-speech/2/model.onnx"]);

        await using var served = await LoadAsync();

        Assert.Equal("1", served.Find("")!.Version);
        Assert.True(served.Healthy);
        Assert.Contains("Model tiny-speech version 2 is refused: 2/model.onnx has the SHA-256", Errors());
    }

    [Fact]
    public async Task A_file_that_is_no_model_is_refused_and_the_version_before_it_serves()
    {
        var manifest = TinyModel.Write(_folder.Path, TinyModel.Speech());
        manifest = TinyModel.Write(_folder.Path, manifest);
        await File.WriteAllTextAsync(_folder["tiny-speech/2/model.onnx"], "no model", Cancel);
        TinyModel.WriteManifest(_folder.Path, manifest with
        {
            Versions = [manifest.Versions[0], manifest.Versions[1] with { Sha256 = Sha256(_folder["tiny-speech/2/model.onnx"]) }],
        });

        await using var served = await LoadAsync();

        Assert.Equal("1", served.Find("")!.Version);
        Assert.Contains("version 2 is refused: ONNX Runtime cannot load it", Errors());
    }

    [Fact]
    public async Task A_file_that_is_missing_is_refused_and_the_version_before_it_serves()
    {
        var manifest = TinyModel.Write(_folder.Path, TinyModel.Speech());
        TinyModel.Write(_folder.Path, manifest);
        File.Delete(_folder["tiny-speech/2/model.onnx"]);

        await using var served = await LoadAsync();

        Assert.Equal("1", served.Find("")!.Version);
    }

    [Fact]
    public async Task A_model_without_a_good_version_is_left_out_and_the_others_serve()
    {
        TinyModel.Write(_folder.Path, TinyModel.Speech());
        TinyModel.Write(_folder.Path, TinyModel.Speech("broken") with { Default = false });
        Flip(_folder["broken/1/model.onnx"]);

        await using var served = await LoadAsync();

        Assert.Null(served.Find("broken"));
        Assert.Equal(["tiny-speech"], served.Names);
        Assert.True(served.Healthy);
        Assert.Contains("Model broken is left out: none of its versions is good", Errors());
    }

    [Fact]
    public async Task Several_models_serve_at_once_and_each_modality_has_its_own()
    {
        TinyModel.Write(_folder.Path, TinyModel.Speech());
        TinyModel.Write(_folder.Path, TinyModel.Speech("another") with { Default = false }, bias: [0, 0, 0, 9, 0, 0, 0]);
        TinyModel.Write(_folder.Path, TinyModel.Face());

        await using var speech = await LoadAsync();
        await using var face = await LoadAsync(Modality.Face);

        Assert.Equal(["another", "tiny-speech"], speech.Names);
        Assert.Equal(["tiny-face"], face.Names);
        Assert.Equal("tiny-speech", speech.Find("")!.Manifest.Name);
        var answer = await speech.Find("another")!.ClassifyAsync(new byte[SpeechBytes], DateTime.MaxValue, Cancel);
        Assert.Equal(Emotion.Angry, answer.Scores.Best);
        Assert.Null(speech.Find("tiny-face"));
        _logs.ThrowOnErrors();
    }

    [Fact]
    public async Task Two_defaults_are_none()
    {
        TinyModel.Write(_folder.Path, TinyModel.Speech());
        TinyModel.Write(_folder.Path, TinyModel.Speech("another"));

        await using var served = await LoadAsync();

        Assert.False(served.Healthy);
        Assert.Throws<NotServingException>(() => served.Find(""));
        Assert.Contains("another and tiny-speech all say that they are the default", Errors());
    }

    [Fact]
    public async Task Without_a_default_nothing_is_ready()
    {
        TinyModel.Write(_folder.Path, TinyModel.Speech() with { Default = false });

        await using var served = await LoadAsync();

        Assert.False(served.Healthy);
        Assert.Contains("of 1 right manifests none says that it is the default", Errors());
    }

    [Fact]
    public async Task An_empty_repository_is_not_ready_and_says_so()
    {
        await using var served = await LoadAsync();

        Assert.False(served.Healthy);
        Assert.Throws<NotServingException>(() => served.Find(""));
        Assert.Contains(_folder.Path, Errors());
    }

    [Fact]
    public async Task A_wrong_manifest_is_refused_with_every_mistake_and_the_others_serve()
    {
        TinyModel.Write(_folder.Path, TinyModel.Speech());
        Directory.CreateDirectory(_folder["wrong"]);
        await File.WriteAllTextAsync(_folder["wrong/manifest.json"], """{ "name": "wrong", "colour": "red" }""", Cancel);

        await using var served = await LoadAsync();

        Assert.True(served.Healthy);
        Assert.Contains("colour: is unknown; modality: is missing", Errors());
    }

    [Fact]
    public async Task A_model_that_is_not_what_its_manifest_says_is_refused_with_every_difference()
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
            "input 'input' has the shape [batch, 130, 42]; the manifest says [batch, 87, 42]; " +
            "it has no output 'scores', only 'logits'; it has no output 'embedding', only 'logits'", Errors());
    }

    [Fact]
    public async Task A_model_with_other_labels_than_its_manifest_is_refused()
    {
        var manifest = TinyModel.Write(_folder.Path, TinyModel.Speech());
        TinyModel.WriteManifest(_folder.Path, manifest with
        {
            Output = manifest.Output with { Labels = ["happy", "sad", "angry"] },
        });

        await using var served = await LoadAsync();

        Assert.False(served.Healthy);
        Assert.Contains("output 'logits' has the shape [1, 7] for a batch of 1; the manifest's 3 labels need [1, 3]", Errors());
    }

    [Fact]
    public async Task A_model_that_is_not_finite_on_silence_is_refused()
    {
        TinyModel.Write(_folder.Path, TinyModel.Speech(), bias: [0, float.NaN, 0, 0, 0, 0, 0]);

        await using var served = await LoadAsync();

        Assert.False(served.Healthy);
        Assert.Contains("output 'logits' is not finite for an input of zeros", Errors());
    }

    [Fact]
    public async Task Below_the_threshold_the_answer_is_uncertain_and_keeps_its_scores()
    {
        var manifest = TinyModel.Speech();
        TinyModel.Write(_folder.Path, manifest with { Output = manifest.Output with { AbstainBelow = 0.95f } });

        await using var served = await LoadAsync();

        var answer = await served.Find("")!.ClassifyAsync(new byte[SpeechBytes], DateTime.MaxValue, Cancel);
        Assert.Equal(Outcome.Uncertain, answer.Outcome);
        Assert.Equal(Emotion.Happy, answer.Scores.Best);
    }

    [Fact]
    public async Task Each_of_a_batch_gets_the_answer_to_its_own_input()
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
            var answer = await classifier.ClassifyAsync(MemoryMarshal.AsBytes<float>(features).ToArray(), DateTime.MaxValue, cancellationToken);
            Assert.Equal(i % 2 == 0 ? Emotion.Sad : Emotion.Angry, answer.Scores.Best);
            Assert.Equal(MathF.Exp(features[at]) / (MathF.Exp(features[at]) + 6), answer.Scores.Confidence, 1e-5);
        });
    }

    [Theory]
    [InlineData(0)]
    [InlineData(SpeechBytes + 4)]
    public async Task A_wrong_size_is_refused_before_it_joins_a_batch(int bytes)
    {
        TinyModel.Write(_folder.Path, TinyModel.Speech());
        await using var served = await LoadAsync();

        var refused = await Assert.ThrowsAsync<InvalidInputException>(
            () => served.Find("")!.ClassifyAsync(new byte[bytes], DateTime.MaxValue, Cancel));

        Assert.Contains("21840", refused.Message);
    }

    [Fact]
    public async Task Values_that_overflow_in_the_model_are_refused_and_harm_nobody()
    {
        TinyModel.Write(_folder.Path, TinyModel.Speech(), weight: (_, _) => 10);
        await using var served = await LoadAsync();
        var classifier = served.Find("")!;
        var features = new float[130 * 42];
        Array.Fill(features, float.MaxValue);

        await Assert.ThrowsAsync<InvalidInputException>(
            () => classifier.ClassifyAsync(MemoryMarshal.AsBytes<float>(features).ToArray(), DateTime.MaxValue, Cancel));

        var next = await classifier.ClassifyAsync(new byte[SpeechBytes], DateTime.MaxValue, Cancel);
        Assert.Equal(Emotion.Happy, next.Scores.Best);
    }

    [Fact]
    public async Task Someone_else_s_model_drops_in_by_its_manifest()
    {
        // Another size, colour, the channels last, a scaler for each channel, eight labels called otherwise and in another order,
        // one of them of no use, a temperature, an embedding, other names of the tensors.
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

        var answer = await served.Find("foreign")!.ClassifyAsync(pixels, DateTime.MaxValue, Cancel);

        // By hand: the logit of sadness is the scaled blue; halved by the temperature; contempt is gone; joy and content are happy.
        var sadness = (255 - 103.53f) / 57.375f;
        float[] weights = [0, MathF.Exp(0.5f) + MathF.Exp(1), MathF.Exp(sadness / 2), 1, 1, 1, 1];
        Assert.Equal(weights.Select(weight => weight / weights.Sum()), Enumerable.Range(0, 7).Select(i => answer.Scores[i]), Close);
        Assert.Equal([0, 9, 1, 0, sadness, 2, 0, 0], answer.Embedding, Close);
        _logs.ThrowOnErrors();
    }

    [Fact]
    public async Task A_spectrogram_of_another_length_with_eight_labels_drops_in_too()
    {
        // RAVDESS's eight in their order, log-probabilities, 2 s of log-mel as a picture, a scaler for each band.
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
        // Band 5 in frame 86, the last, speaks for calm.
        TinyModel.Write(_folder.Path, foreign, [0, 0, 0, 0, 0, 1, 0, 0], (i, label) => (i, label) == (5 * 87 + 86, 1) ? 1 : 0, last: "LogSoftmax");
        await using var served = await LoadAsync();
        var features = new float[87 * 128];
        for (var band = 0; band < 128; band++)
            for (var frame = 0; frame < 87; frame++)
                features[frame * 128 + band] = foreign.Input.Mean[band];
        features[86 * 128 + 5] += 2 * foreign.Input.Scale[5];

        var answer = await served.Find("foreign")!.ClassifyAsync(MemoryMarshal.AsBytes<float>(features).ToArray(), DateTime.MaxValue, Cancel);

        float[] weights = [1 + MathF.Exp(2), 1, 1, 1, MathF.Exp(1), 1, 1];
        Assert.Equal(weights.Select(weight => weight / weights.Sum()), Enumerable.Range(0, 7).Select(i => answer.Scores[i]), Close);
        Assert.Empty(answer.Embedding);
        _logs.ThrowOnErrors();
    }

    [Fact]
    public async Task A_file_that_takes_one_input_at_a_time_answers_many()
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
            var answer = await classifier.ClassifyAsync(MemoryMarshal.AsBytes<float>(features).ToArray(), DateTime.MaxValue, cancellationToken);
            Assert.Equal(i % 2 == 0 ? Emotion.Sad : Emotion.Angry, answer.Scores.Best);
            Assert.Equal(MathF.Exp(features[at]) / (MathF.Exp(features[at]) + 6), answer.Scores.Confidence, 1e-5);
            Assert.Equal(features[at], answer.Embedding.Max(), 1e-5);
        });
        _logs.ThrowOnErrors();
    }

    [Fact]
    public async Task A_file_that_takes_just_so_many_inputs_is_refused()
    {
        TinyModel.Write(_folder.Path, TinyModel.Speech(), batch: 4);

        await using var served = await LoadAsync();

        Assert.False(served.Healthy);
        Assert.Contains("input 'input' has a batch fixed at 4; it must be dynamic, or 1", Errors());
    }

    [Fact]
    public async Task A_softmax_inside_the_model_is_not_applied_again()
    {
        var manifest = TinyModel.Speech();
        TinyModel.Write(
            _folder.Path, manifest with { Output = manifest.Output with { Probabilities = true, Temperature = 2 } }, [0, 4, 0, 0, 0, 0, 0], last: "Softmax");
        await using var served = await LoadAsync();

        var answer = await served.Find("")!.ClassifyAsync(new byte[SpeechBytes], DateTime.MaxValue, Cancel);

        Assert.Equal(MathF.Exp(2) / (MathF.Exp(2) + 6), answer.Scores[Emotion.Happy], 1e-5);
        _logs.ThrowOnErrors();
    }

    [Fact]
    public async Task What_is_no_probability_is_not_taken_for_one()
    {
        var manifest = TinyModel.Speech();
        TinyModel.Write(_folder.Path, manifest with { Output = manifest.Output with { Probabilities = true } });

        await using var served = await LoadAsync();

        Assert.False(served.Healthy);
        Assert.Contains("output 'logits' gives 4 for an input of zeros, which is no probability; output.probabilities says that it gives these", Errors());
    }

    [Fact]
    public async Task A_provider_that_is_not_built_in_is_a_mistake_at_start()
    {
        TinyModel.Write(_folder.Path, TinyModel.Speech());

        var mistake = await Assert.ThrowsAsync<InvalidOperationException>(() => LoadAsync(provider: ExecutionProvider.Cuda));

        Assert.Contains("AffectGpu", mistake.Message);
    }

    [Fact]
    public async Task After_stopping_nothing_serves()
    {
        TinyModel.Write(_folder.Path, TinyModel.Speech());
        var served = await LoadAsync();
        var classifier = served.Find("")!;

        await served.DisposeAsync();

        Assert.False(served.Healthy);
        Assert.Throws<NotServingException>(() => served.Find(""));
        await Assert.ThrowsAsync<NotServingException>(() => classifier.ClassifyAsync(new byte[SpeechBytes], DateTime.MaxValue, Cancel));
    }

    [Fact]
    public async Task A_new_version_is_taken_up_while_calls_go_on()
    {
        var manifest = TinyModel.Write(_folder.Path, TinyModel.Speech());
        await using var served = await LoadAsync(watch: true);

        TinyModel.Write(_folder.Path, manifest, bias: [0, 0, 5, 0, 0, 0, 0]);
        // Every one of them is answered, by the old version or the new.
        await served.UntilAsync("2");
        var (_, answer) = (await served.ClassifyAsync())!.Value;
        Assert.Equal(Emotion.Sad, answer.Scores.Best);
        Assert.True(served.Healthy);
        _logs.ThrowOnErrors();
    }

    [Fact]
    public async Task A_new_version_that_is_bad_is_refused_and_the_old_one_serves_on()
    {
        var manifest = TinyModel.Write(_folder.Path, TinyModel.Speech());
        await using var served = await LoadAsync(watch: true);

        var changed = TinyModel.Write(_folder.Path, manifest, bias: [0, 0, 5, 0, 0, 0, 0]);
        Flip(_folder["tiny-speech/2/model.onnx"]);
        await UntilLoggedAsync("version 2 is refused");
        Assert.Equal("1", await served.VersionAsync());

        File.WriteAllText(_folder["tiny-speech/manifest.json"], "{");
        await UntilLoggedAsync("manifest.json is refused");
        Assert.Equal("1", await served.VersionAsync());

        // Put right, it is taken up.
        Flip(_folder["tiny-speech/2/model.onnx"]);
        TinyModel.WriteManifest(_folder.Path, changed);
        await served.UntilAsync("2");
        Assert.True(served.Healthy);
    }

    [Fact]
    public async Task A_model_that_comes_later_serves_and_one_that_is_taken_away_is_gone()
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
    public async Task A_version_on_trial_answers_its_share()
    {
        var manifest = TinyModel.Write(_folder.Path, TinyModel.Speech());
        manifest = TinyModel.Write(_folder.Path, manifest, bias: [0, 0, 5, 0, 0, 0, 0]);
        TinyModel.WriteManifest(_folder.Path, manifest with { Versions = [manifest.Versions[0], manifest.Versions[1] with { Share = 0.25 }] });
        await using var served = await LoadAsync();

        // Clients are told of the version that most calls go to.
        Assert.Equal("1", Assert.Single(served.Models).Version);
        const int calls = 4000;
        var tried = 0;
        for (var i = 0; i < calls; i++)
            tried += served.Find("")!.Version == "2" ? 1 : 0;
        // Six standard deviations on either side.
        Assert.InRange(tried, 836, 1164);
        _logs.ThrowOnErrors();
    }

    [Fact]
    public async Task A_version_on_trial_that_is_bad_leaves_all_calls_to_the_other()
    {
        var manifest = TinyModel.Write(_folder.Path, TinyModel.Speech());
        manifest = TinyModel.Write(_folder.Path, manifest, bias: [0, 0, 5, 0, 0, 0, 0]);
        TinyModel.WriteManifest(_folder.Path, manifest with { Versions = [manifest.Versions[0], manifest.Versions[1] with { Share = 0.5 }] });
        Flip(_folder["tiny-speech/2/model.onnx"]);
        await using var served = await LoadAsync();

        for (var i = 0; i < 100; i++)
            Assert.Equal("1", served.Find("")!.Version);
        Assert.Contains("version 2 is refused", Errors());
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

    private static async Task Eventually(Func<bool> holds)
    {
        for (var deadline = DateTime.UtcNow.AddMinutes(1); !holds(); await Task.Delay(20, Cancel))
            Assert.True(DateTime.UtcNow < deadline, "It did not come to pass within a minute.");
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
            classifiers.ClassifyAsync("", new byte[SpeechBytes], DateTime.MaxValue, Cancel);

        public async Task<string> VersionAsync() => (await ClassifyAsync())!.Value.Model.Version;

        public async Task UntilAsync(string version)
        {
            for (var deadline = DateTime.UtcNow.AddMinutes(1); await VersionAsync() != version;)
                Assert.True(DateTime.UtcNow < deadline, "It did not come to pass within a minute.");
        }

        public async ValueTask DisposeAsync() => await classifiers.StopAsync(Cancel);
    }
}
