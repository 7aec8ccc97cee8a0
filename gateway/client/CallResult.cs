using Affect.Emotions;

namespace Affect.Client;

/// <summary>
/// A result of a call: <see cref="CallStarted"/> first, <see cref="CallSummary"/> last,
/// and between them <see cref="CallWindow"/>, <see cref="SpeechActivity"/>, <see cref="FrameResult"/> and
/// <see cref="Alert"/>. Times are from the start of the call.
/// </summary>
public abstract record CallResult
{
    private protected CallResult()
    {
    }

    internal V1.AnalyzeStreamResponse? Proto { get; init; }

    /// <summary>The message of the server, <c>{ "window": { … } }</c>; empty unless the result comes from a server.</summary>
    public string ToJson() => Proto is null ? "" : Mapping.Json.Format(Proto);
}

/// <summary>The parameters of a call.</summary>
public sealed record CallStarted : CallResult
{
    /// <summary>Identifies the call in the operator's events.</summary>
    public required string SessionId { get; init; }

    /// <summary>The notice that the law requires for the persons concerned (EU AI Act, Art. 50(3)).</summary>
    public required string Notice { get; init; }

    /// <summary>The speech model; null if no channel has emotion inference.</summary>
    public required ModelReference? SpeechModel { get; init; }

    /// <summary>The face model; null without video.</summary>
    public required ModelReference? FaceModel { get; init; }

    /// <summary>Length of a window.</summary>
    public required TimeSpan Window { get; init; }

    /// <summary>From the start of one window to the start of the next.</summary>
    public required TimeSpan Hop { get; init; }

    /// <summary>One per channel of the audio, then one for video without audio.</summary>
    public required IReadOnlyList<ChannelPolicy> Channels { get; init; }
}

/// <summary>The processing of a channel.</summary>
/// <param name="Role">Role of the speaker.</param>
/// <param name="Emotion">True if emotions are inferred; false if the channel has metrics only.</param>
public readonly record struct ChannelPolicy(SpeakerRole Role, bool Emotion);

/// <summary>One step of a channel's timeline.</summary>
public sealed record CallWindow : CallResult
{
    /// <summary>Index into <see cref="CallStarted.Channels"/>.</summary>
    public required int Channel { get; init; }

    /// <summary>Index of the window in its channel, from 0.</summary>
    public required long Index { get; init; }

    /// <summary>Start of the window.</summary>
    public required TimeSpan Start { get; init; }

    /// <summary>End of the window.</summary>
    public required TimeSpan End { get; init; }

    /// <summary>Result of the voice; null without audio.</summary>
    public required SpeechWindow? Voice { get; init; }

    /// <summary>Result of the faces; null without video.</summary>
    public required FaceWindow? Face { get; init; }

    /// <summary>Voice and faces fused.</summary>
    public required FusedResult Fused { get; init; }

    /// <summary>Judgement smoothed over this and all earlier windows; the prior before the first window with scores.</summary>
    public required Judgement Smoothed { get; init; }
}

/// <summary>The result of the frames in a window, over the mean of the largest face of each.</summary>
public sealed record FaceWindow
{
    /// <summary>OK, UNCERTAIN, NO_FACE or UNAVAILABLE.</summary>
    public required Judgement Judgement { get; init; }

    /// <summary>Number of frames in the mean.</summary>
    public required int Frames { get; init; }
}

/// <summary>A segment with speech that has ended.</summary>
/// <param name="Channel">Index into <see cref="CallStarted.Channels"/>.</param>
/// <param name="Segment">Start and end.</param>
public sealed record SpeechActivity(int Channel, SpeechSegment Segment) : CallResult;

/// <summary>The faces of one frame, as soon as they are known.</summary>
/// <param name="Time">Time of the frame.</param>
/// <param name="Image">Its faces.</param>
public sealed record FrameResult(TimeSpan Time, ImageResult Image) : CallResult;

/// <summary>State of an alert.</summary>
public enum AlertState
{
    Raised,
    Cleared,
}

/// <summary>A rule of the operator was raised or cleared.</summary>
public sealed record Alert : CallResult
{
    /// <summary>The rule's name in the operator's configuration.</summary>
    public required string Rule { get; init; }

    /// <summary>Index into <see cref="CallStarted.Channels"/>.</summary>
    public required int Channel { get; init; }

    /// <summary>The new state.</summary>
    public required AlertState State { get; init; }

    /// <summary>End of the window that changed the state.</summary>
    public required TimeSpan Time { get; init; }

