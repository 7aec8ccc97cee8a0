using Affect.Inference;
using Affect.Training.Layers;

namespace Affect.Training.Architectures;

/// <summary>
/// What the study's five speech models have in common: 3 s of MFCC, zero crossings and energy, and a recipe of
/// plain Adam, categorical cross-entropy, a rate that halves on a plateau and an early end, on clips as they are.
/// </summary>
internal abstract class StudySpeech() : WindowedSpeech(FeatureKind.MfccZcrRms)
{
    public override Recipe Recipe { get; } = new()
    {
        Epochs = 40,
        BatchSize = 64,
        Rate = 1e-3,
        Patience = 8,
        PlateauPatience = 3,
        Augment = false,
        AverageDecay = 0,
    };

    /// <summary>Convolutions that leave a quarter of the steps, for what goes over time is slow: [N, 130, 42] → [N, 32, 128].</summary>
    protected Stack Convolutions() => new(
        new SwapAxes(), // [42, 130]: convolutions take time last
        Convolution.OverTime(Features, 64, kernel: 5),
        new MaxPool(1), // 65 steps
        Convolution.OverTime(64, 128, kernel: 5),
        new MaxPool(1), // 32 steps
        new Dropout(0.2),
        new SwapAxes());
}
