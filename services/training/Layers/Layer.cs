using Affect.Training.Export;
using static TorchSharp.torch;

namespace Affect.Training.Layers;

/// <summary>
/// A layer in two forms: a TorchSharp module for training and the equivalent ONNX nodes for export. Networks composed of
/// layers need no further export code.
/// </summary>
/// <param name="name">Name of the module.</param>
internal abstract class Layer(string name) : nn.Module<Tensor, Tensor>(name)
{
    /// <summary>Adds the nodes that compute <c>forward</c> in evaluation mode to a graph.</summary>
    /// <returns>The name of the output value.</returns>
    public abstract string Emit(OnnxGraph graph, string input);
}

/// <summary>A sequence of layers.</summary>
internal sealed class Sequential : Layer
{
    private readonly Layer[] _layers;

    public Sequential(params Layer[] layers) : base(nameof(Sequential))
    {
        _layers = layers;
        for (var i = 0; i < layers.Length; i++)
            register_module($"{i}", layers[i]);
    }

    public override Tensor forward(Tensor input) => _layers.Aggregate(input, (value, layer) => layer.call(value));

    public override string Emit(OnnxGraph graph, string input) =>
        _layers.Aggregate(input, (value, layer) => layer.Emit(graph, value));
}
