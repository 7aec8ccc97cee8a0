using Affect.Emotions;
using Affect.Fusion.Timeline;

namespace Affect.UnitTests.Fusion;

public sealed class ForwardFilterTests
{
    private static readonly TimeSpan Dwell = TimeSpan.FromSeconds(10), Second = TimeSpan.FromSeconds(1);
    private static readonly EmotionScores Prior = LogLinearPool.UniformPrior;
    private static readonly EmotionScores Angry = EmotionScores.FromWeights([1, 1, 1, 4, 1, 1, 1]);

    [Fact]
    public void Predict_LongSilence_ReturnsToThePrior()
    {
        var after = ForwardFilter.Predict(Angry, Prior, TimeSpan.FromHours(1), Dwell);
        for (var i = 0; i < EmotionLabels.Count; i++)
            Assert.Equal(Prior[i], after[i], 1e-6);
    }

    [Fact]
    public void Predict_Elapsed_KeepsTheEmotionWithItsProbability()
    {
        var after = ForwardFilter.Predict(Angry, Prior, Second, Dwell);
        var stay = Math.Exp(-0.1);
        Assert.Equal((stay * 0.4) + ((1 - stay) / 7), after[Emotion.Angry], 1e-6);
    }

    [Fact]
    public void Update_FirstWindow_EqualsItsScores()
    {
        var belief = ForwardFilter.Update(Prior, Prior, Angry, 1);
        for (var i = 0; i < EmotionLabels.Count; i++)
            Assert.Equal(Angry[i], belief[i], 1e-6);
    }

    [Fact]
    public void Update_ThreeOverlappingWindows_WeighAsOne()
    {
        var belief = Prior;
        for (var i = 0; i < 3; i++)
            belief = ForwardFilter.Update(belief, Prior, Angry, 1.0 / 3);
        Assert.Equal(Angry[Emotion.Angry], belief[Emotion.Angry], 1e-5);
    }

    [Fact]
    public void Update_CertainWindow_KeepsOtherEmotionsPossible()
    {
        var sure = EmotionScores.FromWeights([1, 0, 0, 0, 0, 0, 0]);
        var belief = ForwardFilter.Update(Prior, Prior, sure, 1);
        belief = ForwardFilter.Predict(belief, Prior, Second, Dwell);
        belief = ForwardFilter.Update(belief, Prior, Angry, 1);
        Assert.InRange(belief[Emotion.Angry], 0.01f, 0.5f);
    }
}
