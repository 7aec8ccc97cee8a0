using Affect.Emotions;

namespace Affect.UnitTests.Emotions;

public sealed class PoolFitTests
{
    private static readonly EmotionScores Uniform = LogLinearPool.UniformPrior;

    /// <summary>Labels are drawn from the pool with known weights, which the fit must recover.</summary>
    [Theory]
    [InlineData(1.0, 1.0)]
    [InlineData(0.6, 1.2)]
    [InlineData(1.5, 0.3)]
    public void Fit_LabelsDrawnFromThePool_RecoversItsWeights(double speech, double face)
    {
        var pairs = Draw(20_000, speech, face);

        var fitted = PoolFit.Fit(Uniform, pairs);

        Assert.Equal(speech, fitted.Speech, 0.06);
        Assert.Equal(face, fitted.Face, 0.06);
    }

    [Fact]
    public void Fit_AnyPairs_IsALocalMaximum()
    {
        var pairs = Draw(2_000, 0.7, 0.9);
        var pool = new LogLinearPool(Uniform);

        var best = PoolFit.Fit(Uniform, pairs);

        foreach (var (s, f) in ((double, double)[])[(0.05, 0), (-0.05, 0), (0, 0.05), (0, -0.05)])
            Assert.True(PoolFit.Evaluate(pool, pairs, best.Speech + s, best.Face + f).LogLikelihood < best.LogLikelihood);
    }

    [Fact]
    public void Fit_MisleadingModality_GetsWeightZero()
    {
        // Speech always predicts the next emotion: negative evidence.
        var random = new Random(7);
        var pairs = Enumerable.Range(0, 500).Select(_ =>
        {
            var label = (Emotion)random.Next(EmotionLabels.Count);
            var wrong = (Emotion)(((int)label + 1) % EmotionLabels.Count);
            return new PosteriorPair(Peak(wrong, 0.7f), Peak(random.NextDouble() < 0.8 ? label : wrong, 0.6f), label);
        }).ToList();

        var fitted = PoolFit.Fit(Uniform, pairs);

        Assert.Equal(0, fitted.Speech);
        Assert.True(fitted.Face > 0);
    }

    [Fact]
    public void Fit_SeparablePairs_GivesFiniteWeights()
    {
        var pairs = Enum.GetValues<Emotion>().Select(label => new PosteriorPair(Peak(label, 0.9f), Peak(label, 0.9f), label)).ToList();

        var fitted = PoolFit.Fit(Uniform, pairs);

        Assert.InRange(fitted.Speech, 1, 10);
        Assert.InRange(fitted.Face, 1, 10);
    }

    [Fact]
    public void Fit_NoPairs_Throws() => Assert.Throws<ArgumentOutOfRangeException>(() => PoolFit.Fit(Uniform, []));

    private static List<PosteriorPair> Draw(int count, double speech, double face)
    {
        var random = new Random(42);
        var pool = new LogLinearPool(Uniform);
        var pairs = new List<PosteriorPair>(count);
        for (var n = 0; n < count; n++)
        {
            var (speechScores, faceScores) = (Random(random), Random(random));
            var truth = pool.Combine((speechScores, speech), (faceScores, face));
            var (label, rest) = (0, random.NextDouble());
            while (label < EmotionLabels.Count - 1 && (rest -= truth[label]) > 0)
                label++;
            pairs.Add(new(speechScores, faceScores, (Emotion)label));
        }
        return pairs;
    }

    private static EmotionScores Random(Random random)
    {
        Span<float> logits = stackalloc float[EmotionLabels.Count];
        for (var i = 0; i < EmotionLabels.Count; i++)
            logits[i] = 3 * (float)random.NextDouble();
        return EmotionScores.FromLogits(logits);
    }

    private static EmotionScores Peak(Emotion emotion, float score)
    {
        Span<float> weights = stackalloc float[EmotionLabels.Count];
        weights.Fill((1 - score) / (EmotionLabels.Count - 1));
        weights[(int)emotion] = score;
        return EmotionScores.FromWeights(weights);
    }
}