    /// <summary>The emotion of the rule.</summary>
    public required Emotion? Emotion { get; init; }

    /// <summary>The windows that the rule evaluated, oldest first.</summary>
    public required IReadOnlyList<AlertEvidence> Evidence { get; init; }
}

/// <summary>A window that a rule evaluated.</summary>
/// <param name="Start">Start.</param>
/// <param name="End">End.</param>
/// <param name="Score">Smoothed score of the alert's emotion, [0, 1].</param>
public readonly record struct AlertEvidence(TimeSpan Start, TimeSpan End, float Score);

/// <summary>Reason for the end of a call.</summary>
public enum CallEnd
{
    /// <summary>The client completed the call.</summary>
    Completed,

    /// <summary>The server received nothing for the time that the operator configured.</summary>
    Stalled,
}

/// <summary>The summary of a call, its last result.</summary>
public sealed record CallSummary : CallResult
{
    /// <summary>Reason for the end.</summary>
    public required CallEnd End { get; init; }

    /// <summary>Length of the audio, or time of the last frame.</summary>
    public required TimeSpan Duration { get; init; }

    /// <summary>Time in which two or more channels have speech.</summary>
    public required TimeSpan Overlap { get; init; }

    /// <summary>Length of missing audio, which was replaced by silence.</summary>
    public required TimeSpan MissingAudio { get; init; }

    /// <summary>Bytes of audio that were not analyzed: those that the server had received before, and an incomplete last sample.</summary>
    public long SkippedBytes { get; init; }

    /// <summary>One per channel of <see cref="CallStarted.Channels"/>.</summary>
    public required IReadOnlyList<ChannelSummary> Channels { get; init; }
}

/// <summary>The summary of one channel.</summary>
public sealed record ChannelSummary
{
    /// <summary>Index into <see cref="CallStarted.Channels"/>.</summary>
    public required int Channel { get; init; }

    /// <summary>Role of the speaker.</summary>
    public required SpeakerRole Role { get; init; }

    /// <summary>Time with speech.</summary>
    public required TimeSpan Talk { get; init; }

    /// <summary>Time without speech.</summary>
    public required TimeSpan Silence { get; init; }

    /// <summary>Number of times that this channel began to speak while another was speaking.</summary>
    public required int Interruptions { get; init; }

    /// <summary>Longest speech without speech of another channel.</summary>
    public required TimeSpan LongestMonologue { get; init; }

    /// <summary>Loudness; null if not measured.</summary>
    public required Loudness? Loudness { get; init; }

    /// <summary>Emotions; null without emotion inference.</summary>
    public required EmotionSummary? Emotion { get; init; }
}

/// <summary>RMS of the speech; 0 dBFS is a full-scale square wave.</summary>
/// <param name="MeanDbfs">Power mean.</param>
/// <param name="PeakDbfs">Loudest 100 ms.</param>
/// <param name="TrendDbPerMinute">Slope of the least-squares line.</param>
public sealed record Loudness(float MeanDbfs, float PeakDbfs, float TrendDbPerMinute);

/// <summary>The emotions of a channel over the whole call.</summary>
public sealed record EmotionSummary
{
    /// <summary>Judgement of the mean smoothed scores, each emotion's share of the call.</summary>
    public required Judgement Judgement { get; init; }

    /// <summary>Number of windows.</summary>
    public required int Windows { get; init; }

    /// <summary>Windows with scores.</summary>
    public required int Scored { get; init; }

    /// <summary>Windows without speech or face.</summary>
    public required int Empty { get; init; }

    /// <summary>Windows with the outcome UNAVAILABLE.</summary>
    public required int Lost { get; init; }

    /// <summary>The call in equal spans, at most 120.</summary>
    public required IReadOnlyList<ArcPoint> Arc { get; init; }

    /// <summary>The peak of each emotion that was the likeliest at any time, highest first.</summary>
    public required IReadOnlyList<Peak> Peaks { get; init; }
}

/// <summary>A span of a call.</summary>
/// <param name="Start">Start.</param>
/// <param name="End">End.</param>
/// <param name="Scores">Mean of the smoothed scores; null without scores.</param>
public sealed record ArcPoint(TimeSpan Start, TimeSpan End, EmotionScores? Scores);

/// <summary>The window with the highest score of an emotion.</summary>
/// <param name="Emotion">The emotion.</param>
/// <param name="Time">End of the window.</param>
/// <param name="Score">Smoothed score, [0, 1].</param>
public readonly record struct Peak(Emotion? Emotion, TimeSpan Time, float Score);
