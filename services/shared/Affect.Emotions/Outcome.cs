namespace Affect.Emotions;

/// <summary>
/// Result of an analysis. Only <see cref="Ok"/> and <see cref="Uncertain"/> have scores: silence, a picture without a face
/// or a failed service never get a label.
/// </summary>
public enum Outcome
{
    /// <summary>The best score reaches the model's abstention threshold.</summary>
    Ok,

    /// <summary>The audio contains no speech.</summary>
    NoSpeech,

    /// <summary>The audio is shorter than the minimum.</summary>
    TooShort,

    /// <summary>The picture contains no face.</summary>
    NoFace,

    /// <summary>The best score is below the model's abstention threshold.</summary>
    Uncertain,

    /// <summary>A service failed or timed out.</summary>
    Unavailable,

    /// <summary>The role of the speaker permits no judgement.</summary>
    NotPermitted,
}
