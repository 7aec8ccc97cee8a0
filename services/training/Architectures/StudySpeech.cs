using Affect.Inference;
using Affect.Training.Layers;

namespace Affect.Training.Architectures;

/// <summary>
/// Base of the study's five speech models: 3 s windows of MFCC, ZCR and RMS; plain Adam, categorical cross-entropy, reduce
/// on plateau and early stopping, without augmentation.
/// </summary>
internal abstract class StudySpeech() : WindowedSpeech(FeatureKind.MfccZcrRms)
{
    public override Recipe Recipe { get; } = new()
    {
        Epochs = 40,
        BatchSize = 64,
        LearningRate = 1e-3,
        EarlyStoppingPatience = 8,
        PlateauPatience = 3,
        Augment = false,
        EmaDecay = 0,
    };

    /// <summary>
    /// Convolutions that reduce the time steps to a quarter, because recurrent layers are slow: [N, 130, 42] → [N, 32, 128].
    /// </summary>
    protected Sequential Convolutions() => new(
        new SwapAxes(), // [42, 130]: convolutions expect time last
        ConvBlock.Conv1d(Features, 64, kernel: 5),
        new MaxPool(1), // 65 steps
        ConvBlock.Conv1d(64, 128, kernel: 5),
        new MaxPool(1), // 32 steps
        new Dropout(0.2),
        new SwapAxes());
}
