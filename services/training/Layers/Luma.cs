using Affect.Training.Export;
using static TorchSharp.torch;

namespace Affect.Training.Layers;

/// <summary>
/// Red, green and blue become three times the brightness that they make together (ITU-R BT.601): a picture in colour looks
/// like a grey one. Nothing is learnt. [N, 3, H, W] → [N, 3, H, W]; mean and scale must be equal for the three channels.
/// </summary>
internal sealed class Luma() : Layer(nameof(Luma))
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
