using Affect.Emotions;
using Affect.Training.Export;
using static TorchSharp.torch;

namespace Affect.Training.Layers;

/// <summary>From a model's input to one logit per emotion, and to an embedding.</summary>
internal abstract class Network(string name) : nn.Module<Tensor, (Tensor Logits, Tensor Embedding)>(name)
{
    /// <summary>Length of the embedding.</summary>
    public abstract int EmbeddingLength { get; }

    /// <summary>From the embedding to what else may be learnt of a sample (<see cref="Architectures.Recipe.Detail"/>); null where nothing is. Not exported.</summary>
    public virtual Layer? Details => null;

    /// <summary>All parameters and buffers, each once: TorchSharp registers modules that lie in fields as well, and <c>state_dict</c> has what is in them under both names.</summary>
    public IEnumerable<(string Name, Tensor Value)> State => state_dict().DistinctBy(tensor => tensor.Value.Handle).Select(tensor => (tensor.Key, tensor.Value));

    /// <summary>Adds something to each logit from now on.</summary>
    public abstract void Shift(float[] bias);

    /// <summary>Adds the nodes; returns the names of the two results.</summary>
    public abstract (string Logits, string Embedding) Emit(OnnxGraph graph, string input);
}

/// <summary>A body that ends in an embedding, and a dense layer from there to one logit per emotion.</summary>
internal sealed class SingleNetwork : Network
{
    private readonly Layer _body;
    private readonly Dense _head;

    /// <param name="embedding">Length of the body's output, [N, embedding].</param>
    /// <param name="body">Layers from the model's input to the embedding.</param>
    public SingleNetwork(int embedding, params Layer[] body) : this(embedding, 0, body)
    {
    }

    /// <param name="embedding">Length of the body's output, [N, embedding].</param>
    /// <param name="details">Outputs of the second head; 0 is none.</param>
    /// <param name="body">Layers from the model's input to the embedding.</param>
    public SingleNetwork(int embedding, int details, params Layer[] body) : base(nameof(SingleNetwork))
    {
        _body = new Stack(body);
        _head = new Dense(embedding, EmotionLabels.Count);
        register_module("body", _body);
        register_module("head", _head);
        if (details > 0)
            register_module("details", Details = new Dense(embedding, details));
    }

    /// <summary>
    /// Whether, once trained, the embedding is the mean of those of a picture and of its mirror image:
    /// twice the work, for a face shows the same either way.
    /// </summary>
    public bool Mirrored { get; init; }

    public override int EmbeddingLength => _head.Inputs;

    public override Layer? Details { get; }

    public override void Shift(float[] bias) => _head.Shift(bias);

    public override (Tensor Logits, Tensor Embedding) forward(Tensor input)
    {
        var embedding = Mirrored && !training ? (_body.call(input) + _body.call(input.flip(-1))) / 2 : _body.call(input);
        return (_head.call(embedding), embedding);
    }

    public override (string Logits, string Embedding) Emit(OnnxGraph graph, string input)
    {
        var embedding = Mirrored ? EmitMirrored(graph, input) : _body.Emit(graph, input);
        return (_head.Emit(graph, embedding), embedding);
    }

    // Both pictures go through the same nodes, one batch behind the other.
    private string EmitMirrored(OnnxGraph graph, string input)
    {
        var mirror = graph.Node("Slice", [input, graph.Integers(-1), graph.Integers(long.MinValue), graph.Integers(3), graph.Integers(-1)]);
        var both = _body.Emit(graph, graph.Node("Concat", [input, mirror], ("axis", 0L)));
        var apart = graph.Node("Reshape", [both, graph.Integers(2, -1, EmbeddingLength)]);
        return graph.Node("ReduceMean", [apart], ("axes", new long[] { 0 }), ("keepdims", 0L));
    }
}
