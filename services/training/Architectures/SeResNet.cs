using Affect.Training.Layers;

namespace Affect.Training.Architectures;

/// <summary>
/// Our face model: residual blocks with squeeze-and-excitation that stride early, for a CPU; it learns from the
/// labels, and from what it believed when it had learnt from the votes of FER+ as well. In use it looks at a face and at its
/// mirror image.
/// </summary>
internal sealed class SeResNet : GreyFace
{
    private static readonly Recipe First = new()
    {
        Epochs = 44,
        BatchSize = 96,
        Rate = 3e-3,
        WeightDecay = 0.05,
        LabelSmoothing = 0.03,
        GentleEpochs = 5,
        Edge = 40,
        Votes = 0.35,
        Teacher = "custom-cnn",
        Taught = 0.25,
        Mixed = true,
        AverageDecay = 0.999,
    };

    private static readonly Recipe Second = First with
    {
        From = First,
        Epochs = 54,
        Rate = 2.5e-3,
        LabelSmoothing = 0.1,
        Votes = 0,
        Teacher = null,
        Taught = 0,
    };

    public override string Name => "se-resnet";

    public override string Description => "Residual network with squeeze-and-excitation on 48×48 grey faces.";

    public override Recipe Recipe { get; } = Second with
    {
        From = Second,
        Epochs = 10,
        Rate = 6e-4,
        LabelSmoothing = 0.05,
        Edge = 0,
        Teacher = "se-resnet",
        Taught = 0.5,
    };

    public override string Remarks =>
        "Exported, the first run was right in 67.8 % of PublicTest and 69.3 % of PrivateTest, the second in 69.2 % and 70.0 %. Each was started by hand then (`--from`), for a recipe "
        + "could not yet begin with another.";

    public override Network Build() => new SingleNetwork(384,
        Convolution.OverPicture(1, 24),
        Convolution.OverPicture(24, 48, stride: 2), // 24×24
        Residual.Basic(48, 96, stride: 2), // 12×12
        Residual.Basic(96, 96),
        Residual.Basic(96, 192, stride: 2), // 6×6
        Residual.Basic(192, 384, stride: 2), // 3×3
        new AveragePool(),
        new Dropout(0.3))
    {
        Mirrored = true,
    };
}
