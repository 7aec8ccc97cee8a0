using Affect.Emotions;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Affect.Client;

/// <summary>Maps between the protos and the types of the SDK.</summary>
internal static class Mapping
{
    /// <summary>Formats JSON as the REST API does: with proto names, and with defaults, so that a score of 0 differs from an absent one.</summary>
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
        proto.Channels.AddRange(clip.Channels.Select(role => new V1.AudioChannel { Role = (V1.SpeakerRole)(role + 1) }));
        return proto;
    }

    public static V1.StreamConfig ToProto(this StreamOptions options)
    {
        var proto = new V1.StreamConfig
        {
            // Set here rather than by the server, so that a call keeps it if it restarts before its first checkpoint.
            SessionId = options.SessionId ?? Guid.NewGuid().ToString("N"),
            SpeechModel = options.SpeechModel ?? "",
            FaceModel = options.FaceModel ?? "",
        };
        if (options.Audio is { } audio)
        {
            proto.Audio = new V1.AudioStream { Encoding = (V1.AudioEncoding)(audio.Encoding + 1), SampleRate = audio.SampleRate };
            proto.Audio.Channels.AddRange(audio.Channels.Select(role => new V1.AudioChannel { Role = (V1.SpeakerRole)(role + 1) }));
        }
        if (options.Video is { } video)
            proto.Video = new V1.VideoStream { Role = (V1.SpeakerRole)(video + 1) };
        if (options.Window is { } window)
            proto.Window = Duration.FromTimeSpan(window);
        if (options.Hop is { } hop)
            proto.Hop = Duration.FromTimeSpan(hop);
        return proto;
    }

    /// <summary>Returns null for checkpoints and for messages that this version does not know.</summary>
    public static CallResult? ToResult(this V1.AnalyzeStreamResponse proto) => proto.MessageCase switch
    {
        V1.AnalyzeStreamResponse.MessageOneofCase.Started => proto.Started.ToResult() with { Proto = proto },
        V1.AnalyzeStreamResponse.MessageOneofCase.Window => proto.Window.ToResult() with { Proto = proto },
        V1.AnalyzeStreamResponse.MessageOneofCase.Activity =>
            new SpeechActivity(proto.Activity.Channel, proto.Activity.Segment.ToDomain()) { Proto = proto },
        V1.AnalyzeStreamResponse.MessageOneofCase.Frame =>
            new FrameResult(proto.Frame.Time.ToOffset(), proto.Frame.Image.ToResult()) { Proto = proto },
        V1.AnalyzeStreamResponse.MessageOneofCase.Alert => proto.Alert.ToResult() with { Proto = proto },
        V1.AnalyzeStreamResponse.MessageOneofCase.Summary => proto.Summary.ToResult() with { Proto = proto },
        _ => null,
    };

    public static TimeSpan ToOffset(this Duration? proto) => proto?.ToTimeSpan() ?? TimeSpan.Zero;

    public static Analysis ToAnalysis(this V1.Analysis proto) =>
        new(proto.Fused.ToResult(), proto.Speech?.ToResult(), proto.Face?.ToResult(), proto.Notice) { Proto = proto };

    public static Model ToModel(this V1.Model proto) => new()
    {
        Name = proto.Reference.Name,
        Version = proto.Reference.Version,
        Modality = proto.Modality == V1.Modality.Face ? Modality.Face : Modality.Speech,
        Description = proto.Description,
        IsDefault = proto.IsDefault,
        License = proto.License,
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
        Judgement = proto.Judgement.ToDomain(),
        SpeechWeight = proto.SpeechWeight,
        FaceWeight = proto.FaceWeight,
    };

    private static SpeechResult ToResult(this V1.SpeechResult proto) => new()
    {
        Judgement = proto.Judgement.ToDomain(),
        Model = proto.Model.ToReference(),
        Duration = proto.Duration.ToOffset(),
        Windows = [.. proto.Windows.Select(ToResult)],
        Segments = [.. proto.Segments.Select(ToDomain)],
        Track = proto.Track is { } track ? new(track.Index, track.Count) : null,
        Channels = [.. proto.Channels.Select(channel =>
            new ChannelResult(channel.Role.ToDomain(), channel.Emotion, channel.Judgement.ToDomain()))],
    };

    private static SpeechWindow ToResult(this V1.SpeechWindow proto) => new()
    {
        Judgement = proto.Judgement.ToDomain(),
        Start = proto.Start.ToOffset(),
        End = proto.End.ToOffset(),
        Channel = proto.Channel,
    };

    private static FaceResult ToResult(this V1.FaceResult proto) => new()
    {
        Judgement = proto.Judgement.ToDomain(),
        Model = proto.Model.ToReference(),
        Images = [.. proto.Images.Select(ToResult)],
    };

    private static ImageResult ToResult(this V1.ImageResult proto) =>
        new(proto.Outcome.ToDomain(), proto.Width, proto.Height, [.. proto.Faces.Select(ToFace)]);

    private static DetectedFace ToFace(V1.Face proto) => new()
    {
        Judgement = proto.Judgement.ToDomain(),
        Box = new(proto.Box.Left, proto.Box.Top, proto.Box.Width, proto.Box.Height),
        DetectionConfidence = proto.DetectionConfidence,
    };

    private static CallStarted ToResult(this V1.StreamStarted proto) => new()
    {
        SessionId = proto.SessionId,
        Notice = proto.Notice,
        SpeechModel = proto.SpeechModel.ToReference(),
        FaceModel = proto.FaceModel.ToReference(),
        Window = proto.Window.ToOffset(),
        Hop = proto.Hop.ToOffset(),
        Channels = [.. proto.Channels.Select(channel => new ChannelPolicy(channel.Role.ToDomain(), channel.Emotion))],
    };

    private static CallWindow ToResult(this V1.StreamWindow proto) => new()
    {
        Channel = proto.Channel,
        Index = proto.Index,
        Start = proto.Start.ToOffset(),
        End = proto.End.ToOffset(),
        Voice = proto.Voice?.ToResult(),
        Face = proto.Face?.ToResult(),
        Fused = (proto.Fused ?? new V1.FusedResult()).ToResult(),
        Smoothed = proto.Smoothed.ToDomain(),
    };

    private static FaceWindow ToResult(this V1.FaceWindow proto) => new()
    {
        Judgement = proto.Judgement.ToDomain(),
        Frames = proto.Frames,
    };

    private static Alert ToResult(this V1.Alert proto) => new()
    {
        Rule = proto.Rule,
        Channel = proto.Channel,
        State = proto.State == V1.AlertState.Cleared ? AlertState.Cleared : AlertState.Raised,
        Time = proto.Time.ToOffset(),
        Emotion = proto.Emotion.ToDomain(),
        Evidence = [.. proto.Evidence.Select(evidence =>
            new AlertEvidence(evidence.Start.ToOffset(), evidence.End.ToOffset(), evidence.Score))],
    };

    private static CallSummary ToResult(this V1.CallSummary proto) => new()
    {
        End = proto.End == V1.CallEnd.Stalled ? CallEnd.Stalled : CallEnd.Completed,
        Duration = proto.Duration.ToOffset(),
        Overlap = proto.Overlap.ToOffset(),
        MissingAudio = proto.MissingAudio.ToOffset(),
        SkippedBytes = proto.SkippedBytes,
        Channels = [.. proto.Channels.Select(channel => new ChannelSummary
        {
            Channel = channel.Channel,
            Role = channel.Role.ToDomain(),
            Talk = channel.Talk.ToOffset(),
            Silence = channel.Silence.ToOffset(),
            Interruptions = channel.Interruptions,
            LongestMonologue = channel.LongestMonologue.ToOffset(),
            Loudness = channel.Loudness is { } loudness
                ? new Loudness(loudness.MeanDbfs, loudness.PeakDbfs, loudness.TrendDbPerMinute)
                : null,
            Emotion = channel.Emotion?.ToResult(),
        })],
    };

    private static EmotionSummary ToResult(this V1.EmotionSummary proto) => new()
    {
        Judgement = proto.Judgement.ToDomain(),
        Windows = proto.Windows,
        Scored = proto.Scored,
        Empty = proto.Empty,
        Lost = proto.Lost,
        Arc = [.. proto.Arc.Select(point => new ArcPoint(point.Start.ToOffset(), point.End.ToOffset(), point.Scores.ToDomain()))],
        Peaks = [.. proto.Peaks.Select(peak => new Peak(peak.Emotion.ToDomain(), peak.Time.ToOffset(), peak.Score))],
    };

    private static SpeechSegment ToDomain(this V1.SpeechSegment proto) => new(proto.Start.ToOffset(), proto.End.ToOffset()) { Channel = proto.Channel };

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

    // The protos' enums start with unspecified. An outcome that this version does not know counts as unavailable.
    private static Outcome ToDomain(this V1.Outcome proto) =>
        proto is > V1.Outcome.Unspecified and <= V1.Outcome.NotPermitted ? (Outcome)(proto - 1) : Outcome.Unavailable;

    private static Emotion? ToDomain(this V1.Emotion proto) =>
        proto is > V1.Emotion.Unspecified and <= V1.Emotion.Surprise ? (Emotion)(proto - 1) : null;

    // A role that is unspecified or unknown to this version.
    private static SpeakerRole ToDomain(this V1.SpeakerRole proto) =>
        proto is > V1.SpeakerRole.Unspecified and <= V1.SpeakerRole.Unknown ? (SpeakerRole)(proto - 1) : SpeakerRole.Unknown;

    private static Judgement ToDomain(this V1.Judgement? proto) => proto is null
        ? new(Outcome.Unavailable, null, null, 0)
        : new(proto.Outcome.ToDomain(), proto.Scores.ToDomain(), proto.Emotion.ToDomain(), proto.Confidence);

    private static EmotionScores? ToDomain(this V1.EmotionScores? proto) => proto is null ? null : EmotionScores.FromWeights(
        [proto.Neutral, proto.Happy, proto.Sad, proto.Angry, proto.Fear, proto.Disgust, proto.Surprise]);
}
