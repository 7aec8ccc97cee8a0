using Affect.Emotions;
using Affect.Inference;
using Affect.Training.Architectures;
using Affect.Training.Evaluation;
using Affect.Training.Export;
using Affect.Training.Layers;
using Affect.Training.Learning;
using Microsoft.ML.OnnxRuntime;
using static TorchSharp.torch;

namespace Affect.UnitTests.Training;

[Collection(nameof(Torch))] // torch has one generator for the whole process
public sealed class ExporterTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("affect-export-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    public static TheoryData<string> Names => [.. Architecture.All.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void ExporterWrite_EveryArchitecture_MatchesTorchAtAnyBatchSize(string name)
    {
        Torch.Require();
        var architecture = Architecture.All[name];
        Assert.SkipWhen(architecture is WhisperSpeech && Environment.GetEnvironmentVariable("AFFECT_WHISPER") is null or "", "AFFECT_WHISPER is not set");
        manual_seed(1);
        using var network = architecture.Build();
        // Initial factors of 0 or 1 and initial statistics would hide errors.
        using (no_grad())
            foreach (var vector in network.parameters().Where(parameter => parameter.dim() == 1))
                vector.add_(rand_like(vector) * 0.3);
        network.train();
        for (var i = 0; i < 3; i++)
            using (NewDisposeScope())
                network.call(randn([4, .. architecture.Shape]) * 2 + 0.5);
        network.eval();
        using var session = new InferenceSession(Exporter.Write(architecture, network, WeightFormat.Float32));

        foreach (var count in new[] { 1, 5 })
        {
            using var scope = NewDisposeScope();
            using var _ = no_grad();
            var input = randn([count, .. architecture.Shape]);
            var (logits, embedding) = network.call(input);
            using var value = OrtValue.CreateTensorValueFromMemory(input.data<float>().ToArray(), input.shape);
            using var options = new RunOptions();
            using var outputs = session.Run(options, [architecture.Input.Tensor], [value], ["logits", "embedding"]);

            Assert.Equal([count, EmotionLabels.Count], outputs[0].GetTensorTypeAndShape().Shape);
            Assert.Equal([count, network.EmbeddingLength], outputs[1].GetTensorTypeAndShape().Shape);
            AssertClose(logits, outputs[0]);
            AssertClose(embedding, outputs[1]);
        }
    }

    [Theory]
    [InlineData("lstm", false)]
    [InlineData("lstm", true)]
    [InlineData("gru", false)]
    [InlineData("gru", true)]
    public void ExporterWrite_RecurrentLayer_MatchesTorch(string cells, bool bidirectional)
    {
        Torch.Require();
        manual_seed(1);
        using var network = new EmbeddingClassifier(
            bidirectional ? 10 : 5, cells == "lstm" ? Recurrent.Lstm(3, 5, bidirectional) : Recurrent.Gru(3, 5, bidirectional));
        using var session = new InferenceSession(Exporter.Write(new TinySound(), network, WeightFormat.Float32));
        using var scope = NewDisposeScope();
        var input = randn([4, 6, 3]) * 2;
        using var value = OrtValue.CreateTensorValueFromMemory(input.data<float>().ToArray(), input.shape);
        using var options = new RunOptions();

        using var outputs = session.Run(options, ["input"], [value], ["embedding"]);

        var states = network.call(input).Embedding;
        AssertClose(states, outputs[0], 1e-6f);
        // The order of the steps must matter; otherwise the comparison proves nothing.
        Assert.True((states - network.call(input.flip(1)).Embedding).abs().max().item<float>() > 1e-2);
    }

    [Fact]
    public void ResNet50_ParameterCount_EqualsPublishedModelWithSevenClasses()
    {
        Torch.Require();
        using var network = Architecture.All["resnet50"].Build();

        Assert.Equal(25_557_032 - (2048 + 1) * (1000 - 7), network.parameters().Sum(parameter => parameter.numel()));
    }

    [Fact]
    public void Grayscale_ColorImage_EqualsGrayImageOfSameLuma()
    {
        Torch.Require();
        using var scope = NewDisposeScope();
        using var luma = new Grayscale();

        var seen = luma.call(tensor([200f, 100f, 50f]).reshape(1, 3, 1, 1)).data<float>().ToArray();
        var gray = luma.call(full([1, 3, 1, 1], 124.2f)).data<float>().ToArray();

        Assert.All(seen.Concat(gray), value => Assert.Equal(0.299f * 200 + 0.587f * 100 + 0.114f * 50, value, 1e-3f));
    }

    [Theory]
    [InlineData("Float16", 0.5, 5e-3f)]
    [InlineData("Int8", 0.25, 3e-2f)]
    public void ExporterWrite_ReducedWeightFormat_IsSmallerAndMatchesTorch(string format, double share, float tolerance)
    {
        Torch.Require();
        var architecture = new TinyCnn();
        manual_seed(1);
        using var network = new EmbeddingClassifier(64, new Flatten(), new Dense(256, 64));
        var (full, small) = (
            Exporter.Write(architecture, network, WeightFormat.Float32),
            Exporter.Write(architecture, network, Enum.Parse<WeightFormat>(format)));

        Assert.InRange(small.Length, full.Length * share, full.Length * (share + 0.15));
        using var scope = NewDisposeScope();
        var input = randn([2, 1, 16, 16]);
        using var session = new InferenceSession(small);
        using var value = OrtValue.CreateTensorValueFromMemory(input.data<float>().ToArray(), input.shape);
        using var options = new RunOptions();
        using var outputs = session.Run(options, ["input"], [value], ["logits"]);
        AssertClose(network.call(input).Logits, outputs[0], tolerance);
    }

    [Fact]
    public void CostMeasure_EveryWeightFormat_CountsParametersAndBytes()
    {
        Torch.Require();
        var architecture = new TinyCnn();
        using var network = architecture.Build();
        var (full, half) = (Exporter.Write(architecture, network, WeightFormat.Float32),
            Exporter.Write(architecture, network, WeightFormat.Float16));

        // Six filters of 3×3, 8×8 of each → 12 → 7, each with a bias; normalization is folded, shapes are not counted.
        const int Expected = 6 * (9 + 1) + 12 * (6 * 64 + 1) + 7 * (12 + 1);
        Assert.Equal(Expected, Cost.Parameters(full));
        Assert.Equal(Expected, Cost.Parameters(half));
        Assert.Equal(Expected, Cost.Parameters(Exporter.Write(architecture, network, WeightFormat.Int8)));
        var cost = Cost.Measure(full, architecture);
        Assert.Equal(full.Length, cost.FileBytes);
        Assert.InRange(cost.LatencyMs, 0.0001, 1000);
    }

    [Fact]
    public async Task ModelFolderWrite_TrainedNetwork_WritesValidManifestAndCard()
    {
        Torch.Require();
        var architecture = new TinyCnn();
        await new Trainer(architecture, architecture.Recipe, TinyFaces.Data, 1, _folder).RunAsync(
            _ => { }, TestContext.Current.CancellationToken);

        var exported = Exporter.Export(
            architecture, _ => Trainer.BestWeightsPath(_folder), TinyFaces.Data, WeightFormat.Float32,
            TestContext.Current.CancellationToken);
        ModelFolder.Write(_folder, architecture, exported, "1", isDefault: true);

        Assert.InRange(exported.MaxDifference, 0, 1e-4);
        var json = await File.ReadAllBytesAsync(Path.Combine(_folder, "tiny-cnn", "manifest.json"), TestContext.Current.CancellationToken);
        var manifest = ManifestReader.Read(json, "tiny-cnn", out var mistakes);
        Assert.Empty(mistakes);
        Assert.Equal(exported.Model, ModelFolder.ReadModel(_folder, manifest!));
        var card = await File.ReadAllTextAsync(Path.Combine(_folder, "tiny-cnn", "MODEL_CARD.md"), TestContext.Current.CancellationToken);
        Assert.Contains("# tiny-cnn", card, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ModelFolderWrite_NewDefault_ReplacesOldDefaultOfModality()
    {
        Torch.Require();
        var architecture = new TinyCnn();
        await new Trainer(architecture, architecture.Recipe, TinyFaces.Data, 1, _folder).RunAsync(
            _ => { }, TestContext.Current.CancellationToken);
        var exported = Exporter.Export(
            architecture, _ => Trainer.BestWeightsPath(_folder), TinyFaces.Data, WeightFormat.Float32,
            TestContext.Current.CancellationToken);
        ModelFolder.Write(_folder, architecture, exported, "1", isDefault: true);
        var path = Path.Combine(_folder, "tiny-cnn", "manifest.json");
        var json = await File.ReadAllTextAsync(path, TestContext.Current.CancellationToken);
        foreach (var (name, modality) in new[] { ("other-face", "face"), ("other-voice", "speech") })
        {
            Directory.CreateDirectory(Path.Combine(_folder, name));
            await File.WriteAllTextAsync(Path.Combine(_folder, name, "manifest.json"),
                json.Replace("tiny-cnn", name, StringComparison.Ordinal).Replace(
                    "\"modality\": \"face\"", $"\"modality\": \"{modality}\"", StringComparison.Ordinal),
                TestContext.Current.CancellationToken);
        }

        ModelFolder.Write(_folder, architecture, exported, "1", isDefault: true);

        Assert.False(IsDefault("other-face"));
        Assert.True(IsDefault("other-voice"));
        Assert.True(IsDefault("tiny-cnn"));

        bool IsDefault(string name) =>
            File.ReadAllText(Path.Combine(_folder, name, "manifest.json")).Contains("\"default\": true", StringComparison.Ordinal);
    }

    [Fact]
    public async Task ReadModel_ModifiedFile_IsRejected()
    {
        Torch.Require();
        var architecture = new TinyCnn();
        await new Trainer(architecture, architecture.Recipe, TinyFaces.Data, 1, _folder).RunAsync(
            _ => { }, TestContext.Current.CancellationToken);
        var path = ModelFolder.Write(_folder, architecture,
            Exporter.Export(architecture, _ => Trainer.BestWeightsPath(_folder), TinyFaces.Data, WeightFormat.Float16,
                TestContext.Current.CancellationToken), "1", isDefault: false);
        await File.AppendAllTextAsync(path, "x", TestContext.Current.CancellationToken);

        Assert.Throws<InvalidDataException>(() => ModelFolder.ReadModel(_folder, ModelFolder.Read(_folder, architecture)));
    }

    private static void AssertClose(Tensor expected, OrtValue actual, float tolerance = 1e-4f)
    {
        var values = actual.GetTensorDataAsSpan<float>();
        var wanted = expected.data<float>().ToArray();
        Assert.Equal(wanted.Length, values.Length);
        for (var i = 0; i < wanted.Length; i++)
            Assert.Equal(wanted[i], values[i], tolerance);
    }
}
