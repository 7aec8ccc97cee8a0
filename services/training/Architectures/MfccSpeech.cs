using Affect.Inference;

namespace Affect.Training.Architectures;

/// <summary>What listens to 3 s of MFCC, zero crossings and energy.</summary>
internal abstract class MfccSpeech : Architecture
{
    /// <summary>Frames of a window, and the features in each.</summary>
    protected const int Frames = 130, Features = 42;

    public sealed override Modality Modality => Modality.Speech;

    public sealed override ModelInput Input { get; } = new()
    {
        Tensor = "input",
        Features = FeatureKind.MfccZcrRms,
        Layout = TensorLayout.Ntf,
        WindowSeconds = 3,
    };

    public sealed override long[] Shape => [Frames, Features];
}
