using Affect.Emotions;

namespace Affect.UnitTests.Emotions;

public sealed class LogLinearPoolTests
{
    private static readonly LogLinearPool Uniform = new(LogLinearPool.UniformPrior);
    private static readonly EmotionScores Happy = EmotionScores.FromWeights([1, 6, 1, 1, 1, 1, 1]);
    private static readonly EmotionScores Sad = EmotionScores.FromWeights([1, 1, 4, 1, 1, 1, 1]);

    [Fact]
    public void Combine_SingleMemberOfWeightOne_IsUnchanged()
    {
        EmotionScores[] priors = [LogLinearPool.UniformPrior, EmotionScores.FromWeights([5, 3, 1, 1, 1, 1, 1])];
        foreach (var prior in priors)
            AssertEqual(Happy, new LogLinearPool(prior).Combine((Happy, 1)));
    }

    [Fact]
    public void Combine_WeightsOfOne_IsBayesRuleForIndependentModalities()
    {
        var prior = EmotionScores.FromWeights([4, 2, 1, 1, 1, 1, 1]);
        Span<float> product = stackalloc float[EmotionLabels.Count];
        for (var i = 0; i < EmotionLabels.Count; i++)
            product[i] = Happy[i] * Sad[i] / prior[i];

        AssertEqual(EmotionScores.FromWeights(product), new LogLinearPool(prior).Combine((Happy, 1), (Sad, 1)));
    }

    [Fact]
    public void Combine_AgreeingMembers_IsMoreConfident()
    {
        var pooled = Uniform.Combine((Happy, 1), (Happy, 1));

        Assert.Equal(Emotion.Happy, pooled.Best);
        Assert.True(pooled.Confidence > Happy.Confidence);
    }

    [Fact]
    public void Combine_DisagreeingMembers_FollowsTheLargerWeight()
    {
        Assert.Equal(Emotion.Happy, Uniform.Combine((Happy, 1), (Sad, 0.5)).Best);
        Assert.Equal(Emotion.Sad, Uniform.Combine((Happy, 0.2), (Sad, 1)).Best);
    }

    [Fact]
    public void Combine_WeightZero_ExcludesTheMember() =>
        AssertEqual(Sad, Uniform.Combine((Happy, 0), (Sad, 1)));

    [Fact]
    public void Combine_NoMembers_IsThePrior()
    {
        var prior = EmotionScores.FromWeights([4, 2, 1, 1, 1, 1, 1]);
        AssertEqual(prior, new LogLinearPool(prior).Combine());
    }

    [Fact]
    public void Combine_ScoreOfZero_DoesNotExcludeTheEmotion()
    {
        var certain = EmotionScores.FromWeights([0, 1, 0, 0, 0, 0, 0]);
        var contrary = EmotionScores.FromWeights([0, 0, 1, 0, 0, 0, 0]);

        var pooled = Uniform.Combine((certain, 1), (contrary, 1));

        Assert.Equal(0.5f, pooled[Emotion.Happy], 1e-3f);
        Assert.Equal(0.5f, pooled[Emotion.Sad], 1e-3f);
    }

    [Fact]
    public void Combine_NegativeWeight_Throws() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => Uniform.Combine((Happy, -1)));

    private static void AssertEqual(EmotionScores expected, EmotionScores actual)
    {
        for (var i = 0; i < EmotionLabels.Count; i++)
            Assert.Equal(expected[i], actual[i], 1e-5f);
    }
}
