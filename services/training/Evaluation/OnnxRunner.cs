using Affect.Emotions;
using Affect.Inference;
using Affect.Training.Architectures;
using Affect.Training.Data;
using Microsoft.ML.OnnxRuntime;

namespace Affect.Training.Evaluation;

/// <summary>Runs an exported model in ONNX Runtime.</summary>
internal sealed class OnnxRunner(byte[] model, Architecture architecture, Normalization normalization) : IDisposable
{
    private const int BatchSize = 64;
    private readonly InferenceSession _session = Open(model);

    private static InferenceSession Open(byte[] model)
    {
        _ = OnnxEnvironment.Instance;
        return new(model);
    }

    /// <summary>Runs one batch of normalized features.</summary>
    /// <returns>Logits, [count, 7].</returns>
    public float[] Logits(float[] features, int count)
    {
        using var input = OrtValue.CreateTensorValueFromMemory(features, [count, .. architecture.Shape]);
        using var options = new RunOptions();
        using var outputs = _session.Run(options, [architecture.Input.Tensor], [input], ["logits"]);
        return outputs[0].GetTensorDataAsSpan<float>().ToArray();
    }

    /// <summary>Computes the logits of the windows of each sample.</summary>
    public List<List<float[]>> Windows(Samples samples, CancellationToken cancellation)
    {
        var results = Enumerable.Range(0, samples.Count).Select(_ => new List<float[]>()).ToList();
        // Features of a few hundred samples at a time: all of them would take gigabytes.
        var windows = Enumerable.Range(0, samples.Count).Chunk(4 * BatchSize).SelectMany(indices => indices.AsParallel().AsOrdered()
            .SelectMany(index => samples.Windows(index).Select(window => (index, window))).ToList());
        foreach (var chunk in windows.Chunk(BatchSize))
        {
            cancellation.ThrowIfCancellationRequested();
            var logits = Logits(normalization.ToBatch(architecture, Array.ConvertAll(chunk, item => item.window)), chunk.Length);
            for (var i = 0; i < chunk.Length; i++)
                results[chunk[i].index].Add(logits.AsSpan(i * EmotionLabels.Count, EmotionLabels.Count).ToArray());
        }
        return results;
    }

    public void Dispose() => _session.Dispose();
}
