using Affect.Training.Export;
using static TorchSharp.torch;

namespace Affect.Training.Layers;

/// <summary>
/// Frames of bands become a picture: [N, T, F] → [N, 2, T, F/2], two neighbouring bands each as their mean. One channel is as it
/// was, the other its distance from the mean of each band over time, which hides much of who speaks, and through what.
/// </summary>
internal sealed class Spectrogram() : Layer(nameof(Spectrogram))
{
    public override Tensor forward(Tensor input)
    {
        var halved = input.reshape(input.shape[0], input.shape[1], -1, 2).mean([3]);
        return stack([halved, halved - halved.mean([1], keepdim: true)], 1);
    }

    public override string Emit(OnnxGraph graph, string input)
    {
        var axis = graph.Integers(1);
        var pairs = graph.Node("Reshape", [input, graph.Integers(0, 0, -1, 2)]);
        var halved = graph.Node("ReduceMean", [pairs], ("axes", new long[] { 3 }), ("keepdims", 0L));
        var mean = graph.Node("ReduceMean", [halved], ("axes", new long[] { 1 }), ("keepdims", 1L));
        return graph.Node("Concat", [graph.Node("Unsqueeze", [halved, axis]), graph.Node("Unsqueeze", [graph.Node("Sub", [halved, mean]), axis])], ("axis", 1L));
    }
}

/// <summary>The places of a picture one after another: [N, C, H, W] → [N, H·W, C].</summary>
internal sealed class Places() : Layer(nameof(Places))
{
    public override Tensor forward(Tensor input) => input.flatten(2).transpose(1, 2).to(float32);

    public override string Emit(OnnxGraph graph, string input) =>
        graph.Node("Transpose", [graph.Node("Reshape", [input, graph.Integers(0, 0, -1)])], ("perm", new long[] { 0, 2, 1 }));
}
