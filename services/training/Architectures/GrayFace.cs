using Affect.Inference;

namespace Affect.Training.Architectures;

/// <summary>Base of the face models with the input of FER2013: 48×48 gray pixels.</summary>
internal abstract class GrayFace : Architecture
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
