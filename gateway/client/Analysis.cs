using Affect.Emotions;

namespace Affect.Client;

/// <summary>The result of one clip.</summary>
/// <param name="Fused">Voice and faces fused.</param>
/// <param name="Speech">Result of the voice; null without audio.</param>
/// <param name="Face">Result of the faces; null without pictures.</param>
/// <param name="Notice">The notice that the law requires for the persons concerned (EU AI Act, Art. 50(3)).</param>
public sealed record Analysis(FusedResult Fused, SpeechResult? Speech, FaceResult? Face, string Notice)
{
    internal V1.Analysis? Proto { get; init; }

    /// <summary>The JSON of the REST API; empty unless the analysis comes from a server.</summary>
    public string ToJson() => Proto is null ? "" : Mapping.Json.Format(Proto);
}

/// <summary>The emotion of one input, or of several together.</summary>
/// <param name="Outcome">How the judgement ended. Only <see cref="Outcome.Ok"/> and <see cref="Outcome.Uncertain"/> carry scores.</param>
/// <param name="Scores">Calibrated probabilities of the seven emotions, sum 1; null without scores.</param>
/// <param name="Emotion">The likeliest emotion; null unless the outcome is OK.</param>
/// <param name="Confidence">The score of the likeliest emotion, [0, 1]; 0 without scores.</param>
public sealed record Judgement(Outcome Outcome, EmotionScores? Scores, Emotion? Emotion, float Confidence);

/// <summary>Voice and faces fused.</summary>
public sealed record FusedResult
{
    /// <summary>OK or UNCERTAIN if a modality has scores; otherwise the outcome that the modalities agree on, UNAVAILABLE before any other.</summary>
    public required Judgement Judgement { get; init; }

    /// <summary>Weight of the voice; 0 if it has no scores.</summary>
    public required float SpeechWeight { get; init; }

    /// <summary>Weight of the faces; 0 if they have no scores.</summary>
    public required float FaceWeight { get; init; }
}

/// <summary>The result of the voice.</summary>
public sealed record SpeechResult
{
    /// <summary>Judgement of the mean over the windows with speech, of all channels.</summary>
    public required Judgement Judgement { get; init; }

    /// <summary>The model; null if the service did not answer.</summary>
    public required ModelReference? Model { get; init; }

    /// <summary>Length of the audio.</summary>
    public required TimeSpan Duration { get; init; }

    /// <summary>
    /// Windows of the first channel, then of the next one, each in the order of time. They overlap if the hop is shorter than the window.
    /// </summary>
    public required IReadOnlyList<SpeechWindow> Windows { get; init; }

    /// <summary>Segments with speech, in the same order.</summary>
    public required IReadOnlyList<SpeechSegment> Segments { get; init; }

    /// <summary>The audio track that was analyzed: the default one of the file; null if the service did not answer.</summary>
    public AudioTrack? Track { get; init; }

    /// <summary>One per channel of the audio; empty if the audio was not decoded.</summary>
    public IReadOnlyList<ChannelResult> Channels { get; init; } = [];
}

/// <summary>An audio track of a file, such as a language of a video.</summary>
/// <param name="Index">Index among the audio tracks of the file, from 0.</param>
/// <param name="Count">Number of audio tracks of the file.</param>
public readonly record struct AudioTrack(int Index, int Count);

/// <summary>The result of one channel of the audio.</summary>
/// <param name="Role">Role of the speaker, as in the clip; unknown without roles.</param>
/// <param name="Emotion">True if emotions are inferred; false if the role does not permit it.</param>
/// <param name="Judgement">Judgement of the mean over the windows with speech of this channel.</param>
public sealed record ChannelResult(SpeakerRole Role, bool Emotion, Judgement Judgement);

/// <summary>The result of one window of audio.</summary>
public sealed record SpeechWindow
{
    /// <summary>OK, UNCERTAIN, NO_SPEECH or UNAVAILABLE.</summary>
    public required Judgement Judgement { get; init; }

    /// <summary>Start, from the start of the clip or call.</summary>
    public required TimeSpan Start { get; init; }

    /// <summary>End, at most the end of the clip or call.</summary>
    public required TimeSpan End { get; init; }

    /// <summary>Index of the channel of the audio.</summary>
    public int Channel { get; init; }
}

/// <summary>A segment with speech, from the start of the clip or call.</summary>
public readonly record struct SpeechSegment(TimeSpan Start, TimeSpan End)
{
    /// <summary>Index of the channel of the audio.</summary>
    public int Channel { get; init; }
}

/// <summary>The result of the faces.</summary>
public sealed record FaceResult
{
    /// <summary>Judgement of the mean over the largest face of each picture.</summary>
    public required Judgement Judgement { get; init; }

    /// <summary>The model; null if the service did not answer.</summary>
    public required ModelReference? Model { get; init; }

    /// <summary>One result per picture of the clip, in the same order.</summary>
    public required IReadOnlyList<ImageResult> Images { get; init; }
}

/// <summary>The faces of one picture.</summary>
/// <param name="Outcome">OK if at least one face has scores; NO_FACE or UNAVAILABLE otherwise.</param>
/// <param name="Width">Width in pixels, after the EXIF orientation is applied.</param>
/// <param name="Height">Height in pixels.</param>
/// <param name="Faces">The faces, largest first.</param>
public sealed record ImageResult(Outcome Outcome, int Width, int Height, IReadOnlyList<DetectedFace> Faces);

/// <summary>One face.</summary>
public sealed record DetectedFace
{
    /// <summary>OK, UNCERTAIN or UNAVAILABLE.</summary>
    public required Judgement Judgement { get; init; }

    /// <summary>Position in the picture.</summary>
    public required BoundingBox Box { get; init; }

    /// <summary>The detector's confidence that this is a face, [0, 1].</summary>
    public required float DetectionConfidence { get; init; }
}

/// <summary>A rectangle in pixels, origin at the upper left, inside the picture.</summary>
public readonly record struct BoundingBox(int Left, int Top, int Width, int Height);

/// <summary>The model of a result.</summary>
/// <param name="Name">For example "cnn-attention".</param>
/// <param name="Version">For example "1".</param>
public sealed record ModelReference(string Name, string Version);
