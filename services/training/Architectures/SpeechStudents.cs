using Affect.Training.Layers;

namespace Affect.Training.Architectures;

/// <summary>Base of the tiers that a residual network learns from the best one.</summary>
/// <param name="stem">Channels of the first convolution.</param>
/// <param name="first">Channels of the first stage.</param>
/// <param name="second">Channels of the second stage.</param>
/// <param name="third">Channels of the third stage.</param>
internal abstract class SpeechStudent(int stem, int first, int second, int third) : SpeechTier
{
    public override Recipe Recipe { get; } = Common with
    {
        Epochs = 40,
        LearningRate = 2e-3,
        Teacher = "speech-best-head",
        DistillationWeight = 0.7,
        MixupAlpha = 0.2,
    };

    public override Network Build() => new EmbeddingClassifier(128,
        new Spectrogram(Features),
        ConvBlock.Conv2d(Spectrogram.Channels, stem, kernel: 5, stride: 2), // 150×20
        Residual.Basic(stem, first, stride: 2), // 75×10
        Residual.Basic(first, second, stride: 2), // 38×5
        Residual.Basic(second, third, stride: 2), // 19×3
        new FlattenSpatial(),
        new AttentionPooling(third, hidden: 64),
        new Dropout(0.4),
        new Dense(2 * third, 128, relu: true),
        new Dropout(0.3));
}

/// <summary>The default speech model for strangers: at a cost that calls can bear.</summary>
internal sealed class SpeechDefault() : SpeechStudent(24, 48, 96, 192)
{
    public override string Name => "speech-default";

    public override string Description =>
        "Residual network with squeeze-and-excitation on 3 s windows, taught by speech-best; for calls.";
}

/// <summary>The light speech model for strangers: thousands of calls on a CPU.</summary>
internal sealed class SpeechLight() : SpeechStudent(12, 20, 40, 80)
{
    public override string Name => "speech-light";

    public override string Description =>
        "Small residual network with squeeze-and-excitation on 3 s windows, taught by speech-best; for thousands of calls on a CPU.";
}
