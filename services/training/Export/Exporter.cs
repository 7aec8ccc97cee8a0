using Affect.Emotions;
using Affect.Training.Architectures;
using Affect.Training.Data;
using Affect.Training.Evaluation;
using Affect.Training.Layers;
using Affect.Training.Learning;
using static TorchSharp.torch;

namespace Affect.Training.Export;

/// <summary>A verified ONNX file and the values that go into its manifest.</summary>
/// <param name="Model">The ONNX file.</param>
/// <param name="Normalization">Normalization of the input.</param>
/// <param name="Temperature">Temperature of the calibration.</param>
/// <param name="AbstainBelow">Abstention threshold.</param>
/// <param name="MaxDifference">Maximum difference from TorchSharp's logits.</param>
/// <param name="Accuracy">Accuracy on validation data.</param>
internal sealed record ExportedModel(
    byte[] Model, Normalization Normalization, float Temperature, float AbstainBelow, double MaxDifference, double Accuracy);

/// <summary>Exports a run's best weights to ONNX and verifies that ONNX Runtime computes the same logits.</summary>
internal static class Exporter
{
    /// <summary>Number of training samples on which the logits are compared, and the maximum difference.</summary>
    private const int VerifiedSamples = 1024;
    private const double Tolerance = 1e-4;

    /// <summary>Maximum loss of validation accuracy through reduced-precision weights, and through int8 products.</summary>
    private const double MaxAccuracyLoss = 0.002, MaxInt8AccuracyLoss = 0.01;

    /// <summary>Exports, verifies and calibrates a model.</summary>
    /// <exception cref="InvalidDataException">
    /// The logits of ONNX Runtime and TorchSharp differ, or the weight format costs too much accuracy.
    /// </exception>
    public static ExportedModel Export(
        Architecture architecture, Func<Architecture, string> weights, DataSet data, WeightFormat format, CancellationToken cancellation)
    {
        var (network, normalization) = Trainer.LoadBest(architecture, weights);
        using var _ = network;
        var labels = Enumerable.Range(0, data.Validation.Count).Select(data.Validation.Label).ToList();
        // Votes and labels have different class priors.
        if (architecture.Members.Any(member => Trainer.ReadState(weights(member))!.Recipe.VoteWeight > 0))
            network.AddLogitBias(
                Calibration.Bias([.. Validate(Write(architecture, network, WeightFormat.Float32)).Select(windows => windows.Single())],
                labels));
        var exact = Write(architecture, network, WeightFormat.Float32);
        var difference = MaxDifference(architecture, network, normalization, exact, data.Train);
        if (!(difference <= Tolerance))
            throw new InvalidDataException(
                $"logits of ONNX Runtime and TorchSharp differ by {difference:G3}; must be at most {Tolerance:G1}");

        var model = format == WeightFormat.Float32 ? exact : Write(architecture, network, format);
        var logits = Validate(model);
        if (format != WeightFormat.Float32)
        {
            var cost = Accuracy(Validate(exact)) - Accuracy(logits);
            var limit = format == WeightFormat.DynamicInt8 ? MaxInt8AccuracyLoss : MaxAccuracyLoss;
            if (cost > limit)
                throw new InvalidDataException($"{format} weights cost {cost:P2} of validation accuracy; must be at most {limit:P1}");
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

    /// <summary>Writes the network as an ONNX model with dynamic batch dimension and the outputs logits and embedding.</summary>
    public static byte[] Write(Architecture architecture, Network network, WeightFormat format)
    {
        network.eval();
        var graph = new OnnxGraph(format);
        var (logits, embedding) = network.Emit(graph, architecture.Input.Tensor);
        return graph.ToModel(architecture.Name, (architecture.Input.Tensor, architecture.Shape),
            ("logits", logits, [EmotionLabels.Count]), ("embedding", embedding, [network.EmbeddingLength]));
    }

    private static double MaxDifference(
        Architecture architecture, Network network, Normalization normalization, byte[] model, Samples samples)
    {
        using var runner = new OnnxRunner(model, architecture, normalization);
        var difference = 0.0;
        var indices = Enumerable.Range(0, Math.Min(VerifiedSamples, samples.Count))
            .Select(i => (int)((long)i * samples.Count / Math.Min(VerifiedSamples, samples.Count)));
        foreach (var chunk in indices.Chunk(64))
        {
            var features = normalization.ToBatch(architecture, Array.ConvertAll(chunk, index =>
            {
                var values = new float[architecture.Length];
                samples.Fill(index, null, values);
                return values;
            }));
            using var scope = NewDisposeScope();
            using var _ = no_grad();
            var expected = network.call(tensor(features, [chunk.Length, .. architecture.Shape])).Logits.data<float>().ToArray();
            var actual = runner.Logits(features, chunk.Length);
            for (var i = 0; i < actual.Length; i++)
                // NaN must count as a difference.
                difference = double.IsNaN(actual[i]) ? double.PositiveInfinity : Math.Max(difference, Math.Abs(actual[i] - expected[i]));
        }
        return difference;
    }
}
