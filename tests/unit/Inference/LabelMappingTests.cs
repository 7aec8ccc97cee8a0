using Affect.Emotions;
using Affect.Inference;

namespace Affect.UnitTests.Inference;

public sealed class LabelMappingTests
{
    // The labels of RAVDESS.
    private static readonly string[] Eight = ["neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"];

    private static readonly ModelOutput Ravdess = new()
    {
        Logits = "logits",
        Labels = Eight,
        LabelMap = new Dictionary<string, string> { ["calm"] = "neutral", ["fearful"] = "fear", ["surprised"] = "surprise" },
    };

    // Probabilities of 8/36, 7/36, ... in the order of the labels.
    private static readonly float[] Falling = [.. Enumerable.Range(0, 8).Select(i => MathF.Log(8 - i))];

    [Fact]
    public void Map_LabelsOfTheSameEmotion_AreSummed()
    {
        var scores = Map(Ravdess, Falling);

        Assert.Equal((8f + 7) / 36, scores[Emotion.Neutral], 1e-6);
        Assert.Equal(6f / 36, scores[Emotion.Happy], 1e-6);
        Assert.Equal(5f / 36, scores[Emotion.Sad], 1e-6);
        Assert.Equal(4f / 36, scores[Emotion.Angry], 1e-6);
        Assert.Equal(3f / 36, scores[Emotion.Fear], 1e-6);
        Assert.Equal(2f / 36, scores[Emotion.Disgust], 1e-6);
        Assert.Equal(1f / 36, scores[Emotion.Surprise], 1e-6);
    }

    [Fact]
    public void Map_IgnoredLabel_RenormalizesTheRest()
    {
        var scores = Map(
            Ravdess with { LabelMap = new Dictionary<string, string>(Ravdess.LabelMap) { ["calm"] = "" } }, Falling);

        Assert.Equal(8f / 29, scores[Emotion.Neutral], 1e-6);
        Assert.Equal(1f / 29, scores[Emotion.Surprise], 1e-6);
    }

    [Fact]
    public void Map_DominantIgnoredLabel_DoesNotUnderflow()
    {
        var output = new ModelOutput
        {
            Logits = "logits",
            Labels = ["noise", "sad", "angry"],
            LabelMap = new Dictionary<string, string> { ["noise"] = "" },
        };

        var scores = Map(output, [1000, 0, MathF.Log(3)]);

        Assert.Equal(0.25f, scores[Emotion.Sad], 1e-6);
        Assert.Equal(0.75f, scores[Emotion.Angry], 1e-6);
    }

    [Fact]
    public void Map_Temperature_DividesLogitsBeforeTheSoftmax()
    {
        var output = new ModelOutput { Logits = "logits", Labels = ["sad", "angry"], Temperature = 2 };

        var scores = Map(output, [0, 2 * MathF.Log(4)]);

        Assert.Equal(0.2f, scores[Emotion.Sad], 1e-6);
        Assert.Equal(0.8f, scores[Emotion.Angry], 1e-6);
    }

    [Fact]
    public void Map_Probabilities_ArePreservedIncludingZero()
    {
        var scores = Map(Ravdess with { Probabilities = true }, [0.1f, 0.2f, 0, 0.3f, 0.1f, 0.1f, 0.1f, 0.1f]);

        Assert.Equal(0.3f, scores[Emotion.Neutral], 1e-6);
        Assert.Equal(0, scores[Emotion.Happy], 1e-6);
        Assert.Equal(0.3f, scores[Emotion.Sad], 1e-6);
        Assert.Equal(0.1f, scores[Emotion.Surprise], 1e-6);
    }

    [Fact]
    public void Map_LabelsInAnotherOrder_MapsByName()
    {
        var output = new ModelOutput { Logits = "logits", Labels = ["surprise", "neutral"] };

        Assert.Equal(Emotion.Surprise, Map(output, [1, 0]).Best);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void Map_NonFiniteLogit_IsNull(float logit) =>
        Assert.Null(new LabelMapping(Ravdess).Map([0, 0, 0, logit, 0, 0, 0, 0]));

    private static EmotionScores Map(ModelOutput output, float[] logits)
    {
        var scores = new LabelMapping(output).Map(logits);
        Assert.NotNull(scores);
        return scores.Value;
    }
}
