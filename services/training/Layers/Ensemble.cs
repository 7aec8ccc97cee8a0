using Affect.Training.Export;
using static TorchSharp.torch;

namespace Affect.Training.Layers;

/// <summary>
/// Networks that were trained alone, each behind a layer that makes its input from that of all, and with a share of the answer; shares sum to 1.
/// The logits are the weighted mean of theirs, which is that of the logarithms of their scores (a logarithmic opinion pool, Heskes 1998); the embedding is theirs,
/// one behind the other.
/// </summary>
internal sealed class Ensemble : Network
{
    private readonly (Layer Input, Network Network, float Share)[] _members;

    public Ensemble(params (Layer Input, Network Network, float Share)[] members) : base(nameof(Ensemble))
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
        foreach (var (_, network, _) in _members)
            network.Shift(bias);
    }

    public override (Tensor Logits, Tensor Embedding) forward(Tensor input)
    {
        var results = _members.Select(member => member.Network.call(member.Input.call(input))).ToList();
        return (results.Zip(_members, (result, member) => result.Logits * member.Share).Aggregate((sum, logits) => sum + logits), cat([.. results.Select(result => result.Embedding)], 1));
    }

    public override (string Logits, string Embedding) Emit(OnnxGraph graph, string input)
    {
        var results = _members.Select(member => member.Network.Emit(graph, member.Input.Emit(graph, input))).ToList();
        return (graph.Node("Sum", [.. results.Zip(_members, (result, member) => graph.Node("Mul", [result.Logits, graph.Scalar(member.Share)]))]),
            graph.Node("Concat", [.. results.Select(result => result.Embedding)], ("axis", 1L)));
    }
}
