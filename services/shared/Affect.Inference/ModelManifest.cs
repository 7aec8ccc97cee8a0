using System.Text.Json;
using System.Text.Json.Serialization;

namespace Affect.Inference;

/// <summary>
/// All that is known of a model: <c>services/models/NAME/manifest.json</c>. Code knows nothing of a
/// model that is not written here, so that a foreign ONNX file drops in by a manifest alone.
/// Property names are snake_case in JSON; unknown properties are refused.
/// </summary>
public sealed record ModelManifest
{
    /// <summary>Name of the model and of its folder: lower-case letters, digits and hyphens.</summary>
    public required string Name { get; init; }

    /// <summary>What the model listens to or looks at.</summary>
    public required Modality Modality { get; init; }

    /// <summary>One sentence for lists.</summary>
    public required string Description { get; init; }

    /// <summary>Whether this model answers where a request names none. One per modality.</summary>
    public bool Default { get; init; }

    /// <summary>The tensor the model takes, and how features become that tensor.</summary>
    public required ModelInput Input { get; init; }

    /// <summary>The tensors the model gives.</summary>
    public required ModelOutput Output { get; init; }

    /// <summary>
    /// The versions on disk, newest last: the last whose file has its sha256 serves. A file that has
    /// not is refused, and the version before it serves on.
    /// </summary>
    public required IReadOnlyList<ModelVersion> Versions { get; init; }

    /// <summary>License of the weights, and what the data they were trained on allow.</summary>
    public required string License { get; init; }

    /// <summary>What was measured, each with protocol and data. Written by training, served by GetModel.</summary>
    public IReadOnlyList<ModelMetrics> Metrics { get; init; } = [];

    /// <summary>What the newest version takes; absent where nobody measured it.</summary>
    public ModelCost? Cost { get; init; }

    /// <summary>How the weights were learnt; absent where that is not known.</summary>
    public LearningCurves? Learning { get; init; }

    /// <summary>The JSON form of every manifest: snake_case, indented, enums as snake_case strings.</summary>
    public static JsonSerializerOptions Json { get; } = new(JsonSerializerDefaults.Web)
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false) },
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        ReadCommentHandling = JsonCommentHandling.Skip,
        WriteIndented = true,
    };
}

/// <summary>What a model listens to or looks at.</summary>
public enum Modality
{
    Speech,
    Face,
}

/// <summary>The features that a model is fed with.</summary>
public enum FeatureKind
{
    /// <summary>Speech: per frame 40 MFCC, zero-crossing rate, RMS (42 values).</summary>
    MfccZcrRms,

    /// <summary>Speech: per frame 40 MFCC, their 40 deltas, zero-crossing rate, RMS (82 values).</summary>
    MfccDeltaZcrRms,

    /// <summary>Speech: per frame 128 log-mel energies in dB.</summary>
    LogMel,

    /// <summary>Face: one channel of grey, 0 to 255.</summary>
    Gray,

    /// <summary>Face: three channels in the order red, green, blue, 0 to 255.</summary>
    Rgb,

    /// <summary>Speech: per frame 128 log-mel energies in dB, zero-crossing rate, RMS (130 values).</summary>
    LogMelZcrRms,
}

/// <summary>Order of the axes of an input tensor; the batch comes first.</summary>
public enum TensorLayout
{
    /// <summary>Speech: [batch, frames, features].</summary>
    Ntf,

    /// <summary>Speech: [batch, features, frames].</summary>
    Nft,

    /// <summary>Speech: [batch, 1, features, frames], a picture of the sound.</summary>
    N1ft,

    /// <summary>Face: [batch, channels, height, width].</summary>
    Nchw,

    /// <summary>Face: [batch, height, width, channels].</summary>
    Nhwc,
}

/// <summary>The tensor that a model takes: float32; the batch is dynamic, or 1, and then inputs are computed one by one.</summary>
public sealed record ModelInput
{
    /// <summary>Name of the ONNX input.</summary>
    public required string Tensor { get; init; }

    /// <summary>The features the tensor is made of.</summary>
    public required FeatureKind Features { get; init; }

    /// <summary>Order of the axes.</summary>
    public required TensorLayout Layout { get; init; }

    /// <summary>Speech: length of a window in seconds; shorter windows are padded with zeros.</summary>
    public double? WindowSeconds { get; init; }

    /// <summary>Face: edge of the square crop in pixels.</summary>
    public int? Size { get; init; }

    /// <summary>
    /// Subtracted before <see cref="Scale"/> divides: x' = (x - mean) / scale. One value for all, or one
    /// per feature (speech) or channel (face).
    /// </summary>
    public IReadOnlyList<float> Mean { get; init; } = [0];

