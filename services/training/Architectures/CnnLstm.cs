using Affect.Training.Layers;

namespace Affect.Training.Architectures;

/// <summary>The study's CNN followed by an LSTM.</summary>
internal sealed class CnnLstm : StudySpeech
{
    public override string Name => "cnn-lstm";

    public override string Description => "CNN with LSTM of the study on 3 s windows of MFCC, ZCR and RMS.";

    public override Network Build() => new EmbeddingClassifier(128,
        Convolutions(),
        Recurrent.Lstm(128, 128),
        new Dropout(0.3),
        new Dense(128, 128, relu: true),
        new Dropout(0.3));
}
