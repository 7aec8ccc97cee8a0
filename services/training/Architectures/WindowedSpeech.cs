using Affect.Inference;

namespace Affect.Training.Architectures;

/// <summary>Base of the speech models, which score windows of 3 s.</summary>
/// <param name="features">Features of each frame.</param>
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

    /// <summary>Number of values in a frame.</summary>
    protected int Features => Input.Channels;
}
