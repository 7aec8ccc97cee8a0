namespace Affect.Emotions;

/// <summary>
/// The seven emotions, in the order that scores, mapped model outputs, confusion matrices and protobuf share (there each
/// value is one higher, because 0 is unspecified).
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

/// <summary>Names and count of <see cref="Emotion"/>.</summary>
public static class EmotionLabels
{
    /// <summary>Number of emotions.</summary>
    public const int Count = 7;

    /// <summary>Lowercase names in the order of <see cref="Emotion"/>.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Enum.GetNames<Emotion>().Select(name => name.ToLowerInvariant())];

    /// <summary>The lowercase name of an emotion.</summary>
    public static string Name(this Emotion emotion) => Names[(int)emotion];

    /// <summary>Parses a lowercase name; false if it is unknown.</summary>
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
