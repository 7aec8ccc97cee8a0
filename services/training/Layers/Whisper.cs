using Affect.Training.Export;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Affect.Training.Layers;

/// <summary>
/// The first blocks of Whisper's encoder (Radford et al. 2022): two convolutions, sinusoidal positions, pre-norm transformer blocks. The
/// states after the convolutions and after each block are summarized over time: the means of ten segments of 0.3 s, and the standard
/// deviation. [N, 300, 80] → [N, (blocks + 1) · 11, width].
/// </summary>
internal sealed class WhisperEncoder : Layer
{
    /// <summary>Segments of a window, and rows of the summary of one state.</summary>
    public const int Segments = 10, Rows = Segments + 1;

    private const int Bands = 80, Heads = 8;
    private const float MinVariance = 1e-6f;

    private readonly Conv1d _first, _second;
    private readonly Layer[] _blocks;
    private readonly int _width;

    /// <param name="width">Values of a state: 512 in Whisper base.</param>
    /// <param name="blocks">Number of transformer blocks.</param>
    /// <param name="steps">Steps of a window after the convolutions.</param>
    public WhisperEncoder(int width, int blocks, int steps) : base(nameof(WhisperEncoder))
    {
        _width = width;
        _first = nn.Conv1d(Bands, width, 3, padding: 1);
        _second = nn.Conv1d(width, width, 3, stride: 2, padding: 1);
        _blocks = [.. Enumerable.Range(0, blocks).Select(_ =>
            (Layer)new Sequential(new SelfAttention(width, Heads, dropout: 0), new FeedForward(width, 4 * width, dropout: 0)))];
        register_module("first", _first);
        register_module("second", _second);
        for (var i = 0; i < blocks; i++)
            register_module($"block{i}", _blocks[i]);
        register_buffer("positions", Sinusoids(steps, width)); // fetched by name: moving the module to a device replaces it
    }

    public override Tensor forward(Tensor input)
    {
        var state = nn.functional.gelu(_first.call(input.transpose(1, 2)));
        state = nn.functional.gelu(_second.call(state)).transpose(1, 2) + get_buffer("positions")!;
        var rows = new List<Tensor> { Summarize(state) };
        foreach (var block in _blocks)
            rows.Add(Summarize(state = block.call(state)));
        return cat(rows, 1);
    }

    public override string Emit(OnnxGraph graph, string input)
    {
        var state = graph.Gelu(Convolve(graph, input, _first, stride: 1));
        state = graph.Node("Add", [graph.Gelu(Convolve(graph, state, _second, stride: 2)), graph.Tensor(get_buffer("positions")!)]);
        var rows = new List<string> { Summarize(graph, state) };
        foreach (var block in _blocks)
            rows.Add(Summarize(graph, state = block.Emit(graph, state)));
        return graph.Node("Concat", [.. rows], ("axis", 1L));
    }

    private Tensor Summarize(Tensor state)
    {
        var mean = state.mean([1], keepdim: true);
        var variance = (state * state).mean([1], keepdim: true) - (mean * mean);
        return cat([state.reshape(state.shape[0], Segments, -1, _width).mean([2]), variance.clamp_min(MinVariance).sqrt()], 1);
    }

    private string Summarize(OnnxGraph graph, string state)
    {
        var mean = Mean(state, 1, keep: true);
        var variance = graph.Node("Sub", [Mean(graph.Node("Mul", [state, state]), 1, keep: true), graph.Node("Mul", [mean, mean])]);
        var deviation = graph.Node("Sqrt", [graph.Node("Max", [variance, graph.Scalar(MinVariance)])]);
        var segments = Mean(graph.Node("Reshape", [state, graph.Integers(0, Segments, -1, _width)]), 2, keep: false);
        return graph.Node("Concat", [segments, deviation], ("axis", 1L));

        string Mean(string value, long axis, bool keep) =>
            graph.Node("ReduceMean", [value], ("axes", new[] { axis }), ("keepdims", keep ? 1L : 0L));
    }

    // A convolution with kernel 3 over time as a product with three shifted copies: int8 as the other products, and time stays the
    // second axis.
    private static string Convolve(OnnxGraph graph, string input, Conv1d convolution, int stride)
    {
        var padded = graph.Node("Pad", [input, graph.Integers(0, 1, 0, 0, 1, 0)]);
        var shifted = Enumerable.Range(0, 3).Select(shift => graph.Node("Slice",
            [padded, graph.Integers(shift), graph.Integers(shift == 2 ? long.MaxValue : shift - 2), graph.Integers(1), graph.Integers(stride)]));
        // [outputs, inputs, 3] → [outputs, 3 · inputs]
        var weight = convolution.weight.detach().transpose(1, 2).flatten(1);
        return graph.Linear(graph.Node("Concat", [.. shifted], ("axis", 2L)), weight, convolution.bias);
    }

    private static Tensor Sinusoids(int steps, int width)
    {
        using var scope = NewDisposeScope();
        var scales = exp(arange(width / 2, dtype: float32) * (-Math.Log(10_000) / ((width / 2) - 1)));
        var angles = arange(steps, dtype: float32).unsqueeze(1) * scales.unsqueeze(0);
        return cat([angles.sin(), angles.cos()], 1).MoveToOuterDisposeScope();
    }
}

/// <summary>Pre-norm feed-forward network with GELU and a residual connection: [N, T, width] → [N, T, width].</summary>
internal sealed class FeedForward : Layer
{
    private const float Epsilon = 1e-5f;
    private readonly LayerNorm _norm;
    private readonly Linear _inner, _output;
    private readonly double _dropout;