    /// <summary>Divides after <see cref="Mean"/> was subtracted; no zeros.</summary>
    public IReadOnlyList<float> Scale { get; init; } = [1];

    /// <summary>Values in a frame (speech) or in a pixel (face).</summary>
    [JsonIgnore]
    public int Channels => Features switch
    {
        FeatureKind.MfccZcrRms => 42,
        FeatureKind.MfccDeltaZcrRms => 82,
        FeatureKind.LogMel => 128,
        FeatureKind.Gray => 1,
        FeatureKind.Rgb => 3,
        FeatureKind.LogMelZcrRms => 130,
        _ => throw new InvalidOperationException($"Features {Features} has no size."),
    };

    /// <summary>
    /// Frames (speech) or pixels (face) of one input. A window has one frame every 512 samples at 22,050 Hz,
    /// centred, and so one more than fits (librosa's <c>center=True</c>): 130 for 3 s.
    /// </summary>
    [JsonIgnore]
    public int Positions => Size is { } size
        ? size * size
        : 1 + (int)Math.Round(WindowSeconds.GetValueOrDefault() * 22050) / 512;

    /// <summary>The tensor's axes after the batch.</summary>
    public IReadOnlyList<int> ShapeOfOne() => Layout switch
    {
        TensorLayout.Ntf => [Positions, Channels],
        TensorLayout.Nft => [Channels, Positions],
        TensorLayout.N1ft => [1, Channels, Positions],
        TensorLayout.Nchw => [Channels, Size.GetValueOrDefault(), Size.GetValueOrDefault()],
        TensorLayout.Nhwc => [Size.GetValueOrDefault(), Size.GetValueOrDefault(), Channels],
        _ => throw new InvalidOperationException($"Layout {Layout} has no shape."),
    };
}

/// <summary>The tensors that a model gives.</summary>
public sealed record ModelOutput
{
    /// <summary>Name of the ONNX output with one logit (or log-probability) per label, [batch, labels].</summary>
    public required string Logits { get; init; }

    /// <summary>Whether that output gives probabilities: the model's last layer is a softmax.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Probabilities { get; init; }

    /// <summary>Name of the ONNX output with the embedding, where the model has one.</summary>
    public string? Embedding { get; init; }

    /// <summary>The model's own labels in the order of its logits.</summary>
    public required IReadOnlyList<string> Labels { get; init; }

    /// <summary>
    /// From own label to one of the seven, for labels that are called otherwise (calm → neutral). Labels
    /// that fall together have their probabilities summed. A label mapped to "" is left out, and the
    /// rest scaled to sum to 1.
    /// </summary>
    public IReadOnlyDictionary<string, string> LabelMap { get; init; } = new Dictionary<string, string>();

    /// <summary>Divides the logits before the softmax; fitted on validation data.</summary>
    public float Temperature { get; init; } = 1;

    /// <summary>A best score below this is UNCERTAIN. 0 never abstains.</summary>
    public float AbstainBelow { get; init; }
}

/// <summary>One version of a model on disk.</summary>
public sealed record ModelVersion
{
    /// <summary>A number that only grows: "1", "2", ... ; also the folder's name.</summary>
    public required string Version { get; init; }

    /// <summary>The file, relative to the model's folder.</summary>
    public required string File { get; init; }

    /// <summary>Lower-case hexadecimal SHA-256 of the file.</summary>
    public required string Sha256 { get; init; }

    /// <summary>
    /// The share of the calls that the newest version answers while it is on trial, above 0 and below 1; the version
    /// before it answers the rest. Absent: it answers all.
    /// </summary>
    public double? Share { get; init; }
}

/// <summary>What a model takes to run.</summary>
/// <param name="Parameters">Numbers that were learnt, as the file holds them: batch normalisation is part of the convolutions.</param>
/// <param name="FileBytes">Size of the file.</param>
/// <param name="LatencyMs">Median processor time of one input on one core of the machine that measured, in milliseconds; the model alone.</param>
public sealed record ModelCost(long Parameters, long FileBytes, double LatencyMs);

/// <summary>One value for each epoch of the run that gave the weights; all four are of equal length.</summary>
/// <param name="Loss">Mean cross-entropy on the training data as they were learnt from, in nats.</param>
/// <param name="Accuracy">Share of these that were right, [0, 1].</param>
/// <param name="ValidationLoss">Mean cross-entropy on validation data in nats.</param>
/// <param name="ValidationAccuracy">Share of these that were right, [0, 1].</param>
public sealed record LearningCurves(
    IReadOnlyList<double> Loss, IReadOnlyList<double> Accuracy, IReadOnlyList<double> ValidationLoss, IReadOnlyList<double> ValidationAccuracy);

