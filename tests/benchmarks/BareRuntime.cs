using System.Diagnostics;
using System.Text.Json;
using Affect.Inference;
using Microsoft.ML.OnnxRuntime;

namespace Affect.Benchmarks;

/// <summary>ONNX Runtime alone as a child process: computes batches of given sizes for a given time and prints the number of inferences.</summary>
internal static class BareRuntime
{
    /// <summary>Batch sizes to repeat in this order, and the duration.</summary>
    public sealed record Work(int[] Sizes, double Seconds);

    public static void Run(Modality modality, string models)
    {
        var manifest = BatcherBenchmark.ReadDefault(models, modality);
        using var options = new SessionOptions
        {
            GraphOptimizationLevel = GraphOptimizationLevel.ORT_ENABLE_ALL,
            IntraOpNumThreads = Environment.ProcessorCount,
        };
        options.AddSessionConfigEntry("session.intra_op.allow_spinning", "0");
        using var session = new InferenceSession(Path.Combine(models, manifest.Name, manifest.Versions[^1].File), options);
        using var run = new RunOptions();
        string[] inputs = [manifest.Input.Tensor];
        string[] outputs = manifest.Output.Embedding is { } embedding ? [manifest.Output.Logits, embedding] : [manifest.Output.Logits];

        var one = new InputTensor(manifest.Input);
        var bytes = BatcherBenchmark.Input(manifest);
        var tensors = new Dictionary<int, OrtValue>();
        Console.WriteLine("ready");

        while (Console.ReadLine() is { } line)
        {
            var work = JsonSerializer.Deserialize<Work>(line)!;
            foreach (var size in work.Sizes.Distinct())
                if (!tensors.ContainsKey(size))
                    tensors[size] = Tensor(size);
            var (started, inferences) = (Stopwatch.GetTimestamp(), 0L);
            for (var i = 0; Stopwatch.GetElapsedTime(started).TotalSeconds < work.Seconds; i++)
            {
                var size = work.Sizes[i % work.Sizes.Length];
                using var result = session.Run(run, inputs, [tensors[size]], outputs);
                inferences += size;
            }
            Console.WriteLine(inferences);
        }

        OrtValue Tensor(int size)
        {
            var batch = new float[size * one.Length];
            for (var i = 0; i < size; i++)
                one.Write(bytes.Span, batch.AsSpan(i * one.Length, one.Length));
            return OrtValue.CreateTensorValueFromMemory(batch, [size, .. one.ShapeOfOne.Select(axis => (long)axis)]);
        }
    }
}
