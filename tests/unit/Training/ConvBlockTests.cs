using Affect.Training.Layers;
using static TorchSharp.torch;

namespace Affect.UnitTests.Training;

[Collection(nameof(Torch))] // torch has one generator for the whole process
public sealed class ConvBlockTests
{
    [Theory]
    [InlineData(1, 1, 12)] // im2col
    [InlineData(1, 2, 5)]
    [InlineData(3, 1, 12)] // oneDNN's convolution
    [InlineData(3, 2, 12)]
    [InlineData(3, 1, 2)] // small: im2col
    [InlineData(3, 2, 3)]
    [InlineData(3, 2, 4)]
    public void ConvBlock_Bfloat16Input_MatchesFloat32OutputAndGradient(int kernel, int stride, int edge)
    {
        Torch.Require();
        manual_seed(1);
        using var scope = NewDisposeScope();
        using var layer = ConvBlock.Conv2d(32, 48, kernel, stride, relu: false);
        var picture = randn(6, 32, edge, edge);

        var (exact, exactGradient) = Run(picture);
        var (near, nearGradient) = Run(picture.to(bfloat16));

        Assert.Equal(exact.shape, near.shape);
        Assert.InRange(Distance(exact, near), 1e-6, 0.02); // bfloat16 has 8 bits: 1/256 of each value
        Assert.InRange(Distance(exactGradient, nearGradient), 1e-6, 0.02);

        (Tensor Output, Tensor Gradient) Run(Tensor input)
        {
            layer.zero_grad();
            var output = layer.call(input).to(float32);
            (output * arange(output.numel()).reshape(output.shape).sin()).sum().backward();
            return (output.detach(), layer.parameters().First(parameter => parameter.dim() == 4).grad!.clone());
        }
    }

    private static double Distance(Tensor expected, Tensor actual) => ((expected - actual).norm() / expected.norm()).item<float>();
}
