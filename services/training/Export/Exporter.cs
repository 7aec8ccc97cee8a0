using Affect.Emotions;
using Affect.Training.Architectures;
using Affect.Training.Data;
using Affect.Training.Evaluation;
using Affect.Training.Layers;
using Affect.Training.Learning;
using static TorchSharp.torch;

namespace Affect.Training.Export;

/// <summary>A checked ONNX file, how its input is scaled, what goes with it into a manifest, the largest difference from TorchSharp's logits, and the accuracy on validation data.</summary>
internal sealed record Exported(byte[] Model, Normalization Normalization, float Temperature, float AbstainBelow, double Difference, double Accuracy);

/// <summary>From a run's best weights to an ONNX file that is known to compute the same.</summary>
internal static class Exporter
{
    /// <summary>Real inputs that the file is compared on, and how far it may be off.</summary>
    private const int Checked = 1024;
    private const double Tolerance = 1e-4;

    /// <summary>Share of right answers that storing weights in less than float32 may cost.</summary>
    private const double StorageMayCost = 0.002;

    /// <summary>Writes (larger weights as <paramref name="storage"/> says), compares, calibrates.</summary>
    /// <exception cref="InvalidDataException">ONNX Runtime and TorchSharp differ: the file must not be used.</exception>
    public static Exported Export(Architecture architecture, Func<Architecture, string> weights, DataSet data, Storage storage, CancellationToken cancellation)
    {
        var (network, normalization) = Trainer.LoadBest(architecture, weights);
        using var _ = network;
        var labels = Enumerable.Range(0, data.Validation.Count).Select(data.Validation.Label).ToList();
        // Votes name some emotions more often than labels do.
        if (architecture.Members.Any(member => Trainer.ReadState(weights(member))!.Recipe.Votes > 0))
            network.Shift(Calibration.Bias([.. Validate(Write(architecture, network, Storage.Float32)).Select(windows => windows.Single())], labels));
        var exact = Write(architecture, network, Storage.Float32);
        var difference = Compare(architecture, network, normalization, exact, data.Train);
        if (!(difference <= Tolerance))
            throw new InvalidDataException($"ONNX Runtime differs from TorchSharp by {difference:G3}, more than {Tolerance:G1}");

        var model = storage == Storage.Float32 ? exact : Write(architecture, network, storage);
        var logits = Validate(model);
        if (storage != Storage.Float32)
        {
            var cost = Accuracy(Validate(exact)) - Accuracy(logits);
            if (cost > StorageMayCost)
                throw new InvalidDataException($"{storage} weights cost {cost:P2} of validation accuracy, more than {StorageMayCost:P1}");
        }
        var temperature = Calibration.Temperature(logits, labels);
        var abstain = Calibration.AbstainBelow(logits.Select(windows => Calibration.Scores(windows, temperature)));
        return new(model, normalization, temperature, abstain, difference, Accuracy(logits));

        List<List<float[]>> Validate(byte[] bytes)
        {
            using var runner = new OnnxRunner(bytes, architecture, normalization);
            return runner.Windows(data.Validation, cancellation);
        }

        double Accuracy(List<List<float[]>> rows) =>
            rows.Where((windows, i) => Calibration.Scores(windows, 1).Best == labels[i]).Count() / (double)rows.Count;
    }

    /// <summary>The network as an ONNX model: opset 17, batch dynamic, outputs logits and embedding.</summary>
    public static byte[] Write(Architecture architecture, Network network, Storage storage)
    {
        network.eval();
        var graph = new OnnxGraph(storage);
        var (logits, embedding) = network.Emit(graph, architecture.Input.Tensor);
        return graph.ToModel(architecture.Name, (architecture.Input.Tensor, architecture.Shape),
            ("logits", logits, [EmotionLabels.Count]), ("embedding", embedding, [network.EmbeddingLength]));
    }

    private static double Compare(Architecture architecture, Network network, Normalization normalization, byte[] model, Samples samples)
    {
        using var runner = new OnnxRunner(model, architecture, normalization);
        var difference = 0.0;
        var indices = Enumerable.Range(0, Math.Min(Checked, samples.Count)).Select(i => (int)((long)i * samples.Count / Math.Min(Checked, samples.Count)));
        foreach (var chunk in indices.Chunk(64))
        {
            var features = new float[chunk.Length * architecture.Length];
            for (var i = 0; i < chunk.Length; i++)
            {
                var values = features.AsSpan(i * architecture.Length, architecture.Length);
                samples.Fill(chunk[i], null, values);
                normalization.Apply(architecture, values);
            }
            using var scope = NewDisposeScope();
            using var _ = no_grad();
            var expected = network.call(tensor(features, [chunk.Length, .. architecture.Shape])).Logits.data<float>().ToArray();
            var actual = runner.Logits(features, chunk.Length);
            for (var i = 0; i < actual.Length; i++)
                // A NaN must not pass for no difference.
                difference = double.IsNaN(actual[i]) ? double.PositiveInfinity : Math.Max(difference, Math.Abs(actual[i] - expected[i]));
        }
        return difference;
    }
}
