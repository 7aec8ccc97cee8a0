using Affect.Emotions;
using Affect.Inference;
using Affect.Training.Architectures;
using Affect.Training.Data;
using Affect.Training.Layers;

namespace Affect.UnitTests.Training;

/// <summary>A network that trains in a second and has every layer with random numbers or running statistics.</summary>
internal sealed class TinyCnn(string name = "tiny-cnn", int filters = 6) : Architecture
{
    public const int Edge = 16; // the minimum of a manifest

    public override string Name => name;

    public override string Description => "For tests.";

    public override Modality Modality => Modality.Face;

    public override ModelInput Input { get; } =
        new() { Tensor = "input", Features = FeatureKind.Gray, Layout = TensorLayout.Nchw, Size = Edge };

    public override long[] Shape => [1, Edge, Edge];

    public override Recipe Recipe { get; } = new()
    {
        Epochs = 4,
        BatchSize = 14,
        LearningRate = 1e-2,
        WeightDecay = 0.01,
        LabelSmoothing = 0.1,
        MixupAlpha = 0.2,
        FineTuneEpochs = 1,
        EmaDecay = 0.9,
    };

    public override Network Build() => new EmbeddingClassifier(12, SpeechCorpora.AuxiliaryClasses,
        ConvBlock.Conv2d(1, filters), new MaxPool(2), new Flatten(), new Dropout(0.2), new Dense(filters * 64, 12, relu: true),
            new Dropout(0.1));
}

/// <summary>A speech model to test layers.</summary>
internal sealed class TinySound : Architecture
{
    public override string Name => "tiny-sound";

    public override string Description => "For tests.";

    public override Modality Modality => Modality.Speech;

    public override ModelInput Input { get; } =
        new() { Tensor = "input", Features = FeatureKind.MfccZcrRms, Layout = TensorLayout.Ntf, WindowSeconds = 1 };

    public override long[] Shape => [6, 3];

    public override Recipe Recipe { get; } = new() { Epochs = 1, BatchSize = 7, LearningRate = 1e-2 };

    public override Network Build() => new EmbeddingClassifier(6 * 3, new Flatten());
}

/// <summary>Images with one bright row per emotion in noise.</summary>
internal sealed class TinyFaces(int count, int seed) : Samples
{
    public override int Count => count;

    public override Emotion Label(int index) => (Emotion)(index % EmotionLabels.Count);

    // Half of the images have an auxiliary label.
    public override int? AuxiliaryLabel(int index) => index / EmotionLabels.Count % 2 == 0 ? 2 * (index % EmotionLabels.Count) : null;

    public override void Fill(int index, Augmentation? augmentation, Span<float> destination)
    {
        var noise = augmentation?.Random ?? new Random(Seeds.Mix(seed, index));
        for (var i = 0; i < destination.Length; i++)
            destination[i] = noise.Next(100) + (i / TinyCnn.Edge == (int)Label(index) ? 100 : 0);
    }

    public override IEnumerable<float[]> Windows(int index)
    {
        var image = new float[TinyCnn.Edge * TinyCnn.Edge];
        Fill(index, null, image);
        return [image];
    }

    public static DataSet Data { get; } = new("tiny", "synthetic", new TinyFaces(70, 1), new TinyFaces(35, 2), new TinyFaces(35, 3));
}
