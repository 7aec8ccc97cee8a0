using Affect.Inference;
using Affect.Training.Layers;

namespace Affect.Training.Architectures;

/// <summary>
/// The lightweight default speech model: convolutions over the frames of a window, multi-head self-attention and attentive
/// statistics pooling, trained with strong augmentation.
/// </summary>
internal sealed class MfccAttention() : WindowedSpeech(FeatureKind.MfccZcrRms)
{
    public override string Name => "mfcc-attention";

    public override string Description =>
        "Deep CNN with self-attention and attentive statistics on 3 s windows of MFCC, ZCR and RMS, trained with strong augmentation.";

    public override Recipe Recipe { get; } = new()
    {
        Epochs = 64,
        BatchSize = 32,
        LearningRate = 1.5e-3,
        WarmupFraction = 0.15,
        WeightDecay = 0.05,
        LabelSmoothing = 0.1,
        MixupAlpha = 0.2,
        MaxClipsPerSpeaker = 700,
        CachedAugmentations = 6,
        EmaDecay = 0.995,
    };

    public override string Remarks =>
        "The speaker-independent (5-fold) figures come from weights trained for 30 epochs (`--epochs 30`), the shipped weights from "
        + "the full schedule.";

    public override Network Build() => new EmbeddingClassifier(128,
        new SwapAxes(), // [42, 130]: convolutions expect time last
        ConvBlock.Conv1d(Features, 96, kernel: 5),
        new MaxPool(1), // 65 steps
        ConvBlock.Conv1d(96, 128, kernel: 5),
        ConvBlock.Conv1d(128, 128, kernel: 3),
        new MaxPool(1), // 32 steps
        new Dropout(0.1),
        ConvBlock.Conv1d(128, 192, kernel: 3),
        ConvBlock.Conv1d(192, 192, kernel: 3),
        new Dropout(0.1),
        new SwapAxes(),
        new SelfAttention(192, heads: 4, dropout: 0.1),
        new AttentionPooling(192, hidden: 64),
        new Dropout(0.3),
        new Dense(384, 128, relu: true),
        new Dropout(0.3));
}
