using Affect.Emotions;
using Affect.Inference;
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
    public void The_least_certain_of_the_validation_samples_abstain()
    {
        var scores = Enumerable.Range(0, 100).Select(i => Sure(Emotion.Happy, 0.2f + 0.005f * i)).ToList();

        Assert.Equal(0.275f, Calibration.AbstainBelow(scores), 1e-3f);
        Assert.Equal(0.95f, Calibration.AbstainBelow(scores.ConvertAll(_ => Sure(Emotion.Happy, 0.95f))), 1e-3f);
    }

    [Fact]
    public void Of_the_most_certain_four_fifths_so_many_are_right()
    {
        // Ten samples; the two least certain are one right and one wrong, of the other eight six are right.
        float[] confidences = [0.9f, 0.3f, 0.8f, 0.7f, 0.2f, 0.6f, 0.95f, 0.85f, 0.75f, 0.65f];
        bool[] right = [true, true, true, false, false, true, true, false, true, true];
        var labels = right.Select(is_ => is_ ? Emotion.Sad : Emotion.Fear).ToList();

        var metrics = Metrics.Of("by hand", "none", [.. confidences.Select(confidence => Sure(Emotion.Sad, confidence))], labels);

        Assert.Equal(new Answered(0.8, 0.75), metrics.MostCertain);
        Assert.Equal(new Answered(0.2, 0.5), Metrics.Among([.. confidences.Select(confidence => Sure(Emotion.Sad, confidence))], labels, [1, 4]));
    }

    [Fact]
    public void Each_bin_of_confidence_has_its_own_accuracy()
    {
        Emotion[] labels = [Emotion.Sad, Emotion.Fear, Emotion.Sad, Emotion.Sad];
        EmotionScores[] scores = [Sure(Emotion.Sad, 0.41f), Sure(Emotion.Sad, 0.45f), Sure(Emotion.Sad, 0.81f), Sure(Emotion.Sad, 1)];

        var bins = Metrics.Of("by hand", "none", scores, labels).Reliability;

        Assert.Equal(15, bins.Count);
        Assert.Equal(new ReliabilityBin(2, 0.43, 0.5), bins[6]); // 0.4 to 0.467
        Assert.Equal(new ReliabilityBin(1, 0.81, 1), bins[12]);
        Assert.Equal(new ReliabilityBin(1, 1, 1), bins[14]);
        Assert.Equal(4, bins.Sum(bin => bin.Count));
    }

    [Fact]
    public void A_class_has_its_own_precision_recall_and_f1()
    {
        Emotion[] labels = [Emotion.Neutral, Emotion.Neutral, Emotion.Neutral, Emotion.Happy, Emotion.Happy];
        Emotion[] said = [Emotion.Neutral, Emotion.Neutral, Emotion.Happy, Emotion.Happy, Emotion.Sad];

        var classes = Metrics.Of("by hand", "none", [.. said.Select(emotion => Sure(emotion, 0.9f))], labels).Classes;

        Assert.Equal(new ClassMetrics(1, 2 / 3.0, 0.8, 3), classes[(int)Emotion.Neutral]);
        Assert.Equal(new ClassMetrics(0.5, 0.5, 0.5, 2), classes[(int)Emotion.Happy]);
        Assert.Equal(default, classes[(int)Emotion.Sad]);
    }

    [Fact]
    public void Folds_are_pooled_so_that_each_sample_counts_once()
    {
        // Three of four right in one fold, none of one in the other; over a telephone all wrong.
        List<Judgement> first = [Judged(Emotion.Sad, Emotion.Sad), Judged(Emotion.Sad, Emotion.Sad), Judged(Emotion.Happy, Emotion.Happy), Judged(Emotion.Happy, Emotion.Sad, answered: false)];
        List<Judgement> second = [Judged(Emotion.Fear, Emotion.Sad)];
        List<Judgement> wrong = [Judged(Emotion.Angry, Emotion.Sad)];

        var metrics = Figures.Of("folds", "speech-x", "RAVDESS test",
            [("speech-x-1", [(null, first), ("8 kHz", wrong)]), ("speech-x-2", [(null, second), ("8 kHz", wrong)])]);

        Assert.Equal([null, "8 kHz"], metrics.Select(measured => measured.Condition));
        Assert.All(metrics, measured => Assert.Equal("speech-x", measured.Split));
        Assert.Equal((5, 0.6), (metrics[0].Samples, metrics[0].Accuracy));
        Assert.Equal(new Answered(0.8, 0.75), metrics[0].AtThreshold);
        Assert.Equal([2, 1], [metrics[0].Confusion[(int)Emotion.Sad][(int)Emotion.Sad], metrics[0].Confusion[(int)Emotion.Sad][(int)Emotion.Happy]]);
        Assert.Equal([("speech-x-1", 4, 0.75), ("speech-x-2", 1, 0)], metrics[0].Folds.Select(fold => (fold.Name, fold.Samples, fold.Accuracy)));
        Assert.Equal(0, metrics[1].Accuracy);
    }

    [Fact]
    public void One_split_has_no_folds() =>
        Assert.Empty(Figures.Of("random", "speech-random", "RAVDESS test", [("speech-random", [(null, [Judged(Emotion.Sad, Emotion.Sad)])])])[0].Folds);

    private static Judgement Judged(Emotion said, Emotion label, bool answered = true) => new(Sure(said, 0.9f), label, answered);

    private static EmotionScores Sure(Emotion emotion, float confidence) =>
        EmotionScores.FromWeights([.. Enumerable.Range(0, 7).Select(i => i == (int)emotion ? confidence : (1 - confidence) / 6)]);
}
