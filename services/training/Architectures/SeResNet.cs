using Affect.Training.Layers;

namespace Affect.Training.Architectures;

/// <summary>
/// Our face model: residual blocks with squeeze-and-excitation that stride early, for a CPU; it learns from the
/// labels, and from what it believed when it had learnt from the votes of FER+ as well. In use it looks at a face and at its
/// mirror image.
/// </summary>
internal sealed class SeResNet : GreyFace
{
    public override string Name => "se-resnet";

    public override string Description => "Residual network with squeeze-and-excitation on 48×48 grey faces.";

    public override Recipe Recipe { get; } = new()
    {
        Epochs = 10,
        BatchSize = 96,
        Rate = 6e-4,
        WeightDecay = 0.05,
        LabelSmoothing = 0.05,
        GentleEpochs = 5,
        Teacher = "se-resnet",
        Taught = 0.5,
        Mixed = true,
        AverageDecay = 0.999,
    };

    public override string Remarks =>
        "This was the last of three runs, each from the weights of the one before (`--from`); the code holds its recipe alone, so to repeat the others put theirs in its place. The first: 44 epochs, rate 0.003, label smoothing 0.03, pictures at 40×40 pixels until 5 epochs "
        + "before the end, 35 % of each target the votes of ten people (FER+, Barsoum et al. 2016), 25 % the scores of custom-cnn; exported, it was the teacher of the last (67.8 % right on PublicTest, "
        + "69.3 % on PrivateTest). The second: 54 epochs, rate 0.0025, label smoothing 0.1, pictures likewise, the labels alone (69.2 % and 70.0 %).";

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
