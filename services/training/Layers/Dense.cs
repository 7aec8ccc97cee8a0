using Affect.Training.Export;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Affect.Training.Layers;

/// <summary>[N, inputs] → [N, outputs]: x·Wᵀ + b in float32, with ReLU after it where asked for.</summary>
internal sealed class Dense : Layer
{
    private readonly Linear _linear;
    private readonly bool _relu;

    public Dense(int inputs, int outputs, bool relu = false) : base(nameof(Dense))
    {
        _linear = nn.Linear(inputs, outputs);
        _relu = relu;
        (Inputs, Outputs) = (inputs, outputs);
        register_module("linear", _linear);
    }

    public int Inputs { get; }

    public int Outputs { get; }

    /// <summary>Adds to the biases.</summary>
    public void Shift(float[] bias)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        _linear.bias!.add_(tensor(bias));
    }

    public override Tensor forward(Tensor input)
    {
        var output = _linear.call(input.to(float32));
        return _relu ? nn.functional.relu(output, inplace: true) : output;
    }

    public override string Emit(OnnxGraph graph, string input)
    {
        var output = graph.Node("Gemm", [input, graph.Tensor(_linear.weight), graph.Tensor(_linear.bias!)], ("transB", 1L));
        return _relu ? graph.Node("Relu", [output]) : output;
    }
}

/// <summary>Leaves out each value with a probability while training; nothing at all afterwards.</summary>
internal sealed class Dropout(double probability) : Layer(nameof(Dropout))
{
    public override Tensor forward(Tensor input) => nn.functional.dropout(input, probability, training);

    public override string Emit(OnnxGraph graph, string input) => input;
}
