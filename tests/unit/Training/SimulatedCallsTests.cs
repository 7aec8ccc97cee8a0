using Affect.Emotions;
using Affect.Training.Data;

namespace Affect.UnitTests.Training;

public sealed class SimulatedCallsTests
{
    // Two corpora: two and three speakers, with five clips of each of four emotions; one more speaker without neutral clips.
    private static readonly List<(string Speaker, Emotion Emotion)> Clips =
    [
        .. from speaker in new[] { "a/1", "a/2", "b/1", "b/2", "b/3" }
           from emotion in new[] { Emotion.Neutral, Emotion.Happy, Emotion.Sad, Emotion.Angry }
           from clip in Enumerable.Range(0, 5)
           select (speaker, emotion),
        .. Enumerable.Repeat(("b/4", Emotion.Sad), 5),
        ("a/1", Emotion.Fear), // too few
    ];

    [Theory]
    [InlineData(CallPattern.Episodes, 60, 60)]
    [InlineData(CallPattern.EmotionFirst, 60, 60)]
    [InlineData(CallPattern.OneEmotion, 56, 60)]
    [InlineData(CallPattern.SecondSpeaker, 60, 60)]
    internal void SimulatedCallsCreate_Pattern_GivesReproducibleCallsOfEachCorpus(CallPattern pattern, int ofFirst, int ofSecond)
    {
        var calls = SimulatedCalls.Create(Clips, pattern);

        Assert.Equal(calls.Select(call => string.Join(' ', call.Clips)),
            SimulatedCalls.Create(Clips, pattern).Select(call => string.Join(' ', call.Clips)));
        Assert.Equal((ofFirst, ofSecond), (calls.Count(call => call.Corpus == "a"), calls.Count(call => call.Corpus == "b")));
        Assert.All(calls, call =>
        {
            Assert.Equal(SimulatedCalls.Length, call.Clips.Count);
            Assert.Equal(pattern == CallPattern.SecondSpeaker ? 2 : 1, call.Clips.Select(clip => Clips[clip].Speaker).Distinct().Count());
            Assert.All(call.Clips, clip => Assert.StartsWith(call.Corpus + "/", Clips[clip].Speaker, StringComparison.Ordinal));
        });
        Assert.DoesNotContain(calls.SelectMany(call => call.Clips), clip => Clips[clip] is { Speaker: "b/4" } or { Emotion: Emotion.Fear });
    }

    [Fact]
    public void SimulatedCallsCreate_Episodes_AreMostlyNeutral()
    {
        foreach (var call in SimulatedCalls.Create(Clips, CallPattern.Episodes))
        {
            var runs = Runs(call);
            Assert.Equal(Emotion.Neutral, runs[0].Emotion);
            Assert.All(runs.SkipLast(1), run => Assert.InRange(run.Length, run.Emotion == Emotion.Neutral ? 6 : 3,
                run.Emotion == Emotion.Neutral ? 13 : 5));
            Assert.InRange(runs.Where(run => run.Emotion == Emotion.Neutral).Sum(run => run.Length), 36, 56);
            Assert.Equal(Math.Min(3, runs.Count / 2),
                runs.Where(run => run.Emotion != Emotion.Neutral).Take(3).Select(run => run.Emotion).Distinct().Count());
        }
    }

    [Fact]
    public void SimulatedCallsCreate_EmotionFirst_OpensWithAnger() =>
        Assert.All(SimulatedCalls.Create(Clips, CallPattern.EmotionFirst), call =>
            Assert.Equal((Emotion.Angry, 8), (Runs(call)[0].Emotion, Runs(call)[0].Length)));

    [Fact]
    public void SimulatedCallsCreate_OneEmotion_CoversEachEmotionOfEachSpeaker()
    {
        var calls = SimulatedCalls.Create(Clips, CallPattern.OneEmotion);

        Assert.All(calls, call => Assert.Single(Runs(call)));
        Assert.Equal(20, calls.Select(call => Clips[call.Clips[0]]).Distinct().Count());
        Assert.All(calls, call => Assert.Equal(call.Clips.Take(5).Order(), call.Clips.Skip(5).Take(5).Order())); // all, then all again
    }

    [Fact]
    public void SimulatedCallsEvaluate_Rule_SeesClipsInOrder()
    {
        var calls = SimulatedCalls.Create(Clips, CallPattern.Episodes);
        var emotions = Clips.ConvertAll(clip => clip.Emotion);

        var right = SimulatedCalls.Evaluate(calls, emotions, clips => [.. clips.Select(clip => Certain(emotions[clip]))]);
        var neutral = SimulatedCalls.Evaluate(calls, emotions, clips => [.. clips.Select(_ => Certain(Emotion.Neutral))]);

        Assert.Equal(["a", "b"], right.Keys.Order());
        Assert.All(right.Values, metrics => Assert.Equal(1, metrics.UnweightedAverageRecall));
        Assert.All(neutral.Values, metrics => Assert.Equal(0.25, metrics.UnweightedAverageRecall)); // of four emotions
        Assert.All(neutral.Values, metrics => Assert.Equal(3600, metrics.Samples));

        static EmotionScores Certain(Emotion emotion) =>
            EmotionScores.FromLogits([.. Enumerable.Range(0, 7).Select(i => i == (int)emotion ? 9f : 0)]);
    }

    private static List<(Emotion Emotion, int Length)> Runs(SimulatedCall call)
    {
        var runs = new List<(Emotion Emotion, int Length)>();
        foreach (var emotion in call.Clips.Select(clip => Clips[clip].Emotion))
            if (runs.Count > 0 && runs[^1].Emotion == emotion)
                runs[^1] = (emotion, runs[^1].Length + 1);
            else
                runs.Add((emotion, 1));
        return runs;
    }
}
