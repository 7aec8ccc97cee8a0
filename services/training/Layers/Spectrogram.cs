using Affect.Training.Export;
using static TorchSharp.torch;

namespace Affect.Training.Layers;

/// <summary>
/// Converts a log-mel spectrogram to an image with four channels: [N, T, F] → [N, 4, T, F/2]. The first channel averages
/// adjacent bands; the third has the lower half of the bands at full resolution, which resolves the harmonics and the pitch
/// of a voice. The second and fourth subtract each band's mean over time, which removes much of speaker and channel.
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
        return graph.Node("Concat", [Channel(all), Channel(Centered(all)), Channel(low), Channel(Centered(low))], ("axis", 1L));

        string Channel(string picture) => graph.Node("Unsqueeze", [picture, graph.Integers(1)]);

        string Centered(string picture) => graph.Node(
            "Sub", [picture, graph.Node("ReduceMean", [picture], ("axes", new long[] { 1 }), ("keepdims", 1L))]);
    }
}

/// <summary>Flattens the spatial dimensions of an image to a sequence: [N, C, H, W] → [N, H·W, C].</summary>
internal sealed class FlattenSpatial() : Layer(nameof(FlattenSpatial))
{
    public override Tensor forward(Tensor input) => input.flatten(2).transpose(1, 2).to(float32);

    public override string Emit(OnnxGraph graph, string input) =>
        graph.Node("Transpose", [graph.Node("Reshape", [input, graph.Integers(0, 0, -1)])], ("perm", new long[] { 0, 2, 1 }));
}
