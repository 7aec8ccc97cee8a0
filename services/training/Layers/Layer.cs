using Affect.Training.Export;
using static TorchSharp.torch;

namespace Affect.Training.Layers;

/// <summary>
/// One step of a network, known twice: as a TorchSharp module that learns, and as the ONNX nodes that
/// do the same to what was learnt. A network made of layers needs no export code of its own.
/// </summary>
/// <param name="name">Name of the module, for its parameters in checkpoints.</param>
internal abstract class Layer(string name) : nn.Module<Tensor, Tensor>(name)
{
    /// <summary>Adds to a graph the nodes that compute, in evaluation mode, what <c>forward</c> does.</summary>
    /// <returns>The name of the value that holds the result.</returns>
    public abstract string Emit(OnnxGraph graph, string input);
}

/// <summary>Layers one after another.</summary>
internal sealed class Stack : Layer
{
    private readonly Layer[] _layers;

    public Stack(params Layer[] layers) : base(nameof(Stack))
    {
        _layers = layers;
        for (var i = 0; i < layers.Length; i++)
            register_module($"{i}", layers[i]);
    }

    public override Tensor forward(Tensor input) => _layers.Aggregate(input, (value, layer) => layer.call(value));

    public override string Emit(OnnxGraph graph, string input) =>
        _layers.Aggregate(input, (value, layer) => layer.Emit(graph, value));
}
