using Affect.Inference;
using Affect.Training.Data;
using Affect.Training.Layers;

namespace Affect.Training.Architectures;

/// <summary>
/// Our speech model that is better with voices it never heard: residual blocks over a log-mel spectrogram as a picture, a mean and a deviation over its
/// places whose weights are learnt; and a recipe that makes few voices sound like many.
/// </summary>
internal sealed class LogMelResNet() : WindowedSpeech(FeatureKind.LogMel)
{
    private static readonly Recipe First = new()
    {
        Epochs = 96,
        BatchSize = 32,
        Rate = 2e-3,
        WarmUp = 0.15,
        WeightDecay = 0.05,
        LabelSmoothing = 0.1,
        Mixup = 0.2,
        PerSpeaker = 120,
        Variants = 8,
        Mixed = true,
        AverageDecay = 0.998,
    };

    public override string Name => "logmel-resnet";

    public override string Description => "Residual network with squeeze-and-excitation on 3 s windows of 128 mel bands, learnt from varied sound.";

    public override Recipe Recipe { get; } = First with
    {
        From = First,
        Epochs = 160, // a teacher's patience pays: 96 were not enough
        BornAgain = true,
        Taught = 0.5,
        Detail = 0.5,
    };

    public override Network Build() => new SingleNetwork(128, SpeechCorpora.Details,
        new Spectrogram(Features),
        Convolution.OverPicture(Spectrogram.Channels, 32, kernel: 5, stride: 2), // 65×32
        Residual.Basic(32, 48, stride: 2), // 33×16
        Residual.Basic(48, 96, stride: 2), // 17×8
        Residual.Basic(96, 192, stride: 2), // 9×4
        new Places(),
        new AttentionPooling(192, hidden: 64),
        new Dropout(0.4),
        new Dense(384, 128, relu: true),
        new Dropout(0.3));
}
