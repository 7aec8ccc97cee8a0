using Affect.Training.Export;
using static TorchSharp.torch;

namespace Affect.Training.Layers;

/// <summary>
/// Residual block (He et al. 2016): ReLU of the sum of body and shortcut. The shortcut is a 1×1 convolution where the shape
/// changes.
/// </summary>
internal sealed class Residual : Layer
{
    private readonly Sequential _body;
    private readonly ConvBlock? _shortcut;

    private Residual(ConvBlock? shortcut, params Layer[] body) : base(nameof(Residual))
    {
        (_body, _shortcut) = (new Sequential(body), shortcut);
        register_module("body", _body);
        if (_shortcut is not null)
            register_module("shortcut", _shortcut);
    }

    /// <summary>Two 3×3 convolutions, then squeeze-and-excitation.</summary>
    public static Residual Basic(int inputs, int outputs, int stride = 1) => new(Shortcut(inputs, outputs, stride),
        ConvBlock.Conv2d(inputs, outputs, stride: stride),
        ConvBlock.Conv2d(outputs, outputs, relu: false),
        new SqueezeExcitation(outputs));

    /// <summary>Bottleneck: 1×1, 3×3 with the stride (as in ResNet v1.5), 1×1 with four times as many channels.</summary>
    public static Residual Bottleneck(int inputs, int inner, int stride = 1) => new(Shortcut(inputs, 4 * inner, stride),
        ConvBlock.Conv2d(inputs, inner, kernel: 1),
        ConvBlock.Conv2d(inner, inner, stride: stride),
        ConvBlock.Conv2d(inner, 4 * inner, kernel: 1, relu: false).ZeroInit());

    public override Tensor forward(Tensor input) =>
        nn.functional.relu(_body.call(input).add_(_shortcut?.call(input) ?? input), inplace: true);

    public override string Emit(OnnxGraph graph, string input) =>
        graph.Node("Relu", [graph.Node("Add", [_body.Emit(graph, input), _shortcut?.Emit(graph, input) ?? input])]);

    private static ConvBlock? Shortcut(int inputs, int outputs, int stride) =>
        inputs == outputs && stride == 1 ? null : ConvBlock.Conv2d(inputs, outputs, kernel: 1, stride: stride, relu: false);
}

/// <summary>Squeeze-and-excitation (Hu et al. 2018) with a reduction ratio of 8.</summary>
internal sealed class SqueezeExcitation : Layer
{
    private readonly GlobalAveragePool _pool = new();
    private readonly Dense _squeeze, _excite;
    private readonly int _channels;

    public SqueezeExcitation(int channels) : base(nameof(SqueezeExcitation))
    {
        _channels = channels;
        (_squeeze, _excite) = (new Dense(channels, channels / 8, relu: true), new Dense(channels / 8, channels));
        register_module("squeeze", _squeeze);
        register_module("excite", _excite);
    }

    public override Tensor forward(Tensor input) =>
        input * _excite.call(_squeeze.call(_pool.call(input))).sigmoid().reshape(-1, _channels, 1, 1).to(input.dtype);

    public override string Emit(OnnxGraph graph, string input)
    {
        var weights = graph.Node("Sigmoid", [_excite.Emit(graph, _squeeze.Emit(graph, _pool.Emit(graph, input)))]);
        return graph.Node("Mul", [input, graph.Node("Reshape", [weights, graph.Integers(-1, _channels, 1, 1)])]);
    }
}
