using Affect.Training.Layers;

namespace Affect.Training.Architectures;

/// <summary>
/// The study's face model: stacks of 64, 128 and 256 filters, flatten, dropout, dense. The first filters
/// stride, for at full size they cost as much memory traffic as all others together, and normalisation
/// (Ioffe and Szegedy 2015) follows each. In use it looks at a face and at its mirror image.
/// </summary>
internal sealed class CustomCnn : GreyFace
{
    public override string Name => "custom-cnn";

    public override string Description => "Custom CNN of the study (64→128→256 filters) on 48×48 grey faces.";

    public override Recipe Recipe { get; } = new()
    {
        Epochs = 20,
        BatchSize = 96,
        Rate = 2e-3,
        WeightDecay = 0.05,
        LabelSmoothing = 0.1,
        GentleEpochs = 4,
        AverageDecay = 0.998,
    };

    public override string Remarks =>
        "In use the model looks at a face and at its mirror image, within the ONNX graph, and averages what it sees: chosen on "
        + "validation data (PublicTest), where accuracy rose from 64.20 % to 65.34 %; it costs twice the computation. That the last epochs be "
        + "gentle was decided after the sixteenth, likewise on validation data.";

    public override Network Build() => new SingleNetwork(256,
        Convolution.OverPicture(1, 64, kernel: 5, stride: 2), // 24×24
        Convolution.OverPicture(64, 64),
        new MaxPool(2), // 12×12
        Convolution.OverPicture(64, 128),
        Convolution.OverPicture(128, 128),
        new MaxPool(2), // 6×6
        Convolution.OverPicture(128, 256),
        Convolution.OverPicture(256, 256),
        new MaxPool(2), // 3×3
        new Flatten(),
        new Dropout(0.3),
        new Dense(256 * 3 * 3, 256, relu: true),
        new Dropout(0.2))
    {
        Mirrored = true,
    };
}
