namespace Affect.Emotions;

/// <summary>
/// The seven emotions, in the one order that everything here shares: scores, model outputs after
/// label mapping, confusion matrices, the protos (where each value is one higher, 0 being unspecified).
/// </summary>
public enum Emotion
{
    Neutral,
    Happy,
    Sad,
    Angry,
    Fear,
    Disgust,
    Surprise,
}

/// <summary>The label schema: names and count of <see cref="Emotion"/>.</summary>
public static class EmotionLabels
{
    /// <summary>Number of emotions.</summary>
    public const int Count = 7;

    /// <summary>Lower-case names in the order of <see cref="Emotion"/>.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Enum.GetNames<Emotion>().Select(name => name.ToLowerInvariant())];

    /// <summary>The lower-case name of an emotion.</summary>
    public static string Name(this Emotion emotion) => Names[(int)emotion];

    /// <summary>Reads a lower-case name; false where it is none of the seven.</summary>
    public static bool TryParse(string name, out Emotion emotion)
    {
        for (var i = 0; i < Count; i++)
            if (Names[i] == name)
            {
                emotion = (Emotion)i;
                return true;
            }
        emotion = default;
        return false;
    }
}
