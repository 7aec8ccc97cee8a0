using Affect.Emotions;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Affect.Client;

/// <summary>Between the protos and what users of the SDK see.</summary>
internal static class Mapping
{
    /// <summary>Writes what the REST API writes: proto names, and defaults, so that a score of 0 is not one that is missing.</summary>
    public static JsonFormatter Json { get; } = new(
        JsonFormatter.Settings.Default.WithPreserveProtoFieldNames(true).WithFormatDefaultValues(true));

    public static async Task<V1.Clip> ToProtoAsync(this Clip clip, CancellationToken cancellation)
    {
        var proto = new V1.Clip { SpeechModel = clip.SpeechModel ?? "", FaceModel = clip.FaceModel ?? "" };
        if (clip.Audio is not null)
            proto.Audio = await clip.Audio.ReadAsync(cancellation).ConfigureAwait(false);
        foreach (var image in clip.Images)
            proto.Images.Add(await image.ReadAsync(cancellation).ConfigureAwait(false));
        if (clip.Hop is { } hop)
            proto.Hop = Duration.FromTimeSpan(hop);
        return proto;
    }

    public static Analysis ToAnalysis(this V1.Analysis proto) =>
        new(proto.Fused.ToResult(), proto.Speech?.ToResult(), proto.Face?.ToResult(), proto.Notice) { Proto = proto };

    public static Model ToModel(this V1.Model proto) => new()
    {
        Name = proto.Reference.Name,
        Version = proto.Reference.Version,
        Modality = proto.Modality == V1.Modality.Face ? Modality.Face : Modality.Speech,
        Description = proto.Description,
        IsDefault = proto.IsDefault,
        Licence = proto.Licence,
        Temperature = proto.Temperature,
        AbstainBelow = proto.AbstainBelow,
        Metrics = [.. proto.Metrics.Select(ToMetrics)],
        Latency = proto.Cost?.Latency?.ToTimeSpan(),
        Proto = proto,
    };

    public static V1.Modality ToProto(this Modality? modality) => modality switch
    {
        Modality.Speech => V1.Modality.Speech,
        Modality.Face => V1.Modality.Face,
        _ => V1.Modality.Unspecified,
    };

    private static FusedResult ToResult(this V1.FusedResult proto) => new()
    {
        Outcome = proto.Outcome.ToDomain(),
        Scores = proto.Scores.ToDomain(),
        Emotion = proto.Emotion.ToDomain(),
        Confidence = proto.Confidence,
        SpeechWeight = proto.SpeechWeight,
        FaceWeight = proto.FaceWeight,
    };

    private static SpeechResult ToResult(this V1.SpeechResult proto) => new()
    {
        Outcome = proto.Outcome.ToDomain(),
        Scores = proto.Scores.ToDomain(),
        Emotion = proto.Emotion.ToDomain(),
        Confidence = proto.Confidence,
        Model = proto.Model.ToReference(),
        Duration = proto.Duration.ToOffset(),
        Windows = [.. proto.Windows.Select(window => new SpeechWindow
        {
            Outcome = window.Outcome.ToDomain(),
            Scores = window.Scores.ToDomain(),
            Emotion = window.Emotion.ToDomain(),
            Confidence = window.Confidence,
            Start = window.Start.ToOffset(),
            End = window.End.ToOffset(),
        })],
        Segments = [.. proto.Segments.Select(segment => new SpeechSegment(segment.Start.ToOffset(), segment.End.ToOffset()))],
    };

    private static FaceResult ToResult(this V1.FaceResult proto) => new()
    {
        Outcome = proto.Outcome.ToDomain(),
        Scores = proto.Scores.ToDomain(),
        Emotion = proto.Emotion.ToDomain(),
        Confidence = proto.Confidence,
        Model = proto.Model.ToReference(),
        Images = [.. proto.Images.Select(image => new ImageResult(
            image.Outcome.ToDomain(), image.Width, image.Height, [.. image.Faces.Select(ToFace)]))],
    };

    private static DetectedFace ToFace(V1.Face proto) => new()
    {
        Outcome = proto.Outcome.ToDomain(),
        Scores = proto.Scores.ToDomain(),
        Emotion = proto.Emotion.ToDomain(),
        Confidence = proto.Confidence,
        Box = new(proto.Box.Left, proto.Box.Top, proto.Box.Width, proto.Box.Height),
        DetectionConfidence = proto.DetectionConfidence,
    };

    private static ModelMetrics ToMetrics(V1.ModelMetrics proto) => new()
    {
        Protocol = proto.Protocol,
        Data = proto.Data,
        Condition = proto.Condition,
        Samples = proto.Samples,
        Accuracy = proto.Accuracy,
        UnweightedAverageRecall = proto.UnweightedAverageRecall,
        MacroF1 = proto.MacroF1,
        MacroPrecision = proto.MacroPrecision,
        ExpectedCalibrationError = proto.ExpectedCalibrationError,
        Confusion = [.. proto.Confusion.Select(row => row.Counts.ToList())],
    };

    private static ModelReference? ToReference(this V1.ModelReference? proto) =>
        proto is null ? null : new(proto.Name, proto.Version);

    private static TimeSpan ToOffset(this Duration? proto) => proto?.ToTimeSpan() ?? TimeSpan.Zero;

    // The protos' enums are one higher: 0 is unspecified. An outcome that is younger than this client counts as unavailable.
    private static Outcome ToDomain(this V1.Outcome proto) =>
        proto is > V1.Outcome.Unspecified and <= V1.Outcome.Unavailable ? (Outcome)(proto - 1) : Outcome.Unavailable;

    private static Emotion? ToDomain(this V1.Emotion proto) =>
        proto is > V1.Emotion.Unspecified and <= V1.Emotion.Surprise ? (Emotion)(proto - 1) : null;

    private static EmotionScores? ToDomain(this V1.EmotionScores? proto) => proto is null ? null : EmotionScores.FromWeights(
        [proto.Neutral, proto.Happy, proto.Sad, proto.Angry, proto.Fear, proto.Disgust, proto.Surprise]);
}
