using Affect.Training.Export;
using static TorchSharp.torch;

namespace Affect.Training.Layers;

/// <summary>
/// Convolution without bias, batch normalization and optional ReLU, with zero padding that preserves the size (before the
/// stride). Weights are float32; the convolution computes in the type of its input. At export the batch normalization is folded
/// into the convolution: w' = w·γ/√(σ²+ε), b' = β − μ·γ/√(σ²+ε).
/// </summary>
internal sealed class ConvBlock : Layer
{
    private const double Epsilon = 1e-5;

    // Output size up to which im2col is faster.
    private const int MaxIm2ColSize = 2;

    private readonly nn.Module _convolution;
    private readonly nn.Module<Tensor, Tensor> _norm;
    private readonly int _dimensions, _kernel, _stride;
    private readonly bool _relu;

    private ConvBlock(int dimensions, int inputs, int outputs, int kernel, int stride, bool relu) : base(nameof(ConvBlock))
    {
        (_dimensions, _kernel, _stride, _relu) = (dimensions, kernel, stride, relu);
        long padding = kernel / 2;
        _convolution = dimensions == 1
            ? nn.Conv1d(inputs, outputs, kernel, stride, padding, bias: false)
            : nn.Conv2d(inputs, outputs, kernel, stride, padding, bias: false);
        _norm = dimensions == 1 ? nn.BatchNorm1d(outputs, Epsilon) : nn.BatchNorm2d(outputs, Epsilon);
        // Channels-last weights make oneDNN use channels-last activations: 25 % faster on a CPU.
        if (_convolution is TorchSharp.Modules.Conv2d conv2d)
            conv2d.weight = nn.Parameter(conv2d.weight.detach().permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2));
        register_module("convolution", _convolution);
        register_module("norm", _norm);
    }

    /// <summary>Over time: [N, inputs, T] → [N, outputs, ⌈T/stride⌉].</summary>
    public static ConvBlock Conv1d(int inputs, int outputs, int kernel, int stride = 1) =>
        new(1, inputs, outputs, kernel, stride, relu: true);

    /// <summary>Over an image: [N, inputs, H, W] → [N, outputs, ⌈H/stride⌉, ⌈W/stride⌉].</summary>
    public static ConvBlock Conv2d(int inputs, int outputs, int kernel = 3, int stride = 1, bool relu = true) =>
        new(2, inputs, outputs, kernel, stride, relu);

    /// <summary>
    /// Initializes γ to 0, so that a residual block is the identity at first and deep networks converge faster (Goyal et al. 2017).
    /// </summary>
    public ConvBlock ZeroInit()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        _norm.get_parameter("weight")!.zero_();
        return this;
    }

    public override Tensor forward(Tensor input)
    {
        var weight = _convolution.get_parameter("weight")!.to(input.dtype);
        var convolved = _dimensions == 1 ? nn.functional.conv1d(input, weight, stride: _stride, padding: _kernel / 2)
            : input.dtype == bfloat16 && (_kernel == 1 || input.shape[2] <= MaxIm2ColSize * _stride) ? Im2ColConvolution(input, weight)
            : nn.functional.conv2d(input, weight, strides: [_stride, _stride], padding: [_kernel / 2, _kernel / 2]);
        var output = _norm.call(convolved);
        return _relu ? nn.functional.relu(output, inplace: true) : output;
    }

    // im2col and a matrix product: on a CPU faster than oneDNN's bfloat16 convolutions for small images with many channels.
    // Channels are last, so the permutations do not copy.
    private Tensor Im2ColConvolution(Tensor input, Tensor weight)
    {
        long pad = _kernel / 2;
        var pixels = input.permute(0, 2, 3, 1);
        var padded = pad > 0 ? nn.functional.pad(pixels, [0, 0, pad, pad, pad, pad]) : pixels;
        var (height, width) = (padded.shape[1] - _kernel + 1, padded.shape[2] - _kernel + 1);
        var columns = Enumerable.Range(0, _kernel * _kernel)
            .Select(i => padded.slice(1, i / _kernel, i / _kernel + height, _stride).slice(2, i % _kernel, i % _kernel + width, _stride))
            .ToList();
        return nn.functional.linear(
            columns.Count > 1 ? cat(columns, 3) : columns[0], weight.permute(0, 2, 3, 1).flatten(1)).permute(0, 3, 1, 2);
    }

    public override string Emit(OnnxGraph graph, string input)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var norm = _norm.state_dict();
        var factor = norm["weight"] / (norm["running_var"] + Epsilon).sqrt();
        var bias = norm["bias"] - norm["running_mean"] * factor;
        var weight = _convolution.state_dict()["weight"];
        var shape = Enumerable.Repeat(1L, _dimensions + 1).Prepend(-1).ToArray();
        var convolved = graph.Node("Conv", [input, graph.Tensor(weight * factor.reshape(shape)), graph.Tensor(bias)],
            ("kernel_shape", Enumerable.Repeat((long)_kernel, _dimensions).ToArray()),
            ("strides", Enumerable.Repeat((long)_stride, _dimensions).ToArray()),
            ("pads", Enumerable.Repeat((long)(_kernel / 2), 2 * _dimensions).ToArray()));
        return _relu ? graph.Node("Relu", [convolved]) : convolved;
    }
}
