using Affect.Training.Export;
using static TorchSharp.torch;

namespace Affect.Training.Layers;

/// <summary>
/// Convolution without bias, batch normalisation, and ReLU unless told otherwise; zero padding keeps the size
/// (before the stride).
/// Weights are float32; the convolution itself computes in the type of its input.
/// At export the normalisation, which is linear once trained, is folded into the convolution:
/// w' = w·γ/√(σ²+ε), b' = β − μ·γ/√(σ²+ε).
/// </summary>
internal sealed class Convolution : Layer
{
    private const double Epsilon = 1e-5;

    // Edge of a result up to which a matrix product is faster.
    private const int Small = 2;

    private readonly nn.Module _convolution;
    private readonly nn.Module<Tensor, Tensor> _norm;
    private readonly int _dimensions, _kernel, _stride;
    private readonly bool _relu;

    private Convolution(int dimensions, int inputs, int outputs, int kernel, int stride, bool relu) : base(nameof(Convolution))
    {
        (_dimensions, _kernel, _stride, _relu) = (dimensions, kernel, stride, relu);
        long padding = kernel / 2;
        _convolution = dimensions == 1
            ? nn.Conv1d(inputs, outputs, kernel, stride, padding, bias: false)
            : nn.Conv2d(inputs, outputs, kernel, stride, padding, bias: false);
        _norm = dimensions == 1 ? nn.BatchNorm1d(outputs, Epsilon) : nn.BatchNorm2d(outputs, Epsilon);
        // Weights with channels last make oneDNN work so throughout: a quarter faster on a CPU.
        if (_convolution is TorchSharp.Modules.Conv2d picture)
            picture.weight = nn.Parameter(picture.weight.detach().permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2));
        register_module("convolution", _convolution);
        register_module("norm", _norm);
    }

    /// <summary>Over time: [N, inputs, T] → [N, outputs, ⌈T/stride⌉].</summary>
    public static Convolution OverTime(int inputs, int outputs, int kernel, int stride = 1) => new(1, inputs, outputs, kernel, stride, relu: true);

    /// <summary>Over a picture: [N, inputs, H, W] → [N, outputs, ⌈H/stride⌉, ⌈W/stride⌉].</summary>
    public static Convolution OverPicture(int inputs, int outputs, int kernel = 3, int stride = 1, bool relu = true) =>
        new(2, inputs, outputs, kernel, stride, relu);

    /// <summary>Begins with γ = 0: a residual block is then nothing but its shortcut at first, and deep networks learn sooner (Goyal et al. 2017).</summary>
    public Convolution Silent()
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
            : input.dtype == bfloat16 && (_kernel == 1 || input.shape[2] <= Small * _stride) ? Product(input, weight)
            : nn.functional.conv2d(input, weight, strides: [_stride, _stride], padding: [_kernel / 2, _kernel / 2]);
        var output = _norm.call(convolved);
        return _relu ? nn.functional.relu(output, inplace: true) : output;
    }

    // What each pixel of the result sees, side by side, times the weights: on a CPU faster than oneDNN's convolutions in
    // bfloat16 where pictures are small and channels many. Channels lie last, so no permutation copies.
    private Tensor Product(Tensor input, Tensor weight)
    {
        long pad = _kernel / 2;
        var pixels = input.permute(0, 2, 3, 1);
        var padded = pad > 0 ? nn.functional.pad(pixels, [0, 0, pad, pad, pad, pad]) : pixels;
        var (height, width) = (padded.shape[1] - _kernel + 1, padded.shape[2] - _kernel + 1);
        var seen = Enumerable.Range(0, _kernel * _kernel)
            .Select(i => padded.slice(1, i / _kernel, i / _kernel + height, _stride).slice(2, i % _kernel, i % _kernel + width, _stride))
            .ToList();
        return nn.functional.linear(seen.Count > 1 ? cat(seen, 3) : seen[0], weight.permute(0, 2, 3, 1).flatten(1)).permute(0, 3, 1, 2);
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
