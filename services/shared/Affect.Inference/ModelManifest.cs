using System.Text.Json;
using System.Text.Json.Serialization;
using Affect.Audio;

namespace Affect.Inference;

/// <summary>
/// The description of a model: <c>services/models/NAME/manifest.json</c>. Code contains no other knowledge of a model, so
/// that a third-party ONNX file needs a manifest alone. Property names are snake_case in JSON; unknown properties are errors.
/// </summary>
public sealed record ModelManifest
{
    /// <summary>Name of the model and of its folder: lower-case letters, digits and hyphens.</summary>
    public required string Name { get; init; }

    /// <summary>Modality of the input.</summary>
    public required Modality Modality { get; init; }

    /// <summary>One sentence, shown in lists.</summary>
    public required string Description { get; init; }

    /// <summary>True if this model serves requests that name no model. One per modality.</summary>
    public bool Default { get; init; }

    /// <summary>The input tensor, and the features it is made of.</summary>
    public required ModelInput Input { get; init; }

    /// <summary>The output tensors.</summary>
    public required ModelOutput Output { get; init; }

    /// <summary>
    /// The versions on disk, newest last. The last one whose file matches its sha256 serves; others are rejected.
    /// </summary>
    public required IReadOnlyList<ModelVersion> Versions { get; init; }

    /// <summary>License of the weights, and what the data they were trained on allow.</summary>
    public required string License { get; init; }

    /// <summary>Evaluations, each with protocol and data. Written by training, served by GetModel.</summary>
    public IReadOnlyList<ModelMetrics> Metrics { get; init; } = [];

    /// <summary>Cost of the newest version; absent if not measured.</summary>
    public ModelCost? Cost { get; init; }

    /// <summary>Learning curves of the weights; absent if unknown.</summary>
    public LearningCurves? Learning { get; init; }

    /// <summary>JSON options of manifests: snake_case, indented, enums as snake_case strings.</summary>
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

/// <summary>Modality of a model's input.</summary>
public enum Modality
{
    Speech,
    Face,
}

/// <summary>Features of a model's input.</summary>
public enum FeatureKind
{
    /// <summary>Speech: per frame 40 MFCC, zero-crossing rate, RMS (42 values).</summary>
    MfccZcrRms,

    /// <summary>Speech: per frame 40 MFCC, their 40 deltas, zero-crossing rate, RMS (82 values).</summary>
    MfccDeltaZcrRms,

    /// <summary>Speech: per frame 128 log-mel energies in dB.</summary>
    LogMel,

    /// <summary>Face: one gray channel, 0 to 255.</summary>
    Gray,

    /// <summary>Face: three channels in the order red, green, blue, 0 to 255.</summary>
    Rgb,

    /// <summary>Speech: per frame 128 log-mel energies in dB, zero-crossing rate, RMS (130 values).</summary>
    LogMelZcrRms,

    /// <summary>Speech: per frame 80 log-mel energies on Whisper's scale, at a fixed speech level, every 10 ms.</summary>
    WhisperLogMel,
}

/// <summary>Order of the axes of an input tensor; the batch comes first.</summary>
public enum TensorLayout
{
    /// <summary>Speech: [batch, frames, features].</summary>
    Ntf,

    /// <summary>Speech: [batch, features, frames].</summary>
    Nft,

    /// <summary>Speech: [batch, 1, features, frames], an image with one channel.</summary>
    N1ft,

    /// <summary>Face: [batch, channels, height, width].</summary>
    Nchw,

    /// <summary>Face: [batch, height, width, channels].</summary>
    Nhwc,
}

/// <summary>The input tensor of a model: float32. Its batch axis is dynamic, or 1; inputs are then computed one by one.</summary>
public sealed record ModelInput
{
    /// <summary>Name of the ONNX input.</summary>
    public required string Tensor { get; init; }

    /// <summary>Features that the tensor holds.</summary>
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

    /// <summary>Divides after <see cref="Mean"/> was subtracted; must not be 0.</summary>
    public IReadOnlyList<float> Scale { get; init; } = [1];

