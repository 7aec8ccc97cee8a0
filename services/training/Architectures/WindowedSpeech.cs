using Affect.Inference;

namespace Affect.Training.Architectures;

/// <summary>What listens to windows of 3 s.</summary>
/// <param name="features">What it hears of each frame.</param>
internal abstract class WindowedSpeech(FeatureKind features) : Architecture
{
    public sealed override Modality Modality => Modality.Speech;

    public sealed override ModelInput Input { get; } = new()
    {
        Tensor = "input",
        Features = features,
        Layout = TensorLayout.Ntf,
        WindowSeconds = 3,
    };

    /// <summary>130 frames of features.</summary>
    public sealed override long[] Shape => [Input.Positions, Features];

    /// <summary>Number of values of a frame.</summary>
    protected int Features => Input.Channels;
}
