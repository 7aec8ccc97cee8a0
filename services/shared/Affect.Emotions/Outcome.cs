namespace Affect.Emotions;

/// <summary>
/// What an analysis came to. Only <see cref="Ok"/> and <see cref="Uncertain"/> carry scores:
/// a label is never forced on silence, on an empty picture or on a service that did not answer.
/// </summary>
public enum Outcome
{
    /// <summary>Scores are there and the best is clear enough to name.</summary>
    Ok,

    /// <summary>The audio holds no voice.</summary>
    NoSpeech,

    /// <summary>The audio is shorter than the least that can be judged.</summary>
    TooShort,

    /// <summary>The picture holds no face.</summary>
    NoFace,

    /// <summary>Scores are there, but the best lies below the model's abstention threshold.</summary>
    Uncertain,

    /// <summary>The service that would have answered did not, in time or at all.</summary>
    Unavailable,
}
