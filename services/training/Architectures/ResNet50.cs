using Affect.Inference;
using Affect.Training.Layers;

namespace Affect.Training.Architectures;

/// <summary>
/// The study's larger face model: ResNet-50 (He et al. 2016) in its version 1.5, with three input channels, which see
/// a picture in colour as the grey ones that it learns from.
/// </summary>
internal sealed class ResNet50 : Architecture
{
    private const int Channels = 3, Edge = 48;

    private static readonly Recipe First = new()
    {
        Epochs = 12,
        BatchSize = 96,
        Rate = 1.5e-3,
        WeightDecay = 0.05,
        LabelSmoothing = 0.03,
        GentleEpochs = 2,
        // No less: the last stage would be a single pixel, whose outer weights learn nothing and spoil larger pictures.
        Edge = 40,
        Votes = 0.35,
        Teacher = "se-resnet",
        Taught = 0.35,
        AverageDecay = 0.998,
    };

    private static readonly Recipe Second = First with
    {
        From = First,
        Epochs = 30,
        BatchSize = 192,
        Rate = 2e-3,
        GentleEpochs = 3,
        Votes = 0,
        Taught = 0.4,
        Mixed = true,
    };

    public override string Name => "resnet50";

    public override string Description => "ResNet-50 of the study on 48×48 faces with three channels.";

    public override Modality Modality => Modality.Face;

    public override ModelInput Input { get; } = new()
    {
        Tensor = "input",
        Features = FeatureKind.Rgb,
        Layout = TensorLayout.Nchw,
        Size = Edge,
    };

    public override long[] Shape => [Channels, Edge, Edge];

    public override Recipe Recipe { get; } = Second with
    {
        From = Second,
        Epochs = 12,
        Rate = 8e-4,
        LabelSmoothing = 0.05,
        GentleEpochs = 4,
        Edge = 0,
        Taught = 0.5,
    };

    public override string Remarks =>
        "The study began with weights learnt on ImageNet and froze them. Here there are none: all weights were learnt from scratch, on FER2013 alone, "
        + "from its labels, from the votes of FER+ and from what se-resnet believes. That one was 68.12 % right on PrivateTest when it taught the first run, 69.3 % for the "
        + "first 18 epochs of the second, and 71.4 % from there. Exported, the first run was 61.1 % right. The runs were started by hand (`--from`), for a recipe could not yet begin "
        + "with another. The first layer turns colours to grey; in use it looks at a face and at its mirror image.";

    public override Network Build() => new SingleNetwork(2048,
        new Luma(),
        Convolution.OverPicture(Channels, 64, kernel: 7, stride: 2), // 24×24
        new OverlappingMaxPool(), // 12×12
        Bottlenecks(3, inputs: 64, inner: 64, stride: 1),
        Bottlenecks(4, inputs: 256, inner: 128, stride: 2), // 6×6
        Bottlenecks(6, inputs: 512, inner: 256, stride: 2), // 3×3
        Bottlenecks(3, inputs: 1024, inner: 512, stride: 2), // 2×2
        new AveragePool())
    {
        Mirrored = true,
    };

    private static Stack Bottlenecks(int count, int inputs, int inner, int stride) =>
        new([.. Enumerable.Range(0, count).Select(i => i == 0 ? Residual.Bottleneck(inputs, inner, stride) : Residual.Bottleneck(4 * inner, inner))]);
}
