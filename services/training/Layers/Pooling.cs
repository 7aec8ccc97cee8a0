using Affect.Training.Export;
using static TorchSharp.torch;

namespace Affect.Training.Layers;

/// <summary>Max pooling with kernel and stride 2 over time (1 dimension) or images (2 dimensions).</summary>
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

/// <summary>Max pooling over images with kernel 3, stride 2 and padding 1.</summary>
internal sealed class OverlappingMaxPool() : Layer(nameof(OverlappingMaxPool))
{
    public override Tensor forward(Tensor input) => nn.functional.max_pool2d(input, 3, 2, 1);

    public override string Emit(OnnxGraph graph, string input) =>
        graph.Node("MaxPool", [input], ("kernel_shape", new long[] { 3, 3 }), ("strides", new long[] { 2, 2 }),
            ("pads", new long[] { 1, 1, 1, 1 }));
}

/// <summary>Global average pooling over an image or over time: [N, C, H, W] or [N, C, T] → [N, C].</summary>
internal sealed class GlobalAveragePool() : Layer(nameof(GlobalAveragePool))
{
    public override Tensor forward(Tensor input) => input.dim() == 3 ? input.mean([2]) : input.mean([2, 3]);

    public override string Emit(OnnxGraph graph, string input) =>
        graph.Node("Flatten", [graph.Node("GlobalAveragePool", [input])], ("axis", 1L));
}

/// <summary>[N, a, b, ...] → [N, a·b·...].</summary>
internal sealed class Flatten() : Layer(nameof(Flatten))
{
    public override Tensor forward(Tensor input) => input.flatten(1);

    public override string Emit(OnnxGraph graph, string input) => graph.Node("Flatten", [input], ("axis", 1L));
}
