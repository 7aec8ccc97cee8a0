using Affect.Emotions;

namespace Affect.Client;

/// <summary>
/// Something that was found in a call: <see cref="CallStarted"/> first, <see cref="CallSummary"/> last,
/// between them <see cref="CallWindow"/>, <see cref="SpeechActivity"/>, <see cref="FrameResult"/> and
/// <see cref="Alert"/>. Times are from the start of the call.
/// </summary>
public abstract record CallResult
{
    private protected CallResult()
    {
    }

    internal V1.AnalyzeStreamResponse? Proto { get; init; }

    /// <summary>The message as the server sent it, <c>{ "window": { … } }</c>; empty unless a server gave this result.</summary>
    public string ToJson() => Proto is null ? "" : Mapping.Json.Format(Proto);
}

/// <summary>How a call is going to be treated.</summary>
public sealed record CallStarted : CallResult
{
    /// <summary>Names the call in the operator's events.</summary>
    public required string SessionId { get; init; }

    /// <summary>What the law asks to be told to the people concerned (EU AI Act, Art. 50(3)).</summary>
    public required string Notice { get; init; }

    /// <summary>Null where no channel is listened to for emotion.</summary>
    public required ModelReference? SpeechModel { get; init; }

    /// <summary>Null without video.</summary>
    public required ModelReference? FaceModel { get; init; }

    /// <summary>Length of a window.</summary>
    public required TimeSpan Window { get; init; }

    /// <summary>From the start of one window to the next.</summary>
    public required TimeSpan Hop { get; init; }

    /// <summary>One for each channel of the audio, then one for the video where it stands alone.</summary>
    public required IReadOnlyList<ChannelPolicy> Channels { get; init; }
}

/// <summary>What is done with a channel.</summary>
/// <param name="Role">Who speaks on it.</param>
/// <param name="Emotion">Whether its windows are judged; if not, it gets metrics alone.</param>
public readonly record struct ChannelPolicy(SpeakerRole Role, bool Emotion);

/// <summary>One step of a channel's time line.</summary>
public sealed record CallWindow : CallResult
{
    /// <summary>Index into <see cref="CallStarted.Channels"/>.</summary>
    public required int Channel { get; init; }

    /// <summary>Counts from 0 for each channel.</summary>
    public required long Index { get; init; }

    /// <summary>Where it begins.</summary>
    public required TimeSpan Start { get; init; }

    /// <summary>Where it ends.</summary>
    public required TimeSpan End { get; init; }

    /// <summary>What the voice shows; null without audio.</summary>
    public required SpeechWindow? Voice { get; init; }

    /// <summary>What the faces show; null without video.</summary>
    public required FaceWindow? Face { get; init; }

    /// <summary>Both as one answer.</summary>
    public required FusedResult Fused { get; init; }

    /// <summary>Smoothed over this and all earlier windows; the prior before the first window with scores.</summary>
    public required Judgement Smoothed { get; init; }
}

/// <summary>The result of the frames in a window, over the mean of the largest face of each.</summary>
public sealed record FaceWindow
{
    /// <summary>OK, UNCERTAIN, NO_FACE or UNAVAILABLE.</summary>
    public required Judgement Judgement { get; init; }

    /// <summary>Frames that counted.</summary>
    public required int Frames { get; init; }
}

/// <summary>A stretch of voice that has ended.</summary>
/// <param name="Channel">Index into <see cref="CallStarted.Channels"/>.</param>
/// <param name="Segment">From when to when.</param>
public sealed record SpeechActivity(int Channel, SpeechSegment Segment) : CallResult;

/// <summary>The faces of one frame, as soon as they are known.</summary>
/// <param name="Time">When it was taken.</param>
/// <param name="Image">Its faces.</param>
public sealed record FrameResult(TimeSpan Time, ImageResult Image) : CallResult;

/// <summary>Whether a rule holds.</summary>
public enum AlertState
{
    Raised,
    Cleared,
}

/// <summary>A rule of the operator began or ceased to hold.</summary>
public sealed record Alert : CallResult
{
    /// <summary>The rule's name in the operator's configuration.</summary>
    public required string Rule { get; init; }

    /// <summary>Index into <see cref="CallStarted.Channels"/>.</summary>
    public required int Channel { get; init; }

    /// <summary>Whether it began or ceased.</summary>
    public required AlertState State { get; init; }

    /// <summary>End of the window that decided.</summary>
    public required TimeSpan Time { get; init; }

