using System.Runtime.InteropServices;
using Affect.Inference;
using Affect.Training.Export;
using Microsoft.ML.OnnxRuntime;
using Onnx;
using Architecture = Affect.Training.Architectures.Architecture;
using DataType = Onnx.TensorProto.Types.DataType;

namespace Affect.Training.Evaluation;

/// <summary>Cost of inference: parameters, file size and latency.</summary>
internal static class Cost
{
    private const int WarmupRuns = 50, MeasuredRuns = 500;

    // CLOCK_THREAD_CPUTIME_ID of Linux: CPU time of the calling thread.
    private const int ThreadCpuTime = 3;

    private static readonly DataType[] WeightTypes =
        [DataType.Float, DataType.Uint8, DataType.Int8, DataType.Float16, DataType.Double, DataType.Bfloat16];

    /// <summary>
    /// Measures a model with one input at a time on one core. The latency is the median CPU time of the thread, which equals the
    /// wall-clock time on an idle core.
    /// </summary>
    public static ModelCost Measure(byte[] model, Architecture architecture)
    {
        using var options = new SessionOptions { IntraOpNumThreads = 1, InterOpNumThreads = 1 };
        using var session = new InferenceSession(model, options);
        using var input = OrtValue.CreateTensorValueFromMemory(new float[architecture.Length], [1, .. architecture.Shape]);
        using var run = new RunOptions();
        var milliseconds = new List<double>();
        for (var i = -WarmupRuns; i < MeasuredRuns; i++)
        {
            var start = Milliseconds();
            using var outputs = session.Run(run, [architecture.Input.Tensor], [input], ["logits"]);
            if (i >= 0)
                milliseconds.Add(Milliseconds() - start);
        }
        return new(Parameters(model), model.Length, Math.Round(milliseconds.Order().ElementAt(MeasuredRuns / 2), 3));
    }

    private static double Milliseconds() =>
        GetTime(ThreadCpuTime, out var time) == 0 ? time.Seconds * 1e3 + time.Nanoseconds / 1e6
            : throw new PlatformNotSupportedException("thread CPU time requires Linux");

    [DllImport("libc", EntryPoint = "clock_gettime")]
    private static extern int GetTime(int clock, out Time time);

    [StructLayout(LayoutKind.Sequential)]
    private readonly struct Time
    {
        public readonly long Seconds;
        public readonly long Nanoseconds;
    }

    /// <summary>
    /// Number of weights in an ONNX file: elements of the initializers, without scalars, shapes and the scales of int8 weights.
    /// </summary>
    public static long Parameters(byte[] model) => ModelProto.Parser.ParseFrom(model).Graph.Initializer
        .Where(tensor => tensor.Dims.Count > 0 && WeightTypes.Contains((DataType)tensor.DataType)
            && !tensor.Name.EndsWith(OnnxGraph.ScaleSuffix, StringComparison.Ordinal))
        .Sum(tensor => tensor.Dims.Aggregate(1L, (product, size) => product * size));
}
