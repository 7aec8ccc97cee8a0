using Affect.Inference;
using Affect.Training.Layers;

namespace Affect.Training.Architectures;

/// <summary>
/// Our light speech model: convolutions over the frames of a window, self-attention between what they see, a mean and a
/// deviation over time whose weights are learnt; and a recipe that makes one corpus sound like many.
/// </summary>
internal sealed class MfccAttention() : WindowedSpeech(FeatureKind.MfccZcrRms)
{
    public override string Name => "mfcc-attention";

    public override string Description => "Deep CNN with self-attention and attentive statistics on 3 s windows of MFCC, ZCR and RMS, learnt from varied sound.";

    public override Recipe Recipe { get; } = new()
    {
        Epochs = 64,
        BatchSize = 32,
        Rate = 1.5e-3,
        WarmUp = 0.15,
        WeightDecay = 0.05,
        LabelSmoothing = 0.1,
        Mixup = 0.2,
        PerSpeaker = 700,
        Variants = 6,
        AverageDecay = 0.995,
    };

    public override string Remarks =>
        "The weights that are measured on the five folds of actors had 30 epochs (`--epochs 30`), the shipped ones all.";

    public override Network Build() => new SingleNetwork(128,
        new SwapAxes(), // [42, 130]: convolutions take time last
        Convolution.OverTime(Features, 96, kernel: 5),
        new MaxPool(1), // 65 steps
        Convolution.OverTime(96, 128, kernel: 5),
        Convolution.OverTime(128, 128, kernel: 3),
        new MaxPool(1), // 32 steps
        new Dropout(0.1),
        Convolution.OverTime(128, 192, kernel: 3),
        Convolution.OverTime(192, 192, kernel: 3),
        new Dropout(0.1),
        new SwapAxes(),
        new SelfAttention(192, heads: 4, dropout: 0.1),
        new AttentionPooling(192, hidden: 64),
        new Dropout(0.3),
        new Dense(384, 128, relu: true),
        new Dropout(0.3));
}
