using Affect.Training.Export;
using static TorchSharp.torch;

namespace Affect.Training.Layers;

/// <summary>
/// Frames of bands become a picture: [N, T, F] → [N, 4, T, F/2]. First all bands, two neighbours each as their mean; then the lower half as
/// they are, for there the harmonics of a voice lie apart and show its pitch, which a mean would blur. Either comes as it was, and as its distance from the mean of each
/// band over time, which hides much of who speaks, and through what.
/// </summary>
/// <param name="bands">F, an even number.</param>
internal sealed class Spectrogram(int bands) : Layer(nameof(Spectrogram))
{
    public const int Channels = 4;

    public override Tensor forward(Tensor input)
    {
        var all = input.reshape(input.shape[0], input.shape[1], -1, 2).mean([3]);
        var low = input.narrow(2, 0, bands / 2);
        return stack([all, all - all.mean([1], keepdim: true), low, low - low.mean([1], keepdim: true)], 1);
    }

    public override string Emit(OnnxGraph graph, string input)
    {
        var pairs = graph.Node("Reshape", [input, graph.Integers(0, 0, -1, 2)]);
        var all = graph.Node("ReduceMean", [pairs], ("axes", new long[] { 3 }), ("keepdims", 0L));
        var low = graph.Node("Slice", [input, graph.Integers(0), graph.Integers(bands / 2), graph.Integers(2)]);
        return graph.Node("Concat", [Channel(all), Channel(Centred(all)), Channel(low), Channel(Centred(low))], ("axis", 1L));

        string Channel(string picture) => graph.Node("Unsqueeze", [picture, graph.Integers(1)]);

        string Centred(string picture) => graph.Node("Sub", [picture, graph.Node("ReduceMean", [picture], ("axes", new long[] { 1 }), ("keepdims", 1L))]);
    }
}

/// <summary>The places of a picture one after another: [N, C, H, W] → [N, H·W, C].</summary>
internal sealed class Places() : Layer(nameof(Places))
{
    public override Tensor forward(Tensor input) => input.flatten(2).transpose(1, 2).to(float32);

    public override string Emit(OnnxGraph graph, string input) =>
        graph.Node("Transpose", [graph.Node("Reshape", [input, graph.Integers(0, 0, -1)])], ("perm", new long[] { 0, 2, 1 }));
}
