using Affect.Emotions;
using Affect.Training.Export;
using static TorchSharp.torch;

namespace Affect.Training.Layers;

/// <summary>A body that ends in an embedding, and a dense layer from there to one logit per emotion.</summary>
internal sealed class Network : nn.Module<Tensor, (Tensor Logits, Tensor Embedding)>
{
    private readonly Layer _body;
    private readonly Dense _head;

    /// <param name="embedding">Length of the body's output, [N, embedding].</param>
    /// <param name="body">Layers from the model's input to the embedding.</param>
    public Network(int embedding, params Layer[] body) : base(nameof(Network))
    {
        _body = new Stack(body);
        _head = new Dense(embedding, EmotionLabels.Count);
        register_module("body", _body);
        register_module("head", _head);
    }

    /// <summary>Length of the embedding.</summary>
    public int EmbeddingLength => _head.Inputs;

    public override (Tensor Logits, Tensor Embedding) forward(Tensor input)
    {
        var embedding = _body.call(input);
        return (_head.call(embedding), embedding);
    }

    /// <summary>Adds the nodes; returns the names of the two results.</summary>
    public (string Logits, string Embedding) Emit(OnnxGraph graph, string input)
    {
        var embedding = _body.Emit(graph, input);
        return (_head.Emit(graph, embedding), embedding);
    }
}
