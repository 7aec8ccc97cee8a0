using Affect.Emotions;
using Affect.Training.Evaluation;

namespace Affect.UnitTests.Training;

public sealed class SpeakerAdaptationTests
{
    // Scores of an emotion: two units of logarithm above the others.
    private static readonly float[][] Expected =
        [.. Enumerable.Range(0, 7).Select(emotion => SpeakerAdaptation.Logarithms(Scores((Emotion)emotion, [])))];

    // A voice that sounds angry and hardly neutral.
    private static readonly float[] Voice = [-1.5f, 0, 0, 1.5f, 0, 0, 0];

    public static TheoryData<float, float, bool> Rules => new()
    {
        { float.PositiveInfinity, 5, false },
        { float.PositiveInfinity, 3, true },
        { 10, 5, false },
        { 1, 5, false },
    };

    [Fact]
    public void SpeakerAdaptationApply_None_KeepsScores()
    {
        var windows = Call([Emotion.Neutral, Emotion.Angry, Emotion.Sad], Voice);

        foreach (var (before, after) in windows.Zip(SpeakerAdaptation.None.Apply(windows, Expected)))
            for (var i = 0; i < 7; i++)
                Assert.Equal(before[i], after[i], 1e-5f);
    }

    [Theory]
    [MemberData(nameof(Rules))]
    public void SpeakerAdaptationApply_UnshiftedVoice_KeepsAnswers(float odds, float shrinkage, bool weighNeutral)
    {
        Emotion[] emotions = [.. Enumerable.Repeat(Emotion.Neutral, 8), Emotion.Sad, Emotion.Sad, Emotion.Neutral, Emotion.Angry];

        Assert.Equal(emotions, Adapt(new(odds, shrinkage, WeighNeutral: weighNeutral), emotions, []));
    }

    [Theory]
    [InlineData(float.PositiveInfinity, 5)]
    [InlineData(10, 5)]
    public void SpeakerAdaptationApply_ShiftedVoice_IsRecognizedAfterSomeWindows(float odds, float shrinkage)
    {
        Emotion[] emotions = [.. Enumerable.Repeat(Emotion.Neutral, 30), Emotion.Sad, Emotion.Neutral, Emotion.Angry, Emotion.Happy];

        Assert.Equal(Emotion.Angry, Adapt(SpeakerAdaptation.None, emotions, Voice)[29]);
        Assert.Equal(emotions[25..], Adapt(new(odds, shrinkage), emotions, Voice)[25..]);
    }

    [Theory]
    [InlineData(1, 5, 1, true)]
    [InlineData(float.PositiveInfinity, 5, 1, false)] // the plain mean takes the emotion for the voice
    [InlineData(float.PositiveInfinity, 5, 0.5f, true)]
    public void SpeakerAdaptationApply_OneEmotionThroughout_IsKeptUnlessTakenForNeutral(
        float odds, float shrinkage, float strength, bool kept)
    {
        var adapted = Adapt(new(odds, shrinkage, strength), Enumerable.Repeat(Emotion.Angry, 60), []);

        Assert.Equal(kept, adapted[^1] == Emotion.Angry);
    }

    [Theory]
    [MemberData(nameof(Rules))]
    public void SpeakerAdaptationApply_Window_DependsOnWindowsSoFar(float odds, float shrinkage, bool weighNeutral)
    {
        var rule = new SpeakerAdaptation(odds, shrinkage, WeighNeutral: weighNeutral);
        var windows = Call([Emotion.Neutral, Emotion.Angry, Emotion.Sad, Emotion.Neutral, Emotion.Happy], Voice);

        var all = rule.Apply(windows, Expected);

        for (var count = 1; count < windows.Count; count++)
            Assert.Equal(all[count - 1].Confidence, rule.Apply(windows.Take(count), Expected)[^1].Confidence);
    }

    [Fact]
    public void SpeakerAdaptationExpect_Groups_CountTheSame()
    {
        var (sure, unsure) = (EmotionScores.FromLogits([4, 0, 0, 0, 0, 0, 0]), EmotionScores.FromLogits([1, 0, 0, 0, 0, 0, 0]));

        var expected = SpeakerAdaptation.Expect(
            [[(sure, Emotion.Neutral), (sure, Emotion.Neutral), (sure, Emotion.Neutral)], [(unsure, Emotion.Neutral)]]);

        Assert.Equal(2.5f * 6 / 7, expected[0][0], 1e-4f);
        Assert.Equal(-2.5f / 7, expected[0][1], 1e-4f);
        Assert.All(expected[1..], row => Assert.All(row, value => Assert.Equal(0, value)));
    }

    private static List<Emotion> Adapt(SpeakerAdaptation rule, IEnumerable<Emotion> emotions, float[] voice) =>
        [.. rule.Apply(Call(emotions, voice), Expected).Select(scores => scores.Best)];

    private static List<EmotionScores> Call(IEnumerable<Emotion> emotions, float[] voice) =>
        [.. emotions.Select(emotion => Scores(emotion, voice))];

    private static EmotionScores Scores(Emotion emotion, float[] voice) =>
        EmotionScores.FromLogits([.. Enumerable.Range(0, 7).Select(i => (i == (int)emotion ? 2 : 0) + voice.ElementAtOrDefault(i))]);
}
