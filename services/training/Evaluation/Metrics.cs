using Affect.Emotions;
using Affect.Inference;

namespace Affect.Training.Evaluation;

/// <summary>Figures from posteriors and labels.</summary>
internal static class Metrics
{
    private const int Bins = 15;

    /// <summary>Computes all that a manifest holds of a measurement.</summary>
    public static ModelMetrics Of(string protocol, string data, IReadOnlyList<EmotionScores> scores, IReadOnlyList<Emotion> labels)
    {
        var confusion = new int[EmotionLabels.Count][];
        for (var i = 0; i < confusion.Length; i++)
            confusion[i] = new int[EmotionLabels.Count];
        for (var i = 0; i < labels.Count; i++)
            confusion[(int)labels[i]][(int)scores[i].Best]++;

        var recalls = new double[EmotionLabels.Count];
        var precisions = new double[EmotionLabels.Count];
        var f1 = new double[EmotionLabels.Count];
        for (var c = 0; c < EmotionLabels.Count; c++)
        {
            var (hits, are, said) = (confusion[c][c], confusion[c].Sum(), confusion.Sum(row => row[c]));
            // A class that never occurs or is never said counts as zero, as in scikit-learn (zero_division=0).
            recalls[c] = are == 0 ? 0 : (double)hits / are;
            precisions[c] = said == 0 ? 0 : (double)hits / said;
            f1[c] = are + said == 0 ? 0 : 2.0 * hits / (are + said);
        }
        return new()
        {
            Protocol = protocol,
            Data = data,
            Samples = labels.Count,
            Accuracy = Round((double)confusion.Select((row, c) => row[c]).Sum() / labels.Count),
            UnweightedAverageRecall = Round(recalls.Average()),
            MacroF1 = Round(f1.Average()),
            MacroPrecision = Round(precisions.Average()),
            ExpectedCalibrationError = Round(CalibrationError(scores, labels)),
            Confusion = confusion,
        };
    }

    /// <summary>
    /// Expected calibration error (Naeini et al. 2015; Guo et al. 2017): over 15 equal bins of confidence,
    /// |accuracy − confidence| weighted by the bin's share.
    /// </summary>
    public static double CalibrationError(IReadOnlyList<EmotionScores> scores, IReadOnlyList<Emotion> labels)
    {
        var (confidence, correct) = (new double[Bins], new int[Bins]);
        for (var i = 0; i < labels.Count; i++)
        {
            var bin = Math.Min((int)(scores[i].Confidence * Bins), Bins - 1);
            confidence[bin] += scores[i].Confidence;
            correct[bin] += scores[i].Best == labels[i] ? 1 : 0;
        }
        return Enumerable.Range(0, Bins).Sum(bin => Math.Abs(correct[bin] - confidence[bin])) / labels.Count;
    }

    /// <summary>Mean of −ln p(label), in nats.</summary>
    public static double NegativeLogLikelihood(IReadOnlyList<EmotionScores> scores, IReadOnlyList<Emotion> labels) =>
        -scores.Select((score, i) => Math.Log(Math.Max(score[labels[i]], 1e-12))).Average();

    private static double Round(double value) => Math.Round(value, 4);
}
