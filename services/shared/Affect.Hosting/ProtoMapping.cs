using Affect.Emotions;

namespace Affect.Hosting;

/// <summary>Between the domain's types and the protos'.</summary>
public static class ProtoMapping
{
    /// <summary>The proto's value is one higher: its 0 is "unspecified".</summary>
    public static V1.Emotion ToProto(this Emotion emotion) => (V1.Emotion)(emotion + 1);

    /// <inheritdoc cref="ToProto(Emotion)"/>
    public static V1.Outcome ToProto(this Outcome outcome) => (V1.Outcome)(outcome + 1);

    /// <summary>Seven named scores.</summary>
    public static V1.EmotionScores ToProto(this EmotionScores scores) => new()
    {
        Neutral = scores[Emotion.Neutral],
        Happy = scores[Emotion.Happy],
        Sad = scores[Emotion.Sad],
        Angry = scores[Emotion.Angry],
        Fear = scores[Emotion.Fear],
        Disgust = scores[Emotion.Disgust],
        Surprise = scores[Emotion.Surprise],
    };

    /// <summary>The domain's outcome; an unspecified one counts as unavailable.</summary>
    public static Outcome ToDomain(this V1.Outcome outcome) =>
        outcome == V1.Outcome.Unspecified ? Outcome.Unavailable : (Outcome)(outcome - 1);

    /// <summary>The domain's scores.</summary>
    public static EmotionScores ToDomain(this V1.EmotionScores scores) => EmotionScores.FromWeights(
        [scores.Neutral, scores.Happy, scores.Sad, scores.Angry, scores.Fear, scores.Disgust, scores.Surprise]);
}
