using Affect.Inference;
using Affect.Training.Data;
using Affect.Training.Export;
using Affect.Training.Layers;
using Affect.Training.Learning;
using static TorchSharp.torch;

namespace Affect.Training.Architectures;

/// <summary>
/// Base of the speech models for strangers that hear with the first blocks of Whisper base's encoder, as they were published, and two
/// small heads, whose logits are averaged. Only the heads are trained, from different random weights, on cached states of the encoder.
/// </summary>
internal abstract class WhisperSpeech : SpeechTier
{
    private const int Width = 512, MaxBlocks = 4, Steps = 150, Heads = 2;

    private readonly int _blocks;

    /// <param name="name">Name of the model.</param>
    /// <param name="blocks">Transformer blocks after the convolutions, at most four.</param>
    /// <param name="recipe">Recipe of the heads.</param>
    protected WhisperSpeech(string name, int blocks, Recipe recipe)
    {
        (_blocks, Name) = (blocks, name);
        Members = [.. Enumerable.Range(1, Heads).Select(number => new WhisperHead(name, number, blocks + 1, recipe))];
    }

    public override string Name { get; }

    /// <summary>The recipe of the heads; this model itself only takes its batch size for inference.</summary>
    public override Recipe Recipe => Members[0].Recipe;

    public override WeightFormat WeightFormat => WeightFormat.DynamicInt8;

    public override string Remarks =>
        "Contains weights of OpenAI's Whisper base (MIT License, `NOTICE`). Level and offset do not change the answer: each window is brought "
        + "to an active speech level of -26 dBFS (ITU-T P.56).";

    public override IReadOnlyList<Architecture> Members { get; }

    /// <summary>Shape of the cached summary of a window: the states after the convolutions and after each of four blocks.</summary>
    public static long[] StateShape => [(MaxBlocks + 1) * WhisperEncoder.Rows, Width];

    public override Network Build() => Combine([.. Members.Select(head => (head.Build(), Normalization.Identity(head)))]).Network;

    public override (Network Network, Normalization Normalization) Combine(
        IReadOnlyList<(Network Network, Normalization Normalization)> members)
    {
        var heads = new Ensemble([.. members.Select(member => ((Layer)new Sequential(), member.Network, 1f / members.Count))]);
        return (new Ensemble((LoadEncoder(_blocks), heads, 1)), Normalization.Identity(this));
    }

    /// <summary>The network of a head on the first states.</summary>
    public static Network BuildHead(int states) => new EmbeddingClassifier(128,
        new StatePooling(states, Width, dropout: 0.1),
        new Dropout(0.5),
        new Dense(StatePooling.Outputs, 128, relu: true),
        new Dropout(0.4));

    /// <summary>Whisper's encoder with its published weights.</summary>
    /// <param name="blocks">Blocks, of which the states are returned.</param>
    public static WhisperEncoder LoadEncoder(int blocks = MaxBlocks)
    {
        var path = Environment.GetEnvironmentVariable("AFFECT_WHISPER") is { Length: > 0 } file ? file
            : throw new IOException("no weights of Whisper: set AFFECT_WHISPER to ggml-base-q5_1.bin of whisper.cpp");
        var encoder = new WhisperEncoder(Width, blocks, Steps);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var weights = WhisperWeights.ReadEncoder(path);
        var state = encoder.state_dict();
        foreach (var (name, convolution) in new[] { ("first", "conv1"), ("second", "conv2") })
        {
            Set($"{name}.weight", weights[$"encoder.{convolution}.weight"]);
            Set($"{name}.bias", weights[$"encoder.{convolution}.bias"].flatten());
        }

        for (var i = 0; i < blocks; i++)
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

/// <summary>A head of <see cref="WhisperSpeech"/>: attention pooling over the states of the encoder and two layers.</summary>
/// <param name="model">Name of the model.</param>
/// <param name="number">Number of the head, from 1.</param>
/// <param name="states">States that it uses, the first of those that are cached.</param>
/// <param name="recipe">The recipe.</param>
internal sealed class WhisperHead(string model, int number, int states, Recipe recipe) : Architecture
{
    public override string Name => $"{model}-head-{number}";

    public override int SeedOffset => number - 1;

    public override string Description => "Head on the states of Whisper's encoder.";

    public override Modality Modality => Modality.Speech;

    public override ModelInput Input { get; } = new()
    {
        Tensor = "states",
        Features = FeatureKind.WhisperLogMel,
        Layout = TensorLayout.Ntf,
        WindowSeconds = 3,
    };

    public override long[] Shape => [states * WhisperEncoder.Rows, WhisperSpeech.StateShape[^1]];

    public override Recipe Recipe => recipe;

    public override Network Build() => WhisperSpeech.BuildHead(states);
}
