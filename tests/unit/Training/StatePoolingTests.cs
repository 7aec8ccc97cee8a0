using Affect.Training.Export;
using Affect.Training.Layers;
using Microsoft.ML.OnnxRuntime;
using static TorchSharp.torch;

namespace Affect.UnitTests.Training;

[Collection(nameof(Torch))] // torch has one generator for the whole process
public sealed class StatePoolingTests
{
    private const int States = 2, Width = 512;

    /// <summary>Some values of Whisper's states have means of hundreds of deviations, which float16 cannot represent.</summary>
    [Fact]
    public void Emit_MeansOfThousandsOfDeviationsInFloat16_EqualsTorch()
    {
        const float Deviation = 0.1f;
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        manual_seed(1);
        var pooling = new StatePooling(States, Width, dropout: 0);
        var state = pooling.state_dict();
        var means = 300 + (10 * randn([States, 1, Width]));
        foreach (var rows in new[] { "segments", "deviations" })
        {
            state[$"{rows}.running_mean"].copy_(means.flatten());
            state[$"{rows}.running_var"].fill_(Deviation * Deviation);
        }

        pooling.eval();
        long[] shape = [States * WhisperEncoder.Rows, Width];
        var input = (means + (Deviation * randn([States, WhisperEncoder.Rows, Width]))).reshape([1, .. shape]);
        var expected = pooling.call(input).data<float>().ToArray();
        var graph = new OnnxGraph(WeightFormat.Float16);
        var model = graph.ToModel("pooling", ("states", shape), ("pooled", pooling.Emit(graph, "states"), [StatePooling.Outputs]));

        using var session = new InferenceSession(model);
        using var value = OrtValue.CreateTensorValueFromMemory(input.data<float>().ToArray(), [1, .. shape]);
        using var options = new RunOptions();
        using var outputs = session.Run(options, ["states"], [value], ["pooled"]);

        foreach (var (wanted, actual) in expected.Zip(outputs[0].GetTensorDataAsSpan<float>().ToArray()))
            Assert.Equal(wanted, actual, 0.01f);
    }
}
