using Affect.Emotions;

namespace Affect.UnitTests.Emotions;

public sealed class EmotionScoresTests
{
    [Fact]
    public void FromLogits_AnyLogits_SumsToOneAndPreservesTheRanking()
    {
        var scores = EmotionScores.FromLogits([1, 5, 2, -3, 0, 4, 3]);

        Assert.Equal(Emotion.Happy, scores.Best);
        Assert.Equal(1, Enum.GetValues<Emotion>().Sum(emotion => scores[emotion]), 1e-6);
        Assert.True(scores[Emotion.Disgust] > scores[Emotion.Surprise]);
    }

    [Fact]
    public void FromLogits_HugeLogits_DoesNotOverflow()
    {
        var scores = EmotionScores.FromLogits([1e30f, 0, 0, 0, 0, 0, -1e30f]);

        Assert.Equal(1, scores[Emotion.Neutral]);
        Assert.Equal(0, scores[Emotion.Surprise]);
    }

    [Fact]
    public void FromLogits_HigherTemperature_IsLessConfidentWithTheSameBest()
    {
        float[] logits = [0, 0, 3, 1, 0, 0, 0];

        var sharp = EmotionScores.FromLogits(logits);
        var soft = EmotionScores.FromLogits(logits, temperature: 4);

        Assert.Equal(Emotion.Sad, soft.Best);
        Assert.True(soft.Confidence < sharp.Confidence);
    }

    [Fact]
    public void Best_EqualScores_IsTheFirst() =>
        Assert.Equal(Emotion.Sad, EmotionScores.FromWeights([0, 0, 2, 2, 1, 0, 0]).Best);

    [Theory]
    [InlineData("neutral", Emotion.Neutral)]
    [InlineData("surprise", Emotion.Surprise)]
    public void TryParse_NameOfAnEmotion_RoundTrips(string name, Emotion emotion)
    {
        Assert.True(EmotionLabels.TryParse(name, out var parsed));
        Assert.Equal(emotion, parsed);
        Assert.Equal(name, emotion.Name());
    }

    [Fact]
    public void TryParse_UnknownName_IsFalse() => Assert.False(EmotionLabels.TryParse("calm", out _));
}
