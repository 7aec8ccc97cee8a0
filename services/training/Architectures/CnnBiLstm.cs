using Affect.Training.Layers;

namespace Affect.Training.Architectures;

/// <summary>The study's CNN followed by a bidirectional LSTM.</summary>
internal sealed class CnnBiLstm : StudySpeech
{
    public override string Name => "cnn-bilstm";

    public override string Description => "CNN with bidirectional LSTM of the study on 3 s windows of MFCC, ZCR and RMS.";

    public override Network Build() => new EmbeddingClassifier(128,
        Convolutions(),
        Recurrent.Lstm(128, 96, bidirectional: true),
        new Dropout(0.3),
        new Dense(192, 128, relu: true),
        new Dropout(0.3));
}
