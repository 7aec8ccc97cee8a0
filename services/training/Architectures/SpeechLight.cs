using Affect.Training.Layers;

namespace Affect.Training.Architectures;

/// <summary>
/// The light speech model for strangers, thousands of calls on a CPU: a residual network that learns the scores of the best model besides
/// the labels.
/// </summary>
internal sealed class SpeechLight : SpeechTier
{
    public override string Name => "speech-light";

    public override string Description =>
        "Small residual network with squeeze-and-excitation on 3 s windows, taught by speech-best; for thousands of calls on a CPU.";

    public override Recipe Recipe { get; } = Common with
    {
        Epochs = 40,
        LearningRate = 2e-3,
        Teacher = "speech-best",
        DistillationWeight = 0.7,
        MixupAlpha = 0.2,
    };

    public override Network Build() => new EmbeddingClassifier(128,
        new Spectrogram(Features),
        ConvBlock.Conv2d(Spectrogram.Channels, 12, kernel: 5, stride: 2), // 150×20
        Residual.Basic(12, 20, stride: 2), // 75×10
        Residual.Basic(20, 40, stride: 2), // 38×5
        Residual.Basic(40, 80, stride: 2), // 19×3
        new FlattenSpatial(),
        new AttentionPooling(80, hidden: 64),
        new Dropout(0.4),
        new Dense(2 * 80, 128, relu: true),
        new Dropout(0.3));
}
