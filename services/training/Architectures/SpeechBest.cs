using Affect.Inference;
using Affect.Training.Data;
using Affect.Training.Layers;
using Affect.Training.Learning;
using static TorchSharp.torch;

namespace Affect.Training.Architectures;

/// <summary>
/// The best speech model for strangers: the first four blocks of Whisper base's encoder, as they were published, and a small head. Only
/// the head is trained, on cached states of the encoder.
/// </summary>
internal sealed class SpeechBest : SpeechTier
{
    private const int Width = 512, Blocks = 4, Steps = 150;

    public override string Name => "speech-best";

    public override string Description =>
        "The first four blocks of Whisper base's encoder and a head trained on eight corpora, on 3 s windows; for GPUs and archives.";

    /// <summary>The head has its own recipe; this one only sets the batch size of inference.</summary>
    public override Recipe Recipe => Head.Recipe;

    public override string Remarks =>
        "Contains weights of OpenAI's Whisper base (MIT License, `NOTICE`). Level and offset do not change the answer: each window is brought "
        + "to an active speech level of -26 dBFS (ITU-T P.56).";

    /// <summary>The part that is trained.</summary>
    public SpeechBestHead Head { get; } = new();

    public override IReadOnlyList<Architecture> Members => [Head];

    /// <summary>Shape of the encoder's summary of a window.</summary>
    public static long[] StateShape => [(Blocks + 1) * WhisperEncoder.Rows, Width];

    public override Network Build() => Combine([(Head.Build(), Normalization.Identity(Head))]).Network;

    public override (Network Network, Normalization Normalization) Combine(
        IReadOnlyList<(Network Network, Normalization Normalization)> members) =>
        (new Ensemble((LoadEncoder(), members.Single().Network, 1)), Normalization.Identity(this));

    /// <summary>The network of the head.</summary>
    public static Network BuildHead() => new EmbeddingClassifier(128,
        new StatePooling(Blocks + 1, Width, dropout: 0.1),
        new Dropout(0.5),
        new Dense(StatePooling.Outputs, 128, relu: true),
        new Dropout(0.4));

    /// <summary>Whisper's encoder with its published weights.</summary>
    public static WhisperEncoder LoadEncoder()
    {
        var path = Environment.GetEnvironmentVariable("AFFECT_WHISPER") is { Length: > 0 } file ? file
            : throw new IOException("no weights of Whisper: set AFFECT_WHISPER to ggml-base-q5_1.bin of whisper.cpp");
        var encoder = new WhisperEncoder(Width, Blocks, Steps);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var weights = WhisperWeights.ReadEncoder(path);
        var state = encoder.state_dict();
        foreach (var (name, convolution) in new[] { ("first", "conv1"), ("second", "conv2") })
        {
            Set($"{name}.weight", weights[$"encoder.{convolution}.weight"]);
            Set($"{name}.bias", weights[$"encoder.{convolution}.bias"].flatten());
        }

        for (var i = 0; i < Blocks; i++)
        {
            foreach (var kind in new[] { "weight", "bias" })
            {
                Set($"block{i}.0.norm.{kind}", Part($"attn_ln.{kind}"));
                Set($"block{i}.0.output.{kind}", Part($"attn.out.{kind}"));
                Set($"block{i}.1.norm.{kind}", Part($"mlp_ln.{kind}"));
                Set($"block{i}.1.inner.{kind}", Part($"mlp.0.{kind}"));
                Set($"block{i}.1.output.{kind}", Part($"mlp.2.{kind}"));
            }

            Set($"block{i}.0.input.weight", cat([Part("attn.query.weight"), Part("attn.key.weight"), Part("attn.value.weight")]));
            var query = Part("attn.query.bias");
            Set($"block{i}.0.input.bias", cat([query, zeros_like(query), Part("attn.value.bias")])); // keys have no bias

            Tensor Part(string part) => weights[$"encoder.blocks.{i}.{part}"];
        }

        encoder.eval();
        return encoder;

        void Set(string name, Tensor value) => state[name].copy_(value);
    }
}

/// <summary>The head of <see cref="SpeechBest"/>: attention pooling over the states of the encoder and two layers.</summary>
internal sealed class SpeechBestHead : Architecture
{
    public override string Name => "speech-best-head";

    public override string Description => "Head of speech-best, trained on the states of its encoder.";

    public override Modality Modality => Modality.Speech;

    public override ModelInput Input { get; } = new()
    {
        Tensor = "states",
        Features = FeatureKind.WhisperLogMel,
        Layout = TensorLayout.Ntf,
        WindowSeconds = 3,
    };

    public override long[] Shape => SpeechBest.StateShape;

    public override Recipe Recipe { get; } = SpeechTier.Common with { Epochs = 20, LearningRate = 1e-3, MixupAlpha = 0.4 };

    public override Network Build() => SpeechBest.BuildHead();
}
