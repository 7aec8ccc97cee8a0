using Affect.Inference;
using Affect.Training.Layers;

namespace Affect.Training.Architectures;

/// <summary>
/// The study's larger face model: ResNet-50 v1.5 (He et al. 2016). It has three input channels, converted to gray because
/// the training images are gray.
/// </summary>
internal sealed class ResNet50 : Architecture
{
    private const int Channels = 3, Edge = 48;

    private static readonly Recipe First = new()
    {
        Epochs = 12,
        BatchSize = 96,
        LearningRate = 1.5e-3,
        WeightDecay = 0.05,
        LabelSmoothing = 0.03,
        FineTuneEpochs = 2,
        // The minimum: with smaller images the last stage is a single pixel, whose outer kernel weights are never trained.
        ImageSize = 40,
        VoteWeight = 0.35,
        Teacher = "se-resnet",
        DistillationWeight = 0.35,
        EmaDecay = 0.998,
    };

    private static readonly Recipe Second = First with
    {
        InitializeFrom = First,
        Epochs = 30,
        BatchSize = 192,
        LearningRate = 2e-3,
        FineTuneEpochs = 3,
        VoteWeight = 0,
        DistillationWeight = 0.4,
        MixedPrecision = true,
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
        InitializeFrom = Second,
        Epochs = 12,
        LearningRate = 8e-4,
        LabelSmoothing = 0.05,
        FineTuneEpochs = 4,
        ImageSize = 0,
        DistillationWeight = 0.5,
    };

    public override string Remarks =>
        "The study froze weights pretrained on ImageNet. These weights are trained from scratch on FER2013 alone: its labels, the "
        + "votes of FER+ and the scores of se-resnet as teacher. The teacher's PrivateTest accuracy was 68.12 % in the first run, "
        + "69.3 % in the first 18 epochs of the second, and 71.4 % afterwards. The first run's exported accuracy was 61.1 %. The runs "
        + "were started manually (`--initialize-from`). The first layer converts colors to gray; test-time augmentation averages the "
        + "image and its horizontal flip.";

    public override Network Build() => new EmbeddingClassifier(2048,
        new Grayscale(),
        ConvBlock.Conv2d(Channels, 64, kernel: 7, stride: 2), // 24×24
        new OverlappingMaxPool(), // 12×12
        Bottlenecks(3, inputs: 64, inner: 64, stride: 1),
        Bottlenecks(4, inputs: 256, inner: 128, stride: 2), // 6×6
        Bottlenecks(6, inputs: 512, inner: 256, stride: 2), // 3×3
        Bottlenecks(3, inputs: 1024, inner: 512, stride: 2), // 2×2
        new GlobalAveragePool())
    {
        TestTimeFlip = true,
    };

    private static Sequential Bottlenecks(int count, int inputs, int inner, int stride) =>
        new([.. Enumerable.Range(0, count)
            .Select(i => i == 0 ? Residual.Bottleneck(inputs, inner, stride) : Residual.Bottleneck(4 * inner, inner))]);
}
