using Affect.Training.Export;
using static TorchSharp.torch;

namespace Affect.Training.Layers;

/// <summary>
/// ReLU of what layers make of a picture plus the picture itself (He et al. 2016), which a 1×1 convolution
/// brings to the same shape where that changes.
/// </summary>
internal sealed class Residual : Layer
{
    private readonly Stack _body;
    private readonly Convolution? _shortcut;

    private Residual(Convolution? shortcut, params Layer[] body) : base(nameof(Residual))
    {
        (_body, _shortcut) = (new Stack(body), shortcut);
        register_module("body", _body);
        if (_shortcut is not null)
            register_module("shortcut", _shortcut);
    }

    /// <summary>Two 3×3 convolutions, then squeeze-and-excitation.</summary>
    public static Residual Basic(int inputs, int outputs, int stride = 1) => new(Shortcut(inputs, outputs, stride),
        Convolution.OverPicture(inputs, outputs, stride: stride),
        Convolution.OverPicture(outputs, outputs, relu: false),
        new SqueezeExcitation(outputs));

    /// <summary>1×1 to fewer channels, 3×3 (which strides, as in ResNet v1.5), 1×1 to four times as many.</summary>
    public static Residual Bottleneck(int inputs, int inner, int stride = 1) => new(Shortcut(inputs, 4 * inner, stride),
        Convolution.OverPicture(inputs, inner, kernel: 1),
        Convolution.OverPicture(inner, inner, stride: stride),
        Convolution.OverPicture(inner, 4 * inner, kernel: 1, relu: false).Silent());

    public override Tensor forward(Tensor input) =>
        nn.functional.relu(_body.call(input).add_(_shortcut?.call(input) ?? input), inplace: true);

    public override string Emit(OnnxGraph graph, string input) =>
        graph.Node("Relu", [graph.Node("Add", [_body.Emit(graph, input), _shortcut?.Emit(graph, input) ?? input])]);

    private static Convolution? Shortcut(int inputs, int outputs, int stride) =>
        inputs == outputs && stride == 1 ? null : Convolution.OverPicture(inputs, outputs, kernel: 1, stride: stride, relu: false);
}

/// <summary>
/// Weighs each channel, from 0 to 1, by what all channels show on average (Hu et al. 2018); an eighth as
/// many values lie between.
/// </summary>
internal sealed class SqueezeExcitation : Layer
{
    private readonly AveragePool _pool = new();
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
