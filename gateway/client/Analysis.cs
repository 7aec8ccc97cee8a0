using Affect.Emotions;

namespace Affect.Client;

/// <summary>What was found in a clip.</summary>
/// <param name="Fused">Voice and faces as one answer.</param>
/// <param name="Speech">What the voice shows; null where the clip has no audio.</param>
/// <param name="Face">What the faces show; null where the clip has no pictures.</param>
/// <param name="Notice">What the law asks to be told to the people concerned (EU AI Act, Art. 50(3)).</param>
public sealed record Analysis(FusedResult Fused, SpeechResult? Speech, FaceResult? Face, string Notice)
{
    internal V1.Analysis? Proto { get; init; }

    /// <summary>The JSON that the REST API answers; empty unless a server gave this analysis.</summary>
    public string ToJson() => Proto is null ? "" : Mapping.Json.Format(Proto);
}

/// <summary>The emotion of one input, or of several together.</summary>
/// <param name="Outcome">How the judgement ended. Only <see cref="Outcome.Ok"/> and <see cref="Outcome.Uncertain"/> carry scores.</param>
/// <param name="Scores">Calibrated probabilities of the seven emotions, sum 1; null without scores.</param>
/// <param name="Emotion">The likeliest emotion; null unless the outcome is OK.</param>
/// <param name="Confidence">The score of the likeliest emotion, [0, 1]; 0 without scores.</param>
public sealed record Judgement(Outcome Outcome, EmotionScores? Scores, Emotion? Emotion, float Confidence);

/// <summary>Voice and faces as one answer.</summary>
public sealed record FusedResult
{
    /// <summary>OK or UNCERTAIN if a modality has scores; otherwise the outcome that the modalities agree on, UNAVAILABLE before any other.</summary>
    public required Judgement Judgement { get; init; }

    /// <summary>Weight of the voice; 0 where it did not answer with scores.</summary>
    public required float SpeechWeight { get; init; }

    /// <summary>Weight of the faces; 0 where they did not answer with scores.</summary>
    public required float FaceWeight { get; init; }
}

/// <summary>What the voice shows.</summary>
public sealed record SpeechResult
{
    /// <summary>Of the mean over the windows with speech.</summary>
    public required Judgement Judgement { get; init; }

    /// <summary>Null where no model is known, for the service did not answer.</summary>
    public required ModelReference? Model { get; init; }

    /// <summary>Length of the audio.</summary>
    public required TimeSpan Duration { get; init; }

    /// <summary>In the order of time; they overlap where the hop is shorter than the window.</summary>
    public required IReadOnlyList<SpeechWindow> Windows { get; init; }

    /// <summary>Where somebody speaks, in the order of time.</summary>
    public required IReadOnlyList<SpeechSegment> Segments { get; init; }
}

/// <summary>Scores of one window of audio.</summary>
public sealed record SpeechWindow
{
    /// <summary>OK, UNCERTAIN, NO_SPEECH or UNAVAILABLE.</summary>
    public required Judgement Judgement { get; init; }

    /// <summary>From the start of the clip.</summary>
    public required TimeSpan Start { get; init; }

    /// <summary>At most the end of the clip.</summary>
    public required TimeSpan End { get; init; }
}

/// <summary>A stretch of voice, from the start of the clip.</summary>
public readonly record struct SpeechSegment(TimeSpan Start, TimeSpan End);

/// <summary>What the faces show.</summary>
public sealed record FaceResult
{
    /// <summary>Of the mean over the largest face of each picture.</summary>
    public required Judgement Judgement { get; init; }

    /// <summary>Null where no model is known, for the service did not answer.</summary>
    public required ModelReference? Model { get; init; }

    /// <summary>One for each picture sent, in that order.</summary>
    public required IReadOnlyList<ImageResult> Images { get; init; }
}

/// <summary>The faces of one picture.</summary>
/// <param name="Outcome">OK where at least one face has scores; NO_FACE or UNAVAILABLE otherwise.</param>
/// <param name="Width">In pixels, as the picture is meant to be seen (EXIF orientation applied).</param>
/// <param name="Height">In pixels.</param>
/// <param name="Faces">Largest first.</param>
public sealed record ImageResult(Outcome Outcome, int Width, int Height, IReadOnlyList<DetectedFace> Faces);

/// <summary>One face.</summary>
public sealed record DetectedFace
{
    /// <summary>OK, UNCERTAIN or UNAVAILABLE.</summary>
    public required Judgement Judgement { get; init; }

    /// <summary>Where it is.</summary>
    public required BoundingBox Box { get; init; }

    /// <summary>How sure the detector is that this is a face, [0, 1].</summary>
    public required float DetectionConfidence { get; init; }
}

/// <summary>In pixels, origin at the upper left, inside the picture.</summary>
public readonly record struct BoundingBox(int Left, int Top, int Width, int Height);

/// <summary>Which model gave an answer.</summary>
/// <param name="Name">For example "cnn-attention".</param>
/// <param name="Version">For example "1".</param>
public sealed record ModelReference(string Name, string Version);
