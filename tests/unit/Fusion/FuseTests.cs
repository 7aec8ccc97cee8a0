using Affect.Fusion;
using Affect.Fusion.Pooling;
using Affect.Hosting;
using Affect.V1;
using Domain = Affect.Emotions;

namespace Affect.UnitTests.Fusion;

public sealed class FuseTests
{
    private static readonly EmotionScores Happy = Domain.EmotionScores.FromWeights([1, 8, 1, 1, 1, 1, 1]).ToProto();
    private static readonly EmotionScores Flat = Domain.EmotionScores.FromWeights([1, 1.1f, 1, 1, 1, 1, 1]).ToProto();

    [Fact]
    public void Fuse_BothModalities_ArePooledWithTheirWeights()
    {
        var fused = Fuse(Judge(Outcome.Ok, Happy), Judge(Outcome.Ok, Happy), new() { SpeechWeight = 0.5, FaceWeight = 0.75 });

        Assert.Equal(Outcome.Ok, fused.Judgement.Outcome);
        Assert.Equal(Emotion.Happy, fused.Judgement.Emotion);
        Assert.Equal(fused.Judgement.Scores.Happy, fused.Judgement.Confidence);
        Assert.True(fused.Judgement.Confidence > Happy.Happy);
        Assert.Equal((0.5f, 0.75f), (fused.SpeechWeight, fused.FaceWeight));
    }

    [Theory]
    [InlineData(Outcome.NoFace)]
    [InlineData(Outcome.Unavailable)]
    public void Fuse_SpeechAlone_IsUnchanged(Outcome face)
    {
        var fused = Fuse(Judge(Outcome.Ok, Happy), Judge(face), new() { SpeechWeight = 0.5 });

        Assert.Equal(Happy, fused.Judgement.Scores);
        Assert.Equal((Outcome.Ok, Emotion.Happy), (fused.Judgement.Outcome, fused.Judgement.Emotion));
        Assert.Equal((1f, 0f), (fused.SpeechWeight, fused.FaceWeight));
    }

    [Fact]
    public void Fuse_FaceAloneAndUncertain_IsUnchanged()
    {
        var fused = Fuse(null, Judge(Outcome.Uncertain, Happy));

        Assert.Equal(Happy, fused.Judgement.Scores);
        Assert.Equal((Outcome.Uncertain, Emotion.Unspecified), (fused.Judgement.Outcome, fused.Judgement.Emotion));
        Assert.Equal((0f, 1f), (fused.SpeechWeight, fused.FaceWeight));
    }

    [Fact]
    public void Fuse_PoolBelowTheThreshold_IsUncertain()
    {
        var fused = Fuse(Judge(Outcome.Ok, Flat), Judge(Outcome.Ok, Flat), new() { AbstainBelow = 0.5f });

        Assert.Equal((Outcome.Uncertain, Emotion.Unspecified), (fused.Judgement.Outcome, fused.Judgement.Emotion));
        Assert.NotNull(fused.Judgement.Scores);
    }

    [Theory]
    [InlineData(Outcome.NoSpeech, null, Outcome.NoSpeech)]
    [InlineData(null, Outcome.NoFace, Outcome.NoFace)]
    [InlineData(Outcome.TooShort, Outcome.NoFace, Outcome.TooShort)]
    [InlineData(Outcome.NoSpeech, Outcome.Unavailable, Outcome.Unavailable)]
    [InlineData(Outcome.Unavailable, Outcome.NoFace, Outcome.Unavailable)]
    public void Fuse_NoScores_CombinesTheOutcomes(Outcome? speech, Outcome? face, Outcome expected)
    {
        var fused = Fuse(
            speech is { } voice ? Judge(voice) : null,
            face is { } picture ? Judge(picture) : null);

        Assert.Equal(expected, fused.Judgement.Outcome);
        Assert.Null(fused.Judgement.Scores);
        Assert.Equal((0f, 0f, 0f), (fused.Judgement.Confidence, fused.SpeechWeight, fused.FaceWeight));
    }

    private static FusedResult Fuse(Judgement? speech, Judgement? face, FusionOptions? options = null) =>
        new Fuser(options ?? new()).Fuse(speech, face);

    private static Judgement Judge(Outcome outcome, EmotionScores? scores = null) => new()
    {
        Outcome = outcome,
        Scores = scores,
        Emotion = outcome == Outcome.Ok ? Emotion.Happy : Emotion.Unspecified,
        Confidence = scores?.Happy ?? 0,
    };
}
