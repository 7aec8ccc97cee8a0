using Affect.Training.Export;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Affect.Training.Layers;

/// <summary>
/// LSTM (Hochreiter and Schmidhuber 1997) or GRU (Cho et al. 2014), followed by the mean over time, because the last steps of
/// a clip are mostly silence: [N, T, inputs] → [N, units], or [N, 2·units] if bidirectional.
/// </summary>
internal sealed class Recurrent : Layer
{
    private readonly nn.Module _rnn;
    private readonly int _units;
    private readonly bool _bidirectional;

    private Recurrent(nn.Module rnn, int units, bool bidirectional) : base(nameof(Recurrent))
    {
        (_rnn, _units, _bidirectional) = (rnn, units, bidirectional);
        register_module("rnn", rnn);
    }

    /// <summary>Long short-term memory.</summary>
    public static Recurrent Lstm(int inputs, int units, bool bidirectional = false) =>
        new(nn.LSTM(inputs, units, batchFirst: true, bidirectional: bidirectional), units, bidirectional);

    /// <summary>Gated recurrent units.</summary>
    public static Recurrent Gru(int inputs, int units, bool bidirectional = false) =>
        new(nn.GRU(inputs, units, batchFirst: true, bidirectional: bidirectional), units, bidirectional);

    public override Tensor forward(Tensor input) =>
        (_rnn is LSTM lstm ? lstm.call(input, null).Item1 : ((GRU)_rnn).call(input, null).Item1).mean([1]);

    public override string Emit(OnnxGraph graph, string input)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var weights = _rnn.state_dict();
        // Gate order of torch: input, forget, cell, output (LSTM); reset, update, new (GRU).
        // Gate order of ONNX: input, output, forget, cell (LSTM); update, reset, new (GRU).
        int[] gates = _rnn is LSTM ? [0, 3, 1, 2] : [1, 0, 2];
        string[] directions = _bidirectional ? ["", "_reverse"] : [""];
        var (name, attributes) = _rnn is LSTM
            ? ("LSTM", Array.Empty<(string, object)>())
            : ("GRU", [("linear_before_reset", 1L)]); // torch applies the reset gate after the recurrent matrix
        var states = graph.Node(name, // [T, directions, N, units]
            [
                graph.Node("Transpose", [input], ("perm", new long[] { 1, 0, 2 })),
                graph.Tensor(Weight("weight_ih")),
                graph.Tensor(Weight("weight_hh")),
                graph.Tensor(cat([Weight("bias_ih"), Weight("bias_hh")], 1)),
            ],
            [.. attributes, ("hidden_size", (long)_units), ("direction", _bidirectional ? "bidirectional" : "forward")]);
        var mean = graph.Node("ReduceMean", [states], ("axes", new long[] { 0 }), ("keepdims", 0L));
        return graph.Node("Flatten", [graph.Node("Transpose", [mean], ("perm", new long[] { 1, 0, 2 }))], ("axis", 1L));

        Tensor Weight(string name) => stack([.. directions.Select(direction =>
        {
            var parts = weights[$"{name}_l0{direction}"].chunk(gates.Length, 0);
            return cat([.. gates.Select(gate => parts[gate])], 0);
        })]);
    }
}
