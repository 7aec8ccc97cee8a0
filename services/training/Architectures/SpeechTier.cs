using Affect.Inference;

namespace Affect.Training.Architectures;

/// <summary>
/// Base of the speech models for strangers, which hear Whisper's log-mel spectrogram at a fixed speech level and are trained on all
/// corpora with strong augmentation. The tiers differ in cost: best, default and light.
/// </summary>
internal abstract class SpeechTier() : WindowedSpeech(FeatureKind.WhisperLogMel)
{
    /// <summary>Hyperparameters that the tiers share.</summary>
    internal static Recipe Common { get; } = new()
    {
        Epochs = 12,
        BatchSize = 64,
        LearningRate = 1e-3,
        WeightDecay = 0.05,
        LabelSmoothing = 0.05,
        BalanceCorpora = true,
        EmaDecay = 0.998,
    };
}
