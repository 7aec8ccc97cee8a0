using Affect.Training.Export;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Affect.Training.Layers;

/// <summary>Fully connected layer in float32 with optional ReLU: [N, inputs] → [N, outputs].</summary>
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

    /// <summary>Adds a vector to the bias.</summary>
    public void AddBias(float[] bias)
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

/// <summary>Dropout; the identity in evaluation mode.</summary>
internal sealed class Dropout(double probability) : Layer(nameof(Dropout))
{
    public override Tensor forward(Tensor input) => nn.functional.dropout(input, probability, training);

    public override string Emit(OnnxGraph graph, string input) => input;
}
