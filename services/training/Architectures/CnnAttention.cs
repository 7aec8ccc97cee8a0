using Affect.Training.Layers;

namespace Affect.Training.Architectures;

/// <summary>
/// The study's best speech model: convolutions over the frames of a window, multi-head self-attention and attentive
/// statistics pooling.
/// </summary>
internal sealed class CnnAttention : StudySpeech
{
    public override string Name => "cnn-attention";

    public override string Description => "CNN with self-attention of the study on 3 s windows of MFCC, ZCR and RMS.";

    public override Network Build() => new EmbeddingClassifier(128,
        Convolutions(),
        new SelfAttention(128, heads: 4, dropout: 0.1),
        new AttentionPooling(128, hidden: 64),
        new Dropout(0.3),
        new Dense(256, 128, relu: true),
        new Dropout(0.3));
}
