using System.Runtime.InteropServices;
using Affect.Inference;
using Affect.Training.Export;
using Google.Protobuf;
using Microsoft.ML.OnnxRuntime;
using Architecture = Affect.Training.Architectures.Architecture;

namespace Affect.Training.Evaluation;

/// <summary>What a model takes to run: parameters, bytes, time.</summary>
internal static class Cost
{
    private const int WarmUp = 50, Runs = 500;

    // Linux: the processor time of the calling thread.
    private const int ThreadTime = 3;

    // onnx.proto3: numbers of TensorProto.DataType that weights may have.
    private const int Float = 1, UInt8 = 2, Int8 = 3, Float16 = 10, Double = 11, BFloat16 = 16;

    /// <summary>
    /// Reads and runs a file, one input at a time on one core. Time is the processor's on the one thread that runs: on a
    /// core that nobody else wants the same as that of a clock, and elsewhere what it would be there.
    /// </summary>
    public static ModelCost Of(byte[] model, Architecture architecture)
    {
        using var options = new SessionOptions { IntraOpNumThreads = 1, InterOpNumThreads = 1 };
        using var session = new InferenceSession(model, options);
        using var input = OrtValue.CreateTensorValueFromMemory(new float[architecture.Length], [1, .. architecture.Shape]);
        using var run = new RunOptions();
        var milliseconds = new List<double>();
        for (var i = -WarmUp; i < Runs; i++)
        {
            var start = Milliseconds();
            using var outputs = session.Run(run, [architecture.Input.Tensor], [input], ["logits"]);
            if (i >= 0)
                milliseconds.Add(Milliseconds() - start);
        }
        return new(Parameters(model), model.Length, Math.Round(milliseconds.Order().ElementAt(Runs / 2), 3));
    }

    private static double Milliseconds() =>
        GetTime(ThreadTime, out var time) == 0 ? time.Seconds * 1e3 + time.Nanoseconds / 1e6 : throw new PlatformNotSupportedException("no clock of the thread's processor time");

    [DllImport("libc", EntryPoint = "clock_gettime")]
    private static extern int GetTime(int clock, out Time time);

    [StructLayout(LayoutKind.Sequential)]
    private readonly struct Time
    {
        public readonly long Seconds;
        public readonly long Nanoseconds;
    }

    /// <summary>Number of weights in an ONNX file: the elements of ModelProto.graph (7) . initializer (5), without scalars and shapes.</summary>
    public static long Parameters(byte[] model)
    {
        var count = 0L;
        foreach (var graph in Fields(model, 7))
            foreach (var tensor in Fields(graph, 5))
                count += Elements(tensor);
        return count;
    }

    private static long Elements(byte[] tensor)
    {
        var (elements, rank, type, isScale) = (1L, 0, 0L, false);
        var stream = new CodedInputStream(tensor);
        while (stream.ReadTag() is > 0 and var tag)
            switch (WireFormat.GetTagFieldNumber(tag), WireFormat.GetTagWireType(tag))
            {
                case (1, WireFormat.WireType.Varint):
                    elements *= stream.ReadInt64();
                    rank++;
                    break;
                case (1, WireFormat.WireType.LengthDelimited): // packed
                    var packed = stream.ReadBytes().CreateCodedInput();
                    for (; !packed.IsAtEnd; rank++)
                        elements *= packed.ReadInt64();
                    break;
                case (2, WireFormat.WireType.Varint):
                    type = stream.ReadInt64();
                    break;
                case (8, WireFormat.WireType.LengthDelimited):
                    // Scales belong to how int8 weights are stored; nobody learnt them.
                    isScale = stream.ReadString().EndsWith(OnnxGraph.ScaleSuffix, StringComparison.Ordinal);
                    break;
                default:
                    stream.SkipLastField();
                    break;
            }
        return !isScale && rank > 0 && type is Float or UInt8 or Int8 or Float16 or Double or BFloat16 ? elements : 0;
    }

    private static IEnumerable<byte[]> Fields(byte[] message, int number)
    {
        var stream = new CodedInputStream(message);
        while (stream.ReadTag() is > 0 and var tag)
            if (WireFormat.GetTagFieldNumber(tag) == number && WireFormat.GetTagWireType(tag) == WireFormat.WireType.LengthDelimited)
                yield return stream.ReadBytes().ToByteArray();
            else
                stream.SkipLastField();
    }
}
