using Affect.Emotions;
using Affect.Training.Evaluation;

namespace Affect.UnitTests.Training;

public sealed class MetricsTests
{
    [Fact]
    public void Figures_are_those_of_a_confusion_matrix_worked_out_by_hand()
    {
        // Neutral: two right, one taken for happy. Happy: one right, one taken for neutral. The others do not occur.
        Emotion[] labels = [Emotion.Neutral, Emotion.Neutral, Emotion.Neutral, Emotion.Happy, Emotion.Happy];
        Emotion[] said = [Emotion.Neutral, Emotion.Neutral, Emotion.Happy, Emotion.Happy, Emotion.Neutral];

        var metrics = Metrics.Of("by hand", "none", [.. said.Select(emotion => Sure(emotion, 0.9f))], labels);

        Assert.Equal(5, metrics.Samples);
        Assert.Equal(0.6, metrics.Accuracy, 4);
        Assert.Equal([2, 1, 0, 0, 0, 0, 0], metrics.Confusion[0]);
        Assert.Equal([1, 1, 0, 0, 0, 0, 0], metrics.Confusion[1]);
        Assert.Equal((2 / 3.0 + 1 / 2.0) / 7, metrics.UnweightedAverageRecall, 4);
        Assert.Equal((2 / 3.0 + 1 / 2.0) / 7, metrics.MacroPrecision, 4);
        Assert.Equal((2 / 3.0 + 1 / 2.0) / 7, metrics.MacroF1, 4);
    }

    [Fact]
    public void Calibration_error_is_the_gap_between_confidence_and_accuracy()
    {
        // Eight of ten are right where 0.9 was said, and one of two where 0.5 was said: (10·0.1 + 2·0) / 12.
        Emotion[] labels = [.. Enumerable.Repeat(Emotion.Sad, 8), Emotion.Fear, Emotion.Fear, Emotion.Sad, Emotion.Fear];
        EmotionScores[] scores = [.. Enumerable.Repeat(Sure(Emotion.Sad, 0.9f), 10), Sure(Emotion.Sad, 0.5f), Sure(Emotion.Sad, 0.5f)];

        Assert.Equal(1.0 / 12, Metrics.CalibrationError(scores, labels), 5);
    }

    [Fact]
    public void Likelihood_is_the_mean_logarithm_of_what_was_given_to_the_label()
    {
        Assert.Equal(-(Math.Log(0.9) + Math.Log(0.5)) / 2,
            Metrics.NegativeLogLikelihood([Sure(Emotion.Sad, 0.9f), Sure(Emotion.Happy, 0.5f)], [Emotion.Sad, Emotion.Happy]), 5);
    }

    [Fact]
    public void Temperature_undoes_what_made_logits_too_large()
    {
        // Labels drawn from the softmax of logits; then the logits are tripled.
        var random = new Random(1);
        var samples = new List<List<float[]>>();
        var labels = new List<Emotion>();
        for (var i = 0; i < 4000; i++)
        {
            var logits = Enumerable.Range(0, 7).Select(_ => random.NextSingle() * 4).ToArray();
            var scores = EmotionScores.FromLogits(logits);
            var (draw, label) = (random.NextSingle(), 0);
            while (label < 6 && (draw -= scores[label]) > 0)
                label++;
            labels.Add((Emotion)label);
            samples.Add([Array.ConvertAll(logits, logit => logit * 3)]);
        }

        var temperature = Calibration.Temperature(samples, labels);

        Assert.InRange(temperature, 2.7f, 3.3f);
        var calibrated = samples.ConvertAll(windows => Calibration.Scores(windows, temperature));
        Assert.InRange(Metrics.CalibrationError(calibrated, labels), 0, 0.03);
        Assert.True(Metrics.CalibrationError(samples.ConvertAll(windows => Calibration.Scores(windows, 1)), labels) > 0.1);
    }

    [Fact]
    public void Scores_of_several_windows_are_their_mean()
    {
        var scores = Calibration.Scores([[100, 0, 0, 0, 0, 0, 0], [0, 100, 0, 0, 0, 0, 0]], 1);

        Assert.Equal(0.5f, scores[Emotion.Neutral], 1e-6f);
        Assert.Equal(0.5f, scores[Emotion.Happy], 1e-6f);
    }

    [Fact]
    public void The_least_certain_abstain_but_never_a_majority()
    {
        var scores = Enumerable.Range(0, 100).Select(i => Sure(Emotion.Happy, 0.2f + 0.005f * i)).ToList();

        Assert.Equal(0.275f, Calibration.AbstainBelow(scores), 1e-3f);
        Assert.Equal(0.5f, Calibration.AbstainBelow(scores.ConvertAll(_ => Sure(Emotion.Happy, 0.95f))));
    }

    private static EmotionScores Sure(Emotion emotion, float confidence) =>
        EmotionScores.FromWeights([.. Enumerable.Range(0, 7).Select(i => i == (int)emotion ? confidence : (1 - confidence) / 6)]);
}
