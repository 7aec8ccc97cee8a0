using Affect.Training.Export;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Affect.Training.Layers;

/// <summary>[N, a, b] → [N, b, a].</summary>
internal sealed class SwapAxes() : Layer(nameof(SwapAxes))
{
    public override Tensor forward(Tensor input) => input.transpose(1, 2);

    public override string Emit(OnnxGraph graph, string input) => graph.Node("Transpose", [input], ("perm", new long[] { 0, 2, 1 }));
}

/// <summary>
/// Pre-norm multi-head self-attention over time with a residual connection (Vaswani et al. 2017; Xiong et al. 2020):
/// [N, T, width] → [N, T, width].
/// </summary>
internal sealed class SelfAttention : Layer
{
    private const float Epsilon = 1e-5f;
    private readonly LayerNorm _norm;
    private readonly Linear _input, _output;
    private readonly int _width, _heads;
    private readonly double _dropout;

    /// <param name="width">Values per step, a multiple of <paramref name="heads"/>.</param>
    /// <param name="heads">Number of heads.</param>
    /// <param name="dropout">Dropout probability of the output.</param>
    public SelfAttention(int width, int heads, double dropout) : base(nameof(SelfAttention))
    {
        (_width, _heads, _dropout) = (width, heads, dropout);
        _norm = nn.LayerNorm(width, Epsilon);
        _input = nn.Linear(width, 3 * width);
        _output = nn.Linear(width, width);
        register_module("norm", _norm);
        register_module("input", _input);
        register_module("output", _output);
    }

    public override Tensor forward(Tensor input)
    {
        var (batch, time) = (input.shape[0], input.shape[1]);
        // [N, T, 3·width] → [3, N, heads, T, width/heads]
        var parts = _input.call(_norm.call(input)).reshape(batch, time, 3, _heads, _width / _heads).permute(2, 0, 3, 1, 4);
        var scores = parts[0].matmul(parts[1].transpose(-1, -2)) * (1 / Math.Sqrt(_width / _heads));
        var mixed = nn.functional.softmax(scores, -1).matmul(parts[2]).transpose(1, 2).reshape(batch, time, _width);
        return input + nn.functional.dropout(_output.call(mixed), _dropout, training);
    }

    public override string Emit(OnnxGraph graph, string input)
    {
        var parts = graph.Linear(graph.LayerNorm(input, _norm, Epsilon), _input.weight, _input.bias);
        // In Reshape, 0 keeps a dimension and -1 is inferred.
        var shape = graph.Integers(0, 0, _heads, _width / _heads);
        var (query, key, value) = (Part(0, [0, 2, 1, 3]), Part(1, [0, 2, 3, 1]), Part(2, [0, 2, 1, 3]));
        var scores = graph.Node("Mul", [graph.Node("MatMul", [query, key]), graph.Scalar((float)(1 / Math.Sqrt(_width / _heads)))]);
        var mixed = graph.Node("MatMul", [graph.Node("Softmax", [scores], ("axis", -1L)), value]);
        var joined = graph.Node(
            "Reshape", [graph.Node("Transpose", [mixed], ("perm", new long[] { 0, 2, 1, 3 })), graph.Integers(0, 0, _width)]);
        return graph.Node("Add", [input, graph.Linear(joined, _output.weight, _output.bias)]);

        string Part(int part, long[] permutation)
        {
            var slice = graph.Node("Slice", [parts, graph.Integers(part * _width), graph.Integers((part + 1) * _width), graph.Integers(2)]);
            return graph.Node("Transpose", [graph.Node("Reshape", [slice, shape])], ("perm", permutation));
        }
    }
}

/// <summary>
/// Attentive statistics pooling (Okabe et al. 2018), the attention-weighted mean and standard deviation over time:
/// [N, T, width] → [N, 2·width].
/// </summary>
internal sealed class AttentionPooling : Layer
{
    private const float MinVariance = 1e-4f;
    private readonly Linear _hidden, _score;

    public AttentionPooling(int width, int hidden) : base(nameof(AttentionPooling))
    {
        _hidden = nn.Linear(width, hidden);
        _score = nn.Linear(hidden, 1, hasBias: false);
        register_module("hidden", _hidden);
        register_module("score", _score);
    }

    public override Tensor forward(Tensor input)
    {
        var weights = nn.functional.softmax(_score.call(_hidden.call(input).tanh()), 1);
        var mean = (weights * input).sum(1);
        var variance = (weights * input * input).sum(1) - mean * mean;
        return cat([mean, variance.clamp_min(MinVariance).sqrt()], 1);
    }

    public override string Emit(OnnxGraph graph, string input)
    {
        using var hiddenWeight = _hidden.weight.detach().t();
        using var scoreWeight = _score.weight.detach().t();
        var hidden = graph.Node(
            "Tanh", [graph.Node("Add", [graph.Node("MatMul", [input, graph.Tensor(hiddenWeight)]), graph.Tensor(_hidden.bias!)])]);
        var weights = graph.Node("Softmax", [graph.Node("MatMul", [hidden, graph.Tensor(scoreWeight)])], ("axis", 1L));
        var axis = graph.Integers(1);
        var weighted = graph.Node("Mul", [weights, input]);
        var mean = graph.Node("ReduceSum", [weighted, axis], ("keepdims", 0L));
        var square = graph.Node("ReduceSum", [graph.Node("Mul", [weighted, input]), axis], ("keepdims", 0L));
        var variance = graph.Node("Sub", [square, graph.Node("Mul", [mean, mean])]);
        var deviation = graph.Node("Sqrt", [graph.Node("Max", [variance, graph.Scalar(MinVariance)])]);
        return graph.Node("Concat", [mean, deviation], ("axis", 1L));
    }
}