    public FeedForward(int width, int inner, double dropout) : base(nameof(FeedForward))
    {
        _dropout = dropout;
        _norm = nn.LayerNorm(width, Epsilon);
        _inner = nn.Linear(width, inner);
        _output = nn.Linear(inner, width);
        register_module("norm", _norm);
        register_module("inner", _inner);
        register_module("output", _output);
    }

    public override Tensor forward(Tensor input) => input + nn.functional.dropout(
        _output.call(nn.functional.gelu(_inner.call(_norm.call(input)))), _dropout, training);

    public override string Emit(OnnxGraph graph, string input)
    {
        var inner = graph.Gelu(graph.Linear(graph.LayerNorm(input, _norm, Epsilon), _inner.weight, _inner.bias));
        return graph.Node("Add", [input, graph.Linear(inner, _output.weight, _output.bias)]);
    }
}

/// <summary>
/// Standardizes the states of an encoder, whose values have very different scales, weighs them (ELMo, Peters et al. 2018) and pools them
/// over time with four learned attentions: [N, states · <see cref="WhisperEncoder.Rows"/>, width] → [N, <see cref="Outputs"/>].
/// </summary>
internal sealed class StatePooling : Layer
{
    /// <summary>Values of the result.</summary>
    public const int Outputs = (Attentions + 1) * Inner;

    private const int Attentions = 4, Inner = 128;
    private const float Epsilon = 1e-5f;

    private readonly BatchNorm1d _segments, _deviations;
    private readonly LayerNorm _norm;
    private readonly Linear _value, _score, _deviation;
    private readonly int _states, _width;
    private readonly double _dropout;

    public StatePooling(int states, int width, double dropout) : base(nameof(StatePooling))
    {
        (_states, _width, _dropout) = (states, width, dropout);
        _segments = nn.BatchNorm1d(states * width, Epsilon, affine: false);
        _deviations = nn.BatchNorm1d(states * width, Epsilon, affine: false);
        _norm = nn.LayerNorm(width, Epsilon);
        _value = nn.Linear(width, Inner);
        _score = nn.Linear(width, Attentions);
        _deviation = nn.Linear(width, Inner);
        register_module("segments", _segments);
        register_module("deviations", _deviations);
        register_module("norm", _norm);
        register_module("value", _value);
        register_module("score", _score);
        register_module("deviation", _deviation);
        register_parameter("mix", nn.Parameter(zeros(states)));
    }

    public override Tensor forward(Tensor input)
    {
        var states = input.reshape(-1, _states, WhisperEncoder.Rows, _width);
        var segments = Mix(_segments, states.narrow(2, 0, WhisperEncoder.Segments).transpose(1, 2).reshape(-1, _states * _width))
            .reshape(-1, WhisperEncoder.Segments, _width);
        var deviation = Mix(_deviations, states.select(2, WhisperEncoder.Segments).reshape(-1, _states * _width));
        var attention = nn.functional.softmax(_score.call(segments), 1);
        var pooled = attention.transpose(1, 2).matmul(_value.call(segments)).flatten(1);
        return cat([pooled, _deviation.call(deviation)], 1);

        Tensor Mix(BatchNorm1d standardize, Tensor rows)
        {
            var weights = nn.functional.softmax(get_parameter("mix")!, 0).reshape(1, -1, 1);
            var mixed = (standardize.call(rows).reshape(-1, _states, _width) * weights).sum(1);
            return nn.functional.dropout(_norm.call(mixed), _dropout, training);
        }
    }

    public override string Emit(OnnxGraph graph, string input)
    {
        using var scope = NewDisposeScope();
        var states = graph.Node("Reshape", [input, graph.Integers(0, _states, WhisperEncoder.Rows, _width)]);
        var segments = Mix(_segments, 0, WhisperEncoder.Segments);
        var attention = graph.Node("Softmax", [graph.Linear(segments, _score.weight, _score.bias)], ("axis", 1L));
        var pooled = graph.Node("MatMul",
            [graph.Node("Transpose", [attention], ("perm", new long[] { 0, 2, 1 })), graph.Linear(segments, _value.weight, _value.bias)]);
        var deviation = graph.Linear(Mix(_deviations, WhisperEncoder.Segments, WhisperEncoder.Rows), _deviation.weight, _deviation.bias);
        return graph.Node("Concat",
            [graph.Node("Flatten", [pooled], ("axis", 1L)), graph.Node("Flatten", [deviation], ("axis", 1L))], ("axis", 1L));

        string Mix(BatchNorm1d standardize, int from, int to)
        {
            var weights = nn.functional.softmax(get_parameter("mix")!.detach(), 0).reshape(-1, 1);
            var scale = weights * (standardize.running_var! + Epsilon).rsqrt().reshape(_states, _width);
            var rows = graph.Node("Slice", [states, graph.Integers(from), graph.Integers(to), graph.Integers(2)]);
            // float16 is too coarse: some means are hundreds of deviations from zero.
            rows = graph.Node("Sub", [rows, graph.Tensor(standardize.running_mean!.reshape(1, _states, 1, _width), exact: true)]);
            rows = graph.Node("Mul", [rows, graph.Tensor(scale.reshape(1, _states, 1, _width))]);
            return graph.LayerNorm(graph.Node("ReduceSum", [rows, graph.Integers(1)], ("keepdims", 0L)), _norm, Epsilon);
        }
    }
}
