using Affect.Training.Layers;

namespace Affect.Training.Architectures;

/// <summary>
/// The study's face model: stacks of 64, 128 and 256 filters, flatten, dropout, dense. The first convolution has a stride
/// of 2, because at full size it costs as much memory traffic as all others together. Batch normalization (Ioffe and
/// Szegedy 2015) follows each convolution. Test-time augmentation averages the image and its horizontal flip.
/// </summary>
internal sealed class CustomCnn : GrayFace
{
    public override string Name => "custom-cnn";

    public override string Description => "Custom CNN of the study (64→128→256 filters) on 48×48 gray faces.";

    public override Recipe Recipe { get; } = new()
    {
        Epochs = 20,
        BatchSize = 96,
        LearningRate = 2e-3,
        WeightDecay = 0.05,
        LabelSmoothing = 0.1,
        FineTuneEpochs = 4,
        EmaDecay = 0.998,
    };

    public override string Remarks =>
        "The ONNX graph averages the embeddings of the image and of its horizontal flip (test-time augmentation), at twice the cost. "
        + "It was selected on validation data (PublicTest), where accuracy rose from 64.20 % to 65.34 %. The fine-tuning epochs were "
        + "added after epoch 16, also selected on validation data.";

    public override Network Build() => new EmbeddingClassifier(256,
        ConvBlock.Conv2d(1, 64, kernel: 5, stride: 2), // 24×24
        ConvBlock.Conv2d(64, 64),
        new MaxPool(2), // 12×12
        ConvBlock.Conv2d(64, 128),
        ConvBlock.Conv2d(128, 128),
        new MaxPool(2), // 6×6
        ConvBlock.Conv2d(128, 256),
        ConvBlock.Conv2d(256, 256),
        new MaxPool(2), // 3×3
        new Flatten(),
        new Dropout(0.3),
        new Dense(256 * 3 * 3, 256, relu: true),
        new Dropout(0.2))
    {
        TestTimeFlip = true,
    };
}
