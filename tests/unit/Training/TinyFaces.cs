using Affect.Emotions;
using Affect.Inference;
using Affect.Training.Architectures;
using Affect.Training.Data;
using Affect.Training.Layers;

namespace Affect.UnitTests.Training;

/// <summary>A network that learns in a second, with every layer that draws random numbers or keeps statistics.</summary>
internal sealed class TinyCnn(string name = "tiny-cnn", int filters = 6) : Architecture
{
    public const int Edge = 16; // the smallest that a manifest may say

    public override string Name => name;

    public override string Description => "For tests.";

    public override Modality Modality => Modality.Face;

    public override ModelInput Input { get; } = new() { Tensor = "input", Features = FeatureKind.Gray, Layout = TensorLayout.Nchw, Size = Edge };

    public override long[] Shape => [1, Edge, Edge];

    public override Recipe Recipe { get; } = new()
    {
        Epochs = 4,
        BatchSize = 14,
        Rate = 1e-2,
        WeightDecay = 0.01,
        LabelSmoothing = 0.1,
        Mixup = 0.2,
        GentleEpochs = 1,
        AverageDecay = 0.9,
    };

    public override Network Build() => new SingleNetwork(12, SpeechCorpora.Details,
        Convolution.OverPicture(1, filters), new MaxPool(2), new Flatten(), new Dropout(0.2), new Dense(filters * 64, 12, relu: true), new Dropout(0.1));
}

/// <summary>A speech model's input, for layers to be tried on.</summary>
internal sealed class TinySound : Architecture
{
    public override string Name => "tiny-sound";

    public override string Description => "For tests.";

    public override Modality Modality => Modality.Speech;

    public override ModelInput Input { get; } = new() { Tensor = "input", Features = FeatureKind.MfccZcrRms, Layout = TensorLayout.Ntf, WindowSeconds = 1 };

    public override long[] Shape => [6, 3];

    public override Recipe Recipe { get; } = new() { Epochs = 1, BatchSize = 7, Rate = 1e-2 };

    public override Network Build() => new SingleNetwork(6 * 3, new Flatten());
}

/// <summary>Pictures with one bright row per emotion in noise: easy, but not at once.</summary>
internal sealed class TinyFaces(int count, int seed) : Samples
{
    public override int Count => count;

    public override Emotion Label(int index) => (Emotion)(index % EmotionLabels.Count);

    // Of every other picture no more is known than the label.
    public override int? Detail(int index) => index / EmotionLabels.Count % 2 == 0 ? 2 * (index % EmotionLabels.Count) : null;

    public override void Fill(int index, Augmentation? augmentation, Span<float> destination)
    {
        var noise = augmentation?.Random ?? new Random(Seeds.Of(seed, index));
        for (var i = 0; i < destination.Length; i++)
            destination[i] = noise.Next(100) + (i / TinyCnn.Edge == (int)Label(index) ? 100 : 0);
    }

    public override IEnumerable<float[]> Windows(int index)
    {
        var picture = new float[TinyCnn.Edge * TinyCnn.Edge];
        Fill(index, null, picture);
        return [picture];
    }

    public static DataSet Data { get; } = new("tiny", "synthetic", new TinyFaces(70, 1), new TinyFaces(35, 2), new TinyFaces(35, 3));
}
