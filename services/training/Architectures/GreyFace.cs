using Affect.Inference;

namespace Affect.Training.Architectures;

/// <summary>What looks at faces as FER2013 has them: 48×48 pixels, grey.</summary>
internal abstract class GreyFace : Architecture
{
    private const int Edge = 48;

    public sealed override Modality Modality => Modality.Face;

    public sealed override ModelInput Input { get; } = new()
    {
        Tensor = "input",
        Features = FeatureKind.Gray,
        Layout = TensorLayout.Nchw,
        Size = Edge,
    };

    public sealed override long[] Shape => [1, Edge, Edge];
}
