using Affect.Emotions;
using Affect.Training.Export;
using static TorchSharp.torch;

namespace Affect.Training.Layers;

/// <summary>A network that computes one logit per emotion and an embedding.</summary>
internal abstract class Network(string name) : nn.Module<Tensor, (Tensor Logits, Tensor Embedding)>(name)
{
    /// <summary>Length of the embedding.</summary>
    public abstract int EmbeddingLength { get; }

    /// <summary>
    /// Head of the auxiliary task (<see cref="Architectures.Recipe.AuxiliaryLossWeight"/>) on the embedding, or null. Not exported.
    /// </summary>
    public virtual Layer? AuxiliaryHead => null;

    /// <summary>
    /// Parameters and buffers without duplicates: TorchSharp also registers modules in fields, so <c>state_dict</c> contains
    /// their tensors under two names.
    /// </summary>
    public IEnumerable<(string Name, Tensor Value)> State =>
        state_dict().DistinctBy(tensor => tensor.Value.Handle).Select(tensor => (tensor.Key, tensor.Value));

    /// <summary>Adds a vector to the bias of the logits.</summary>
    public abstract void AddLogitBias(float[] bias);

    /// <summary>Adds the nodes to a graph and returns the names of the outputs.</summary>
    public abstract (string Logits, string Embedding) Emit(OnnxGraph graph, string input);
}

/// <summary>A backbone that computes an embedding, and a fully connected head that computes one logit per emotion.</summary>
internal sealed class EmbeddingClassifier : Network
{
    private readonly Layer _backbone;
    private readonly Dense _head;

    /// <param name="embedding">Length of the embedding.</param>
    /// <param name="backbone">Layers from the input to the embedding.</param>
    public EmbeddingClassifier(int embedding, params Layer[] backbone) : this(embedding, 0, backbone)
    {
    }

    /// <param name="embedding">Length of the embedding.</param>
    /// <param name="auxiliaryClasses">Number of classes of the auxiliary head; 0 for no head.</param>
    /// <param name="backbone">Layers from the input to the embedding.</param>
    public EmbeddingClassifier(int embedding, int auxiliaryClasses, params Layer[] backbone) : base(nameof(EmbeddingClassifier))
    {
        _backbone = new Sequential(backbone);
        _head = new Dense(embedding, EmotionLabels.Count);
        register_module("backbone", _backbone);
        register_module("head", _head);
        if (auxiliaryClasses > 0)
            register_module("auxiliary_head", AuxiliaryHead = new Dense(embedding, auxiliaryClasses));
    }

    /// <summary>
    /// True for test-time augmentation: in evaluation mode the embedding is the mean over the image and its horizontal flip, at
    /// twice the cost.
    /// </summary>
    public bool TestTimeFlip { get; init; }

    public override int EmbeddingLength => _head.Inputs;

    public override Layer? AuxiliaryHead { get; }

    public override void AddLogitBias(float[] bias) => _head.AddBias(bias);

    public override (Tensor Logits, Tensor Embedding) forward(Tensor input)
    {
        var embedding = TestTimeFlip && !training ? (_backbone.call(input) + _backbone.call(input.flip(-1))) / 2 : _backbone.call(input);
        return (_head.call(embedding), embedding);
    }

    public override (string Logits, string Embedding) Emit(OnnxGraph graph, string input)
    {
        var embedding = TestTimeFlip ? EmitFlipped(graph, input) : _backbone.Emit(graph, input);
        return (_head.Emit(graph, embedding), embedding);
    }

    // The images and their flips are concatenated to one batch.
    private string EmitFlipped(OnnxGraph graph, string input)
    {
        var flipped = graph.Node(
            "Slice", [input, graph.Integers(-1), graph.Integers(long.MinValue), graph.Integers(3), graph.Integers(-1)]);
        var both = _backbone.Emit(graph, graph.Node("Concat", [input, flipped], ("axis", 0L)));
        var pairs = graph.Node("Reshape", [both, graph.Integers(2, -1, EmbeddingLength)]);
        return graph.Node("ReduceMean", [pairs], ("axes", new long[] { 0 }), ("keepdims", 0L));
    }
}
