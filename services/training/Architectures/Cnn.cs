using Affect.Training.Layers;

namespace Affect.Training.Architectures;

/// <summary>The study's baseline speech model: convolutions over the frames of a window, global average pooling, dense layers.</summary>
internal sealed class Cnn : StudySpeech
{
    public override string Name => "cnn";

    public override string Description => "Baseline CNN of the study on 3 s windows of MFCC, ZCR and RMS.";

    public override Network Build() => new EmbeddingClassifier(128,
        Convolutions(),
        new SwapAxes(),
        ConvBlock.Conv1d(128, 256, kernel: 3),
        new MaxPool(1), // 16 steps
        new GlobalAveragePool(),
        new Dropout(0.3),
        new Dense(256, 128, relu: true),
        new Dropout(0.3));
}