    /// <summary>The emotion that the rule is about.</summary>
    public required Emotion? Emotion { get; init; }

    /// <summary>The windows that the rule looked at, oldest first.</summary>
    public required IReadOnlyList<AlertEvidence> Evidence { get; init; }
}

/// <summary>One window that a rule looked at.</summary>
/// <param name="Start">Where it begins.</param>
/// <param name="End">Where it ends.</param>
/// <param name="Score">Smoothed score of the alert's emotion, [0, 1].</param>
public readonly record struct AlertEvidence(TimeSpan Start, TimeSpan End, float Score);

/// <summary>Why a call ended.</summary>
public enum CallEnd
{
    /// <summary>The client said that it was complete.</summary>
    Completed,

    /// <summary>Nothing came for the time that the operator configured.</summary>
    Stalled,
}

/// <summary>A whole call, the last result.</summary>
public sealed record CallSummary : CallResult
{
    /// <summary>Why it ended.</summary>
    public required CallEnd End { get; init; }

    /// <summary>Of the audio, or up to the last frame.</summary>
    public required TimeSpan Duration { get; init; }

    /// <summary>In which two or more channels spoke at once.</summary>
    public required TimeSpan Overlap { get; init; }

    /// <summary>In place of which silence was put.</summary>
    public required TimeSpan MissingAudio { get; init; }

    /// <summary>One for each of <see cref="CallStarted.Channels"/>.</summary>
    public required IReadOnlyList<ChannelSummary> Channels { get; init; }
}

/// <summary>One channel of a whole call.</summary>
public sealed record ChannelSummary
{
    /// <summary>Index into <see cref="CallStarted.Channels"/>.</summary>
    public required int Channel { get; init; }

    /// <summary>Who speaks on it.</summary>
    public required SpeakerRole Role { get; init; }

    /// <summary>Time with voice.</summary>
    public required TimeSpan Talk { get; init; }

    /// <summary>Time without.</summary>
    public required TimeSpan Silence { get; init; }

    /// <summary>How often this channel began to speak while another was speaking.</summary>
    public required int Interruptions { get; init; }

    /// <summary>Longest speech that no other channel's came into.</summary>
    public required TimeSpan LongestMonologue { get; init; }

    /// <summary>Null where it was not measured.</summary>
    public required Loudness? Loudness { get; init; }

    /// <summary>Null where the channel's emotion is not looked for.</summary>
    public required EmotionSummary? Emotion { get; init; }
}

/// <summary>RMS of the stretches of voice; 0 dBFS is a full-scale square wave.</summary>
/// <param name="MeanDbfs">Power mean.</param>
/// <param name="PeakDbfs">Loudest 100 ms.</param>
/// <param name="TrendDbPerMinute">Slope of the least-squares line.</param>
public sealed record Loudness(float MeanDbfs, float PeakDbfs, float TrendDbPerMinute);

/// <summary>The emotions of a channel over the whole call.</summary>
public sealed record EmotionSummary
{
    /// <summary>Of the mean smoothed scores: each emotion's share of the call.</summary>
    public required Judgement Judgement { get; init; }

    /// <summary>Windows in all.</summary>
    public required int Windows { get; init; }

    /// <summary>Of these, with scores.</summary>
    public required int Scored { get; init; }

    /// <summary>Of these, without voice or face.</summary>
    public required int Empty { get; init; }

    /// <summary>Of these, that nobody could judge.</summary>
    public required int Lost { get; init; }

    /// <summary>The course of the call in equal stretches, at most 120.</summary>
    public required IReadOnlyList<ArcPoint> Arc { get; init; }

    /// <summary>The highest moment of each emotion that was ever the likeliest, highest first.</summary>
    public required IReadOnlyList<Peak> Peaks { get; init; }
}

/// <summary>A stretch of a call.</summary>
/// <param name="Start">Where it begins.</param>
/// <param name="End">Where it ends.</param>
/// <param name="Scores">Mean of the smoothed scores; null where nothing was scored.</param>
public sealed record ArcPoint(TimeSpan Start, TimeSpan End, EmotionScores? Scores);

/// <summary>The highest moment of an emotion.</summary>
/// <param name="Emotion">Which.</param>
/// <param name="Time">End of the window.</param>
/// <param name="Score">Smoothed, [0, 1].</param>
public readonly record struct Peak(Emotion? Emotion, TimeSpan Time, float Score);
