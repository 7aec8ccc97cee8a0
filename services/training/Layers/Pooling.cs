using Affect.Training.Export;
using static TorchSharp.torch;

namespace Affect.Training.Layers;

/// <summary>The largest of each 2 (time) or 2×2 (picture) neighbours; an odd last one is left out.</summary>
internal sealed class MaxPool(int dimensions) : Layer(nameof(MaxPool))
{
    public override Tensor forward(Tensor input) =>
        dimensions == 1 ? nn.functional.max_pool1d(input, 2) : nn.functional.max_pool2d(input, 2);

    public override string Emit(OnnxGraph graph, string input)
    {
        var two = Enumerable.Repeat(2L, dimensions).ToArray();
        return graph.Node("MaxPool", [input], ("kernel_shape", two), ("strides", two));
    }
}

/// <summary>[N, a, b, ...] → [N, a·b·...].</summary>
internal sealed class Flatten() : Layer(nameof(Flatten))
{
    public override Tensor forward(Tensor input) => input.flatten(1);

    public override string Emit(OnnxGraph graph, string input) => graph.Node("Flatten", [input], ("axis", 1L));
}
