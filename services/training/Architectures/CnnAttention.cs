using Affect.Inference;
using Affect.Training.Layers;

namespace Affect.Training.Architectures;

/// <summary>
/// The study's best speech model: convolutions over the frames of a window, self-attention between what
/// they see, and a mean over time whose weights are learnt.
/// </summary>
internal sealed class CnnAttention : Architecture
{
    private const int Frames = 130, Features = 42;

    public override string Name => "cnn-attention";

    public override string Description => "CNN with self-attention of the study, on 3 s windows of MFCC, ZCR and RMS.";

    public override Modality Modality => Modality.Speech;

    public override ModelInput Input { get; } = new()
    {
        Tensor = "input",
        Features = FeatureKind.MfccZcrRms,
        Layout = TensorLayout.Ntf,
        WindowSeconds = 3,
    };

    public override long[] Shape => [Frames, Features];

    public override Recipe Recipe { get; } = new()
    {
        Epochs = 40,
        BatchSize = 48,
        Rate = 1.5e-3,
        WarmUp = 0.15,
        WeightDecay = 0.05,
        LabelSmoothing = 0.1,
        Mixup = 0.2,
        AverageDecay = 0.998,
    };

    public override string Remarks =>
        "The shipped weights began with 60 epochs in view; the rate was put on the course to 40 after the ninth, when it was within 2 % of it.";

    public override Network Build() => new(128,
        new SwapAxes(), // [42, 130]: convolutions take time last
        Convolution.OverTime(Features, 128, kernel: 5),
        Convolution.OverTime(128, 128, kernel: 5),
        new MaxPool(1), // 65 steps
        new Dropout(0.1),
        Convolution.OverTime(128, 256, kernel: 3),
        Convolution.OverTime(256, 256, kernel: 3),
        new Dropout(0.1),
        new SwapAxes(),
        new SelfAttention(256, heads: 4, dropout: 0.1),
        new AttentionPooling(256, hidden: 64),
        new Dropout(0.3),
        new Dense(512, 128, relu: true),
        new Dropout(0.3));
}
