using Affect.Training.Export;
using static TorchSharp.torch;

namespace Affect.Training.Layers;

/// <summary>
/// Ensemble of separately trained networks. Each member has a layer that derives its input and a weight; the weights sum to 1.
/// The logits are the weighted mean of the members' logits, a logarithmic opinion pool (Heskes 1998). The embedding is the
/// concatenation of the members' embeddings.
/// </summary>
internal sealed class Ensemble : Network
{
    private readonly (Layer Input, Network Network, float Weight)[] _members;

    public Ensemble(params (Layer Input, Network Network, float Weight)[] members) : base(nameof(Ensemble))
    {
        _members = members;
        for (var i = 0; i < members.Length; i++)
        {
            register_module($"input{i}", members[i].Input);
            register_module($"network{i}", members[i].Network);
        }
    }

    public override int EmbeddingLength => _members.Sum(member => member.Network.EmbeddingLength);

    public override void AddLogitBias(float[] bias)
    {
        foreach (var (_, network, _) in _members)
            network.AddLogitBias(bias);
    }

    public override (Tensor Logits, Tensor Embedding) forward(Tensor input)
    {
        var results = _members.Select(member => member.Network.call(member.Input.call(input))).ToList();
        return (results.Zip(_members, (result, member) => result.Logits * member.Weight).Aggregate((sum, logits) => sum + logits),
            cat([.. results.Select(result => result.Embedding)], 1));
    }

    public override (string Logits, string Embedding) Emit(OnnxGraph graph, string input)
    {
        var results = _members.Select(member => member.Network.Emit(graph, member.Input.Emit(graph, input))).ToList();
        return (graph.Node("Sum",
            [.. results.Zip(_members, (result, member) => graph.Node("Mul", [result.Logits, graph.Scalar(member.Weight)]))]),
            graph.Node("Concat", [.. results.Select(result => result.Embedding)], ("axis", 1L)));
    }
}
