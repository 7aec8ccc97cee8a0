using Affect.Inference;
using Affect.Training.Data;
using Affect.Training.Layers;

namespace Affect.Training.Architectures;

/// <summary>
/// The speech model for unseen speakers: residual blocks over a log-mel spectrogram and attentive statistics pooling. The
/// recipe augments speaker and channel characteristics.
/// </summary>
internal sealed class LogMelResNet() : WindowedSpeech(FeatureKind.LogMel)
{
    private static readonly Recipe First = new()
    {
        Epochs = 96,
        BatchSize = 32,
        LearningRate = 2e-3,
        WarmupFraction = 0.15,
        WeightDecay = 0.05,
        LabelSmoothing = 0.1,
        MixupAlpha = 0.2,
        MaxClipsPerSpeaker = 120,
        CachedAugmentations = 8,
        MixedPrecision = true,
        EmaDecay = 0.998,
    };

    public override string Name => "logmel-resnet";

    public override string Description =>
        "Residual network with squeeze-and-excitation on 3 s log-mel windows (128 bands), trained with strong augmentation.";

    public override Recipe Recipe { get; } = First with
    {
        InitializeFrom = First,
        Epochs = 160, // 96 were not enough with a teacher (patient distillation, Beyer et al. 2022)
        SelfDistillation = true,
        DistillationWeight = 0.5,
        AuxiliaryLossWeight = 0.5,
    };

    public override Network Build() => new EmbeddingClassifier(128, SpeechCorpora.AuxiliaryClasses,
        new Spectrogram(Features),
        ConvBlock.Conv2d(Spectrogram.Channels, 32, kernel: 5, stride: 2), // 65×32
        Residual.Basic(32, 48, stride: 2), // 33×16
        Residual.Basic(48, 96, stride: 2), // 17×8
        Residual.Basic(96, 192, stride: 2), // 9×4
        new FlattenSpatial(),
        new AttentionPooling(192, hidden: 64),
        new Dropout(0.4),
        new Dense(384, 128, relu: true),
        new Dropout(0.3));
}
