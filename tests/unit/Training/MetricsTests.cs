using Affect.Emotions;
using Affect.Inference;
using Affect.Training.Evaluation;

namespace Affect.UnitTests.Training;

public sealed class MetricsTests
{
    [Fact]
    public void MetricsCompute_KnownConfusionMatrix_ReturnsExpectedMetrics()
    {
        // Neutral: two correct, one predicted as happy. Happy: one correct, one predicted as neutral. No other labels.
        Emotion[] labels = [Emotion.Neutral, Emotion.Neutral, Emotion.Neutral, Emotion.Happy, Emotion.Happy];
        Emotion[] predicted = [Emotion.Neutral, Emotion.Neutral, Emotion.Happy, Emotion.Happy, Emotion.Neutral];

        var metrics = Metrics.Compute("by hand", "none", [.. predicted.Select(emotion => Scores(emotion, 0.9f))], labels);

        Assert.Equal(5, metrics.Samples);
        Assert.Equal(0.6, metrics.Accuracy, 4);
        Assert.Equal([2, 1, 0, 0, 0, 0, 0], metrics.Confusion[0]);
        Assert.Equal([1, 1, 0, 0, 0, 0, 0], metrics.Confusion[1]);
        Assert.Equal((2 / 3.0 + 1 / 2.0) / 2, metrics.UnweightedAverageRecall, 4);
        Assert.Equal((2 / 3.0 + 1 / 2.0) / 2, metrics.MacroPrecision, 4);
        Assert.Equal((2 / 3.0 + 1 / 2.0) / 2, metrics.MacroF1, 4);
    }

    [Fact]
    public void ExpectedCalibrationError_KnownBins_IsWeightedGap()
    {
        // Eight of ten correct at confidence 0.9, one of two at 0.5: (10·0.1 + 2·0) / 12.
        Emotion[] labels = [.. Enumerable.Repeat(Emotion.Sad, 8), Emotion.Fear, Emotion.Fear, Emotion.Sad, Emotion.Fear];
        EmotionScores[] scores =
            [.. Enumerable.Repeat(Scores(Emotion.Sad, 0.9f), 10), Scores(Emotion.Sad, 0.5f), Scores(Emotion.Sad, 0.5f)];

        Assert.Equal(1.0 / 12, Metrics.ExpectedCalibrationError(scores, labels), 5);
    }

    [Fact]
    public void NegativeLogLikelihood_KnownScores_IsMeanLogarithm()
    {
        Assert.Equal(-(Math.Log(0.9) + Math.Log(0.5)) / 2,
            Metrics.NegativeLogLikelihood([Scores(Emotion.Sad, 0.9f), Scores(Emotion.Happy, 0.5f)], [Emotion.Sad, Emotion.Happy]), 5);
    }

    [Fact]
    public void CalibrationTemperature_ScaledLogits_RestoresScale()
    {
        // Labels are drawn from the softmax of the logits; then the logits are tripled.
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
        Assert.InRange(Metrics.ExpectedCalibrationError(calibrated, labels), 0, 0.03);
        Assert.True(Metrics.ExpectedCalibrationError(samples.ConvertAll(windows => Calibration.Scores(windows, 1)), labels) > 0.1);
    }

    [Fact]
    public void CalibrationScores_SeveralWindows_IsMean()
    {
        var scores = Calibration.Scores([[100, 0, 0, 0, 0, 0, 0], [0, 100, 0, 0, 0, 0, 0]], 1);

        Assert.Equal(0.5f, scores[Emotion.Neutral], 1e-6f);
        Assert.Equal(0.5f, scores[Emotion.Happy], 1e-6f);
    }

    [Fact]
    public void AbstainBelow_KnownConfidences_IsQuantile()
    {
        var scores = Enumerable.Range(0, 100).Select(i => Scores(Emotion.Happy, 0.2f + 0.005f * i)).ToList();

        Assert.Equal(0.275f, Calibration.AbstainBelow(scores), 1e-3f);
        Assert.Equal(0.95f, Calibration.AbstainBelow(scores.ConvertAll(_ => Scores(Emotion.Happy, 0.95f))), 1e-3f);
    }

    [Fact]
    public void MetricsCompute_MostCertain_IsAccuracyAt80PercentCoverage()
    {
        // Ten samples; one of the two least certain is correct, and six of the other eight.
        float[] confidences = [0.9f, 0.3f, 0.8f, 0.7f, 0.2f, 0.6f, 0.95f, 0.85f, 0.75f, 0.65f];
        bool[] correct = [true, true, true, false, false, true, true, false, true, true];
        var labels = correct.Select(isCorrect => isCorrect ? Emotion.Sad : Emotion.Fear).ToList();

        var metrics = Metrics.Compute("by hand", "none", [.. confidences.Select(confidence => Scores(Emotion.Sad, confidence))], labels);

        Assert.Equal(new Answered(0.8, 0.75), metrics.MostCertain);
        Assert.Equal(new Answered(0.2, 0.5),
            Metrics.Selective([.. confidences.Select(confidence => Scores(Emotion.Sad, confidence))], labels, [1, 4]));
    }

