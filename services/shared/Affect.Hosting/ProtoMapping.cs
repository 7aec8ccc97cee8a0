using Affect.Audio;
using Affect.Emotions;

namespace Affect.Hosting;

/// <summary>Converts between the domain's types and protobuf.</summary>
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

    /// <summary>A judgement with scores; names the best emotion if the outcome is OK.</summary>
    public static V1.Judgement ToJudgement(this EmotionScores scores, Outcome outcome) => new()
    {
        Outcome = outcome.ToProto(),
        Scores = scores.ToProto(),
        Emotion = outcome == Outcome.Ok ? scores.Best.ToProto() : V1.Emotion.Unspecified,
        Confidence = scores.Confidence,
    };

    /// <summary>The domain's scores.</summary>
    public static EmotionScores ToDomain(this V1.EmotionScores scores) => EmotionScores.FromWeights(
        [scores.Neutral, scores.Happy, scores.Sad, scores.Angry, scores.Fear, scores.Disgust, scores.Surprise]);

    /// <summary>The encoding of samples; null for an unspecified or unknown value.</summary>
    public static SampleEncoding? ToDomain(this V1.AudioEncoding encoding) => encoding switch
    {
        V1.AudioEncoding.L16 => SampleEncoding.Signed16,
        V1.AudioEncoding.Float32 => SampleEncoding.Ieee32,
        V1.AudioEncoding.Mulaw => SampleEncoding.MuLaw,
        V1.AudioEncoding.Alaw => SampleEncoding.ALaw,
        _ => null,
    };
}
