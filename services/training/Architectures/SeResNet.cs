using Affect.Training.Layers;

namespace Affect.Training.Architectures;

/// <summary>
/// The default face model: residual blocks with squeeze-and-excitation and early strides, for CPUs. It is trained on the
/// labels, the votes of FER+ and the scores of the first run. Test-time augmentation averages the image and its
/// horizontal flip.
/// </summary>
internal sealed class SeResNet : GrayFace
{
    private static readonly Recipe First = new()
    {
        Epochs = 44,
        BatchSize = 96,
        LearningRate = 3e-3,
        WeightDecay = 0.05,
        LabelSmoothing = 0.03,
        FineTuneEpochs = 5,
        ImageSize = 40,
        VoteWeight = 0.35,
        Teacher = "custom-cnn",
        DistillationWeight = 0.25,
        MixedPrecision = true,
        EmaDecay = 0.999,
    };

    private static readonly Recipe Second = First with
    {
        InitializeFrom = First,
        Epochs = 54,
        LearningRate = 2.5e-3,
        LabelSmoothing = 0.1,
        VoteWeight = 0,
        Teacher = null,
        DistillationWeight = 0,
    };

    public override string Name => "se-resnet";

    public override string Description => "Residual network with squeeze-and-excitation on 48×48 gray faces.";

    public override Recipe Recipe { get; } = Second with
    {
        InitializeFrom = Second,
        Epochs = 10,
        LearningRate = 6e-4,
        LabelSmoothing = 0.05,
        ImageSize = 0,
        Teacher = "se-resnet",
        DistillationWeight = 0.5,
    };

    public override string Remarks =>
        "Exported accuracy on PublicTest and PrivateTest: 67.8 % and 69.3 % after the first run, 69.2 % and 70.0 % after the second. "
        + "The runs were started manually (`--initialize-from`).";

    public override Network Build() => new EmbeddingClassifier(384,
        ConvBlock.Conv2d(1, 24),
        ConvBlock.Conv2d(24, 48, stride: 2), // 24×24
        Residual.Basic(48, 96, stride: 2), // 12×12
        Residual.Basic(96, 96),
        Residual.Basic(96, 192, stride: 2), // 6×6
        Residual.Basic(192, 384, stride: 2), // 3×3
        new GlobalAveragePool(),
        new Dropout(0.3))
    {
        TestTimeFlip = true,
    };
}
