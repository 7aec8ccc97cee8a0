using Affect.Training.Export;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Affect.Training.Layers;

/// <summary>
/// LSTM (Hochreiter and Schmidhuber 1997) or GRU (Cho et al. 2014) cells that go over time, forwards or both ways,
/// and the mean of their states, for in the last step of a clip there is mostly silence:
/// [N, T, inputs] → [N, units], or [N, 2·units] both ways.
/// </summary>
internal sealed class Recurrent : Layer
{
    private readonly nn.Module _cells;
    private readonly int _units;
    private readonly bool _bothWays;

    private Recurrent(nn.Module cells, int units, bool bothWays) : base(nameof(Recurrent))
    {
        (_cells, _units, _bothWays) = (cells, units, bothWays);
        register_module("cells", cells);
    }

    /// <summary>Long short-term memory.</summary>
    public static Recurrent Lstm(int inputs, int units, bool bothWays = false) =>
        new(nn.LSTM(inputs, units, batchFirst: true, bidirectional: bothWays), units, bothWays);

    /// <summary>Gated recurrent units.</summary>
    public static Recurrent Gru(int inputs, int units, bool bothWays = false) =>
        new(nn.GRU(inputs, units, batchFirst: true, bidirectional: bothWays), units, bothWays);

    public override Tensor forward(Tensor input) =>
        (_cells is LSTM lstm ? lstm.call(input, null).Item1 : ((GRU)_cells).call(input, null).Item1).mean([1]);

    public override string Emit(OnnxGraph graph, string input)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var weights = _cells.state_dict();
        // torch has the gates in the order input, forget, cell, output resp. reset, update, new;
        // ONNX in the order input, output, forget, cell resp. update, reset, new.
        int[] gates = _cells is LSTM ? [0, 3, 1, 2] : [1, 0, 2];
        string[] ways = _bothWays ? ["", "_reverse"] : [""];
        var (name, attributes) = _cells is LSTM
            ? ("LSTM", Array.Empty<(string, object)>())
            : ("GRU", [("linear_before_reset", 1L)]); // torch resets what the matrix has made of the state, not the state
        var states = graph.Node(name, // [T, ways, N, units]
            [
                graph.Node("Transpose", [input], ("perm", new long[] { 1, 0, 2 })),
                graph.Tensor(OfWays("weight_ih")),
                graph.Tensor(OfWays("weight_hh")),
                graph.Tensor(cat([OfWays("bias_ih"), OfWays("bias_hh")], 1)),
            ],
            [.. attributes, ("hidden_size", (long)_units), ("direction", _bothWays ? "bidirectional" : "forward")]);
        var mean = graph.Node("ReduceMean", [states], ("axes", new long[] { 0 }), ("keepdims", 0L));
        return graph.Node("Flatten", [graph.Node("Transpose", [mean], ("perm", new long[] { 1, 0, 2 }))], ("axis", 1L));

        Tensor OfWays(string weight) => stack([.. ways.Select(way =>
        {
            var parts = weights[$"{weight}_l0{way}"].chunk(gates.Length, 0);
            return cat([.. gates.Select(gate => parts[gate])], 0);
        })]);
    }
}
