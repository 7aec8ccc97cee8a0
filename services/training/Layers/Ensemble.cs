using Affect.Training.Export;
using static TorchSharp.torch;

namespace Affect.Training.Layers;

/// <summary>
/// Networks that were trained alone, each behind a layer that makes its input from that of all. The logits are the mean of theirs,
/// which is the geometric mean of their scores (a product of experts, Hinton 2002); the embedding is theirs, one behind the other.
/// </summary>
internal sealed class Ensemble : Network
{
    private readonly (Layer Input, Network Network)[] _members;

    public Ensemble(params (Layer Input, Network Network)[] members) : base(nameof(Ensemble))
    {
        _members = members;
        for (var i = 0; i < members.Length; i++)
        {
            register_module($"input{i}", members[i].Input);
            register_module($"network{i}", members[i].Network);
        }
    }

    public override int EmbeddingLength => _members.Sum(member => member.Network.EmbeddingLength);

    public override void Shift(float[] bias)
    {
        foreach (var (_, network) in _members)
            network.Shift(bias);
    }

    public override (Tensor Logits, Tensor Embedding) forward(Tensor input)
    {
        var results = _members.Select(member => member.Network.call(member.Input.call(input))).ToList();
        return (stack(results.Select(result => result.Logits)).mean([0]), cat([.. results.Select(result => result.Embedding)], 1));
    }

    public override (string Logits, string Embedding) Emit(OnnxGraph graph, string input)
    {
        var results = _members.Select(member => member.Network.Emit(graph, member.Input.Emit(graph, input))).ToList();
        return (graph.Node("Mean", [.. results.Select(result => result.Logits)]),
            graph.Node("Concat", [.. results.Select(result => result.Embedding)], ("axis", 1L)));
    }
}