    [Fact]
    public void MetricsCompute_Reliability_HasAccuracyPerBin()
    {
        Emotion[] labels = [Emotion.Sad, Emotion.Fear, Emotion.Sad, Emotion.Sad];
        EmotionScores[] scores =
            [Scores(Emotion.Sad, 0.41f), Scores(Emotion.Sad, 0.45f), Scores(Emotion.Sad, 0.81f), Scores(Emotion.Sad, 1)];

        var bins = Metrics.Compute("by hand", "none", scores, labels).Reliability;

        Assert.Equal(15, bins.Count);
        Assert.Equal(new ReliabilityBin(2, 0.43, 0.5), bins[6]); // 0.4 to 0.467
        Assert.Equal(new ReliabilityBin(1, 0.81, 1), bins[12]);
        Assert.Equal(new ReliabilityBin(1, 1, 1), bins[14]);
        Assert.Equal(4, bins.Sum(bin => bin.Count));
    }

    [Fact]
    public void MetricsCompute_Classes_HavePrecisionRecallAndF1()
    {
        Emotion[] labels = [Emotion.Neutral, Emotion.Neutral, Emotion.Neutral, Emotion.Happy, Emotion.Happy];
        Emotion[] predicted = [Emotion.Neutral, Emotion.Neutral, Emotion.Happy, Emotion.Happy, Emotion.Sad];

        var classes = Metrics.Compute("by hand", "none", [.. predicted.Select(emotion => Scores(emotion, 0.9f))], labels).Classes;

        Assert.Equal(new ClassMetrics(1, 2 / 3.0, 0.8, 3), classes[(int)Emotion.Neutral]);
        Assert.Equal(new ClassMetrics(0.5, 0.5, 0.5, 2), classes[(int)Emotion.Happy]);
        Assert.Equal(default, classes[(int)Emotion.Sad]);
    }

    [Fact]
    public void Pool_SeveralFolds_CountsEachSampleOnce()
    {
        // Three of four correct in one fold, none of one in the other; none at 8 kHz.
        List<Prediction> first =
            [Predicted(Emotion.Sad, Emotion.Sad), Predicted(Emotion.Sad, Emotion.Sad), Predicted(Emotion.Happy, Emotion.Happy),
            Predicted(Emotion.Happy, Emotion.Sad, answered: false)];
        List<Prediction> second = [Predicted(Emotion.Fear, Emotion.Sad)];
        List<Prediction> wrong = [Predicted(Emotion.Angry, Emotion.Sad)];

        var metrics = EvaluationResults.Pool("folds", "speech-x", "RAVDESS test",
            [("speech-x-1", [(null, first), ("8 kHz", wrong)]), ("speech-x-2", [(null, second), ("8 kHz", wrong)])]);

        Assert.Equal([null, "8 kHz"], metrics.Select(measured => measured.Condition));
        Assert.All(metrics, measured => Assert.Equal("speech-x", measured.Split));
        Assert.Equal((5, 0.6), (metrics[0].Samples, metrics[0].Accuracy));
        Assert.Equal(new Answered(0.8, 0.75), metrics[0].AtThreshold);
        Assert.Equal([2, 1], [metrics[0].Confusion[(int)Emotion.Sad][(int)Emotion.Sad],
            metrics[0].Confusion[(int)Emotion.Sad][(int)Emotion.Happy]]);
        Assert.Equal([("speech-x-1", 4, 0.75), ("speech-x-2", 1, 0)],
            metrics[0].Folds.Select(fold => (fold.Name, fold.Samples, fold.Accuracy)));
        Assert.Equal(0, metrics[1].Accuracy);
    }

    [Fact]
    public void Pool_SingleSplit_HasNoFolds() =>
        Assert.Empty(EvaluationResults.Pool(
            "random", "speech-random", "RAVDESS test", [("speech-random", [(null, [Predicted(Emotion.Sad, Emotion.Sad)])])])[0].Folds);

    [Fact]
    public void Average_FoldsOfDifferentSize_CountTheSame()
    {
        // Three quarters correct, of two emotions, and one of one.
        List<Prediction> first =
            [Predicted(Emotion.Sad, Emotion.Sad), Predicted(Emotion.Sad, Emotion.Sad), Predicted(Emotion.Happy, Emotion.Happy),
            Predicted(Emotion.Happy, Emotion.Sad)];
        List<Prediction> second = [Predicted(Emotion.Fear, Emotion.Fear)];
        List<(string, IReadOnlyList<(string?, List<Prediction>)>)> parts = [("a", [(null, first)]), ("b", [(null, second)])];

        var metrics = Assert.Single(EvaluationResults.Average(EvaluationResults.Pool("folds", "speech-loco", "data", parts), parts));

        Assert.Equal(((2 / 3.0 + 1) / 2 + 1) / 2, metrics.UnweightedAverageRecall, 1e-4);
        Assert.Equal(0.875, metrics.Accuracy);
        Assert.Equal((0.15 + 0.1) / 2, metrics.ExpectedCalibrationError, 1e-4);
        Assert.Equal([0.15, 0.1], metrics.Folds.Select(fold => Math.Round(fold.ExpectedCalibrationError!.Value, 4)));
    }

    private static Prediction Predicted(Emotion predicted, Emotion label, bool answered = true) =>
        new(Scores(predicted, 0.9f), label, answered);

    private static EmotionScores Scores(Emotion emotion, float confidence) =>
        EmotionScores.FromWeights([.. Enumerable.Range(0, 7).Select(i => i == (int)emotion ? confidence : (1 - confidence) / 6)]);
}
