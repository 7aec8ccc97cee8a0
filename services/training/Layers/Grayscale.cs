using Affect.Training.Export;
using static TorchSharp.torch;

namespace Affect.Training.Layers;

/// <summary>
/// Replaces red, green and blue by their luma (ITU-R BT.601): [N, 3, H, W] → [N, 3, H, W]. Without parameters; mean and scale
/// of the three channels must be equal.
/// </summary>
internal sealed class Grayscale() : Layer(nameof(Grayscale))
{
    private const float Red = 0.299f, Green = 0.587f, Blue = 0.114f;

    public override Tensor forward(Tensor input)
    {
        var (red, green, blue) = (input.narrow(1, 0, 1), input.narrow(1, 1, 1), input.narrow(1, 2, 1));
        return (red * Red + green * Green + blue * Blue).expand(-1, 3, -1, -1);
    }

    public override string Emit(OnnxGraph graph, string input)
    {
        using var weight = tensor([Red, Green, Blue, Red, Green, Blue, Red, Green, Blue], [3, 3, 1, 1]);
        return graph.Node("Conv", [input, graph.Tensor(weight)], ("kernel_shape", new long[] { 1, 1 }));
    }
}