/// <summary>What was measured on one set of data under one protocol.</summary>
public sealed record ModelMetrics
{
    /// <summary>For example "random 80/20, seed 1" or "unseen speakers: all 5 folds".</summary>
    public required string Protocol { get; init; }

    /// <summary>The file of <c>services/training/splits</c> that says which sample is tested, or what the names of several have in common.</summary>
    public string? Split { get; init; }

    /// <summary>For example "RAVDESS+SAVEE+TESS test".</summary>
    public required string Data { get; init; }

    /// <summary>What was done to the data before: "8 kHz", "µ-law". Absent where they are as they come.</summary>
    public string? Condition { get; init; }

    /// <summary>Number of samples measured on.</summary>
    public required int Samples { get; init; }

    /// <summary>Fraction of samples whose best score is the label, [0, 1].</summary>
    public required double Accuracy { get; init; }

    /// <summary>Mean of the seven classes' recalls (UAR), [0, 1].</summary>
    public required double UnweightedAverageRecall { get; init; }

    /// <summary>Mean of the seven classes' F1, [0, 1].</summary>
    public required double MacroF1 { get; init; }

    /// <summary>Mean of the seven classes' precisions, [0, 1].</summary>
    public required double MacroPrecision { get; init; }

    /// <summary>Expected calibration error over 15 bins of confidence, [0, 1] (Guo et al. 2017).</summary>
    public required double ExpectedCalibrationError { get; init; }

    /// <summary>The most certain 80 %: how many are right where the least certain fifth is left unanswered.</summary>
    public Answered? MostCertain { get; init; }

    /// <summary>The samples whose best score reaches <see cref="ModelOutput.AbstainBelow"/>.</summary>
    public Answered? AtThreshold { get; init; }

    /// <summary>Equal bins of confidence from 0 to 1, the empty ones too.</summary>
    public IReadOnlyList<ReliabilityBin> Reliability { get; init; } = [];

    /// <summary>Counts, [true label][predicted label], in the order of the seven.</summary>
    public IReadOnlyList<IReadOnlyList<int>> Confusion { get; init; } = [];

    /// <summary>The parts, where each was measured with weights of its own.</summary>
    public IReadOnlyList<FoldMetrics> Folds { get; init; } = [];

    /// <summary>Each of the seven by itself, from <see cref="Confusion"/>; none where that is not known.</summary>
    [JsonIgnore]
    public IReadOnlyList<ClassMetrics> Classes => [.. Confusion.Select((row, label) =>
    {
        var (hits, are, said) = (row[label], row.Sum(), Confusion.Sum(other => other[label]));
        // A class that never occurs or is never said counts as zero, as in scikit-learn (zero_division=0).
        return new ClassMetrics(Share(hits, said), Share(hits, are), Share(2 * hits, are + said), are);
    })];

    private static double Share(int part, int whole) => whole == 0 ? 0 : (double)part / whole;
}

/// <summary>How one label fares against the six others.</summary>
/// <param name="Precision">Share of the samples given this label that have it, [0, 1].</param>
/// <param name="Recall">Share of the samples with this label that were given it, [0, 1].</param>
/// <param name="F1">Harmonic mean of the two, [0, 1].</param>
/// <param name="Support">Number of samples with this label.</param>
public readonly record struct ClassMetrics(double Precision, double Recall, double F1, int Support);

/// <summary>What is right of what was answered, where uncertain samples are not.</summary>
/// <param name="Coverage">Share of the samples that were answered, [0, 1].</param>
/// <param name="Accuracy">Share of these that are right, [0, 1].</param>
public sealed record Answered(double Coverage, double Accuracy);

/// <summary>Samples of about equal confidence: calibrated scores are as often right as they say.</summary>
/// <param name="Count">Number of samples.</param>
/// <param name="Confidence">Mean of their best scores, [0, 1].</param>
/// <param name="Accuracy">Share of them that are right, [0, 1].</param>
public sealed record ReliabilityBin(int Count, double Confidence, double Accuracy);

/// <summary>One part of several that were measured with weights of their own.</summary>
/// <param name="Name">The file of <c>services/training/splits</c>.</param>
/// <param name="Samples">Number of samples measured on.</param>
/// <param name="Accuracy">Share of them that are right, [0, 1].</param>
/// <param name="UnweightedAverageRecall">Mean of the recalls of the classes that occur, [0, 1].</param>
public sealed record FoldMetrics(string Name, int Samples, double Accuracy, double UnweightedAverageRecall);
