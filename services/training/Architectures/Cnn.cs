using Affect.Training.Layers;

namespace Affect.Training.Architectures;

/// <summary>The study's basic speech model: convolutions over the frames of a window, their mean over time, dense layers.</summary>
internal sealed class Cnn : StudySpeech
{
    public override string Name => "cnn";

    public override string Description => "Basic CNN of the study, on 3 s windows of MFCC, ZCR and RMS.";

    public override Network Build() => new SingleNetwork(128,
        Convolutions(),
        new SwapAxes(),
        Convolution.OverTime(128, 256, kernel: 3),
        new MaxPool(1), // 16 steps
        new AveragePool(),
        new Dropout(0.3),
        new Dense(256, 128, relu: true),
        new Dropout(0.3));
}
