using System.Runtime.InteropServices;
using Affect.Inference;
using Affect.Testing;

namespace Affect.UnitTests.Inference;

public sealed class InputTensorTests
{
    private const int Frames = 130;
    private const int Features = 42;

    [Fact]
    public void ShapeOfOne_WindowOfThreeSeconds_Has130Frames() =>
        Assert.Equal([Frames, Features], new InputTensor(TinyModel.Speech().Input).ShapeOfOne);

    [Theory]
    [InlineData(TensorLayout.Ntf, new[] { Frames, Features })]
    [InlineData(TensorLayout.Nft, new[] { Features, Frames })]
    [InlineData(TensorLayout.N1ft, new[] { 1, Features, Frames })]
    public void Write_Speech_FillsEveryLayout(TensorLayout layout, int[] shape)
    {
        // Each value is its own index.
        var values = new float[Frames * Features];
        for (var i = 0; i < values.Length; i++)
            values[i] = i;
        var input = new InputTensor(TinyModel.Speech().Input with { Layout = layout });

        var tensor = Write(input, MemoryMarshal.AsBytes<float>(values));

        Assert.Equal(shape, input.ShapeOfOne);
        for (var frame = 0; frame < Frames; frame++)
            for (var feature = 0; feature < Features; feature++)
                Assert.Equal(
                    frame * Features + feature,
                    tensor[layout == TensorLayout.Ntf ? frame * Features + feature : feature * Frames + frame]);
    }

    [Theory]
    [InlineData(TensorLayout.Nchw, new[] { 3, 8, 8 })]
    [InlineData(TensorLayout.Nhwc, new[] { 8, 8, 3 })]
    public void Write_Rgb_FillsEveryLayout(TensorLayout layout, int[] shape)
    {
        var pixels = new byte[8 * 8 * 3];
        for (var i = 0; i < pixels.Length; i++)
            pixels[i] = (byte)i;
        var input = new InputTensor(TinyModel.Face().Input with { Features = FeatureKind.Rgb, Size = 8, Layout = layout, Scale = [1] });

        var tensor = Write(input, pixels);

        Assert.Equal(shape, input.ShapeOfOne);
        for (var pixel = 0; pixel < 64; pixel++)
            for (var channel = 0; channel < 3; channel++)
                Assert.Equal(
                    pixels[pixel * 3 + channel],
                    tensor[layout == TensorLayout.Nhwc ? pixel * 3 + channel : channel * 64 + pixel]);
    }

    [Fact]
    public void Write_MeanAndScalePerChannel_SubtractsThenDivides()
    {
        var input = new InputTensor(TinyModel.Face().Input with
        {
            Features = FeatureKind.Rgb,
            Size = 8,
            Layout = TensorLayout.Nhwc,
            Mean = [100, 110, 120],
            Scale = [10, 20, 40],
        });

        var tensor = Write(input, [.. Enumerable.Repeat((byte)200, 8 * 8 * 3)]);

        Assert.Equal(10f, tensor[0], 1e-5);
        Assert.Equal(4.5f, tensor[1], 1e-5);
        Assert.Equal(2f, tensor[2], 1e-5);
        Assert.Equal(2f, tensor[^1], 1e-5);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(Frames * Features * 4 - 1)]
    [InlineData(Frames * Features * 4 + 4)]
    public void Check_WrongSize_NamesBothSizes(int bytes)
    {
        var error = new InputTensor(TinyModel.Speech().Input).Check(new byte[bytes]);

        Assert.Equal($"has {bytes} bytes; must have 21840: 130 frames of 42 float32", error);
    }

    [Theory]
    [InlineData(0, float.NaN)]
    [InlineData(Frames * Features - 1, float.NaN)]
    [InlineData(77, float.PositiveInfinity)]
    [InlineData(Frames * Features - 1, float.NegativeInfinity)]
    public void Check_NonFiniteValue_IsRejectedAtAnyIndex(int index, float value)
    {
        var values = new float[Frames * Features];
        values[index] = value;

        Assert.Equal("must not contain NaN or infinity", new InputTensor(TinyModel.Speech().Input).Check(MemoryMarshal.AsBytes<float>(values)));
    }

    [Fact]
    public void Check_LargestFiniteValues_AreAccepted()
    {
        var values = new float[Frames * Features];
        Array.Fill(values, float.MaxValue);

        Assert.Null(new InputTensor(TinyModel.Speech().Input).Check(MemoryMarshal.AsBytes<float>(values)));
    }

    private static float[] Write(InputTensor input, ReadOnlySpan<byte> bytes)
    {
        Assert.Null(input.Check(bytes));
        var tensor = new float[input.Length];
        input.Write(bytes, tensor);
        return tensor;
    }
}