    /// <summary>Values per frame (speech) or pixel (face).</summary>
    [JsonIgnore]
    public int Channels => Features switch
    {
        FeatureKind.MfccZcrRms => FeatureExtractor.FeatureCount(FeatureSet.MfccZcrRms),
        FeatureKind.MfccDeltaZcrRms => FeatureExtractor.FeatureCount(FeatureSet.MfccDeltaZcrRms),
        FeatureKind.LogMel => FeatureExtractor.FeatureCount(FeatureSet.LogMel),
        FeatureKind.LogMelZcrRms => FeatureExtractor.FeatureCount(FeatureSet.LogMelZcrRms),
        FeatureKind.WhisperLogMel => WhisperLogMel.MelCount,
        FeatureKind.Gray => 1,
        FeatureKind.Rgb => 3,
        _ => throw new InvalidOperationException($"Features {Features} has no size."),
    };

    /// <summary>
    /// Frames (speech) or pixels (face) of one input. Frames are centered as in librosa (<c>center=True</c>): a window of 3 s has 130,
    /// or 300 of Whisper's.
    /// </summary>
    [JsonIgnore]
    public int Positions => Size is { } size
        ? size * size
        : Features == FeatureKind.WhisperLogMel
        ? WhisperLogMel.FrameCount((int)Math.Round(WindowSeconds.GetValueOrDefault() * WhisperLogMel.SampleRate))
        : FeatureExtractor.FrameCount((int)Math.Round(WindowSeconds.GetValueOrDefault() * FeatureExtractor.SampleRate));

    /// <summary>Axes of the tensor after the batch.</summary>
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

/// <summary>The output tensors of a model.</summary>
public sealed record ModelOutput
{
    /// <summary>Name of the ONNX output with one logit (or log-probability) per label, [batch, labels].</summary>
    public required string Logits { get; init; }

    /// <summary>True if the logits output holds probabilities, because the last layer of the model is a softmax.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Probabilities { get; init; }

    /// <summary>Name of the ONNX output with the embedding, if the model has one.</summary>
    public string? Embedding { get; init; }

    /// <summary>The model's own labels in the order of its logits.</summary>
    public required IReadOnlyList<string> Labels { get; init; }

    /// <summary>
    /// Maps labels of the model to the seven emotions (calm → neutral). Probabilities of labels mapped to the same emotion are
    /// summed. A label mapped to "" is ignored, and the rest are renormalized.
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
    /// <summary>An increasing number ("1", "2", ...); also the name of the folder.</summary>
    public required string Version { get; init; }

    /// <summary>The file, relative to the model's folder.</summary>
    public required string File { get; init; }

    /// <summary>Lower-case hexadecimal SHA-256 of the file.</summary>
    public required string Sha256 { get; init; }

    /// <summary>
    /// Share of the requests that the newest version serves while it is on trial, above 0 and below 1; the version
    /// before it serves the rest. If absent, it serves all.
    /// </summary>
    public double? Share { get; init; }
}

/// <summary>Cost of inference.</summary>
/// <param name="Parameters">Learned parameters in the file, batch normalization folded into the convolutions.</param>
/// <param name="FileBytes">Size of the file.</param>
/// <param name="LatencyMs">Median CPU time of one input on one core in milliseconds, without features and transport.</param>
public sealed record ModelCost(long Parameters, long FileBytes, double LatencyMs);

/// <summary>One value per epoch of the run that trained the weights; the four lists have equal length.</summary>
/// <param name="Loss">Mean cross-entropy on augmented training data, in nats.</param>
/// <param name="Accuracy">Accuracy on augmented training data, [0, 1].</param>
/// <param name="ValidationLoss">Mean cross-entropy on validation data in nats.</param>
/// <param name="ValidationAccuracy">Accuracy on validation data, [0, 1].</param>
public sealed record LearningCurves(
    IReadOnlyList<double> Loss, IReadOnlyList<double> Accuracy, IReadOnlyList<double> ValidationLoss, IReadOnlyList<double> ValidationAccuracy);

/// <summary>An evaluation on one data set under one protocol.</summary>
public sealed record ModelMetrics
{
    /// <summary>Evaluation protocol, for example "random 80/20, seed 1" or "unseen speakers: all 5 folds".</summary>
    public required string Protocol { get; init; }

    /// <summary>The file of <c>services/training/splits</c> that lists the test samples, or the common prefix of several files.</summary>
    public string? Split { get; init; }

    /// <summary>Data set, for example "RAVDESS+SAVEE+TESS test".</summary>
    public required string Data { get; init; }

