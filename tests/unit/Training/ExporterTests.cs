using Affect.Emotions;
using Affect.Inference;
using Affect.Training.Architectures;
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
    public void Onnx_computes_what_torch_computes_at_any_batch_size(string name)
    {
        Torch.Require();
        var architecture = Architecture.All[name];
        manual_seed(1);
        using var network = architecture.Build();
        // A few batches of training, so that the running statistics are not those of a fresh network.
        network.train();
        for (var i = 0; i < 3; i++)
            using (NewDisposeScope())
                network.call(randn([4, .. architecture.Shape]) * 2 + 0.5);
        network.eval();
        using var session = new InferenceSession(Exporter.Write(architecture, network, half: false));

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

    [Fact]
    public void Half_weights_take_half_the_space_and_compute_nearly_the_same()
    {
        Torch.Require();
        var architecture = new TinyCnn();
        manual_seed(1);
        using var network = new Network(64, new Flatten(), new Dense(64, 64));
        var (full, half) = (Exporter.Write(architecture, network, half: false), Exporter.Write(architecture, network, half: true));

        Assert.InRange(half.Length, full.Length / 2, full.Length * 0.65);
        using var scope = NewDisposeScope();
        var input = randn([2, 1, 8, 8]);
        using var session = new InferenceSession(half);
        using var value = OrtValue.CreateTensorValueFromMemory(input.data<float>().ToArray(), input.shape);
        using var options = new RunOptions();
        using var outputs = session.Run(options, ["input"], [value], ["logits"]);
        AssertClose(network.call(input).Logits, outputs[0], 5e-3f);
    }

    [Fact]
    public async Task A_trained_network_is_written_with_manifest_and_card_that_are_right()
    {
        Torch.Require();
        var architecture = new TinyCnn();
        await new Trainer(architecture, architecture.Recipe, TinyFaces.Data, 1, _folder).RunAsync(_ => { }, TestContext.Current.CancellationToken);

        var exported = Exporter.Export(architecture, _folder, TinyFaces.Data, half: false, TestContext.Current.CancellationToken);
        ModelFolder.Write(_folder, architecture, exported, "1", isDefault: true);

        Assert.InRange(exported.Difference, 0, 1e-4);
        var json = await File.ReadAllBytesAsync(Path.Combine(_folder, "tiny-cnn", "manifest.json"), TestContext.Current.CancellationToken);
        var manifest = ManifestReader.Read(json, "tiny-cnn", out var mistakes);
        Assert.Empty(mistakes);
        Assert.Equal(exported.Model, ModelFolder.ReadModel(_folder, manifest!));
        var card = await File.ReadAllTextAsync(Path.Combine(_folder, "tiny-cnn", "MODEL_CARD.md"), TestContext.Current.CancellationToken);
        Assert.Contains("# tiny-cnn", card, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_is_not_the_manifests_is_refused()
    {
        Torch.Require();
        var architecture = new TinyCnn();
        await new Trainer(architecture, architecture.Recipe, TinyFaces.Data, 1, _folder).RunAsync(_ => { }, TestContext.Current.CancellationToken);
        var path = ModelFolder.Write(_folder, architecture,
            Exporter.Export(architecture, _folder, TinyFaces.Data, half: true, TestContext.Current.CancellationToken), "1", isDefault: false);
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
