using Affect.Emotions;
using Affect.Fusion.Timeline;

namespace Affect.UnitTests.Fusion;

public sealed class ForwardFilterTests
{
    private static readonly TimeSpan Dwell = TimeSpan.FromSeconds(10), Second = TimeSpan.FromSeconds(1);
    private static readonly EmotionScores Prior = LogLinearPool.UniformPrior;
    private static readonly EmotionScores Angry = EmotionScores.FromWeights([1, 1, 1, 4, 1, 1, 1]);

    [Fact]
    public void Long_silence_forgets()
    {
        var after = ForwardFilter.Predict(Angry, Prior, TimeSpan.FromHours(1), Dwell);
        for (var i = 0; i < EmotionLabels.Count; i++)
            Assert.Equal(Prior[i], after[i], 1e-6);
    }

    [Fact]
    public void An_emotion_stays_with_the_stated_probability()
    {
        var after = ForwardFilter.Predict(Angry, Prior, Second, Dwell);
        var stay = Math.Exp(-0.1);
        Assert.Equal((stay * 0.4) + ((1 - stay) / 7), after[Emotion.Angry], 1e-6);
    }

    [Fact]
    public void The_first_window_is_believed_as_it_is()
    {
        var belief = ForwardFilter.Update(Prior, Prior, Angry, 1);
        for (var i = 0; i < EmotionLabels.Count; i++)
            Assert.Equal(Angry[i], belief[i], 1e-6);
    }

    [Fact]
    public void Three_windows_of_which_a_third_is_new_weigh_as_one()
    {
        var belief = Prior;
        for (var i = 0; i < 3; i++)
            belief = ForwardFilter.Update(belief, Prior, Angry, 1.0 / 3);
        Assert.Equal(Angry[Emotion.Angry], belief[Emotion.Angry], 1e-5);
    }

    [Fact]
    public void A_window_that_is_sure_does_not_end_belief_in_the_others()
    {
        var sure = EmotionScores.FromWeights([1, 0, 0, 0, 0, 0, 0]);
        var belief = ForwardFilter.Update(Prior, Prior, sure, 1);
        belief = ForwardFilter.Predict(belief, Prior, Second, Dwell);
        belief = ForwardFilter.Update(belief, Prior, Angry, 1);
        Assert.InRange(belief[Emotion.Angry], 0.01f, 0.5f);
    }
}