    /// <summary>Degradation of the data: "8 kHz", "µ-law". Absent for the original data.</summary>
    public string? Condition { get; init; }

    /// <summary>Number of samples.</summary>
    public required int Samples { get; init; }

    /// <summary>Share of the samples whose best score is the label, [0, 1].</summary>
    public required double Accuracy { get; init; }

    /// <summary>UAR: mean recall of the classes that occur, [0, 1].</summary>
    public required double UnweightedAverageRecall { get; init; }

    /// <summary>Mean F1 of the classes that occur, [0, 1].</summary>
    public required double MacroF1 { get; init; }

    /// <summary>Mean precision of the classes that occur, [0, 1].</summary>
    public required double MacroPrecision { get; init; }

    /// <summary>ECE over 15 bins of confidence, [0, 1] (Guo et al. 2017).</summary>
    public required double ExpectedCalibrationError { get; init; }

    /// <summary>Accuracy at 80 % coverage: without the fifth of the samples with the lowest confidence.</summary>
    public Answered? MostCertain { get; init; }

    /// <summary>Coverage and accuracy at <see cref="ModelOutput.AbstainBelow"/>.</summary>
    public Answered? AtThreshold { get; init; }

    /// <summary>Equal bins of confidence from 0 to 1, including empty ones.</summary>
    public IReadOnlyList<ReliabilityBin> Reliability { get; init; } = [];

    /// <summary>Counts, [true label][predicted label], in the order of the emotions.</summary>
    public IReadOnlyList<IReadOnlyList<int>> Confusion { get; init; } = [];

    /// <summary>
    /// Results per fold, each with the weights of its fold. With one corpus a fold, accuracy, UAR, macro metrics and ECE are the means
    /// of the folds; otherwise the predictions are pooled.
    /// </summary>
    public IReadOnlyList<FoldMetrics> Folds { get; init; } = [];

    /// <summary>Metrics per class, from <see cref="Confusion"/>; empty if that is empty.</summary>
    [JsonIgnore]
    public IReadOnlyList<ClassMetrics> Classes => [.. Confusion.Select((row, label) =>
    {
        var (truePositives, actual, predicted) = (row[label], row.Sum(), Confusion.Sum(other => other[label]));
        // 0 / 0 counts as 0, as in scikit-learn (zero_division=0).
        return new ClassMetrics(Ratio(truePositives, predicted), Ratio(truePositives, actual), Ratio(2 * truePositives, actual + predicted), actual);
    })];

    private static double Ratio(int part, int whole) => whole == 0 ? 0 : (double)part / whole;
}

/// <summary>Metrics of one class against the others.</summary>
/// <param name="Precision">Share of the samples predicted as this class that belong to it, [0, 1].</param>
/// <param name="Recall">Share of the samples of this class that are predicted as it, [0, 1].</param>
/// <param name="F1">Harmonic mean of precision and recall, [0, 1].</param>
/// <param name="Support">Number of samples of this class.</param>
public readonly record struct ClassMetrics(double Precision, double Recall, double F1, int Support);

/// <summary>Accuracy with abstention.</summary>
/// <param name="Coverage">Share of the samples that were answered, [0, 1].</param>
/// <param name="Accuracy">Accuracy on the answered samples, [0, 1].</param>
public sealed record Answered(double Coverage, double Accuracy);

/// <summary>Samples of similar confidence. If scores are calibrated, accuracy equals confidence.</summary>
/// <param name="Count">Number of samples.</param>
/// <param name="Confidence">Mean of their best scores, [0, 1].</param>
/// <param name="Accuracy">Share of correct samples, [0, 1].</param>
public sealed record ReliabilityBin(int Count, double Confidence, double Accuracy);

/// <summary>The result of one fold.</summary>
/// <param name="Name">The file of <c>services/training/splits</c>.</param>
/// <param name="Samples">Number of samples.</param>
/// <param name="Accuracy">Share of correct samples, [0, 1].</param>
/// <param name="UnweightedAverageRecall">UAR over the classes that occur, [0, 1].</param>
public sealed record FoldMetrics(string Name, int Samples, double Accuracy, double UnweightedAverageRecall)
{
    /// <summary>ECE over 15 bins of confidence, [0, 1]. Absent in manifests of earlier versions.</summary>
    public double? ExpectedCalibrationError { get; init; }
}
