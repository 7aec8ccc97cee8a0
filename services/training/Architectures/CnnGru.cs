using Affect.Training.Layers;

namespace Affect.Training.Architectures;

/// <summary>The study's CNN followed by a GRU, which is lighter than an LSTM, and dense layers with dropout.</summary>
internal sealed class CnnGru : StudySpeech
{
    public override string Name => "cnn-gru";

    public override string Description => "CNN with GRU and dense layers of the study on 3 s windows of MFCC, ZCR and RMS.";

    public override Network Build() => new EmbeddingClassifier(64,
        Convolutions(),
        Recurrent.Gru(128, 96),
        new Dropout(0.3),
        new Dense(96, 128, relu: true),
        new Dropout(0.3),
        new Dense(128, 64, relu: true),
        new Dropout(0.2));
}
