using Affect.Emotions;
using Affect.Inference;

namespace Affect.Training.Evaluation;

/// <summary>Metrics of calibrated scores.</summary>
internal static class Metrics
{
    private const int Bins = 15;

    /// <summary>Coverage of <see cref="ModelMetrics.MostCertain"/>.</summary>
    private const double SelectiveCoverage = 0.8;

    /// <summary>Computes the metrics of scores and labels.</summary>
    public static ModelMetrics Compute(string protocol, string data, IReadOnlyList<EmotionScores> scores, IReadOnlyList<Emotion> labels)
    {
        var confusion = new int[EmotionLabels.Count][];
        for (var i = 0; i < confusion.Length; i++)
            confusion[i] = new int[EmotionLabels.Count];
        for (var i = 0; i < labels.Count; i++)
            confusion[(int)labels[i]][(int)scores[i].Best]++;

        var metrics = new ModelMetrics
        {
            Protocol = protocol,
            Data = data,
            Samples = labels.Count,
            Accuracy = Round((double)confusion.Select((row, c) => row[c]).Sum() / labels.Count),
            UnweightedAverageRecall = 0,
            MacroF1 = 0,
            MacroPrecision = 0,
            ExpectedCalibrationError = Round(ExpectedCalibrationError(scores, labels)),
            MostCertain = Selective(scores, labels, Enumerable.Range(0, labels.Count)
                .OrderByDescending(i => scores[i].Confidence).Take((int)Math.Round(SelectiveCoverage * labels.Count))),
            Reliability = [.. Reliability(scores, labels)
                .Select(bin => new ReliabilityBin(bin.Count, Round(bin.Confidence), Round(bin.Accuracy)))],
            Confusion = confusion,
        };
        // Some corpora do not have all emotions.
        var classes = metrics.Classes.Where(c => c.Support > 0).ToList();
        return metrics with
        {
            UnweightedAverageRecall = Round(classes.Average(c => c.Recall)),
            MacroF1 = Round(classes.Average(c => c.F1)),
            MacroPrecision = Round(classes.Average(c => c.Precision)),
        };
    }

    /// <summary>Coverage and accuracy of the answered samples (selective classification).</summary>
    public static Answered Selective(IReadOnlyList<EmotionScores> scores, IReadOnlyList<Emotion> labels, IEnumerable<int> answered)
    {
        var (count, correct) = (0, 0);
        foreach (var i in answered)
        {
            count++;
            correct += scores[i].Best == labels[i] ? 1 : 0;
        }
        return new(Round((double)count / labels.Count), Round((double)correct / Math.Max(1, count)));
    }

    /// <summary>
    /// Expected calibration error, ECE (Naeini et al. 2015; Guo et al. 2017): mean of |accuracy − confidence| over 15 equal
    /// bins of confidence, weighted by the samples of the bin.
    /// </summary>
    public static double ExpectedCalibrationError(IReadOnlyList<EmotionScores> scores, IReadOnlyList<Emotion> labels) =>
        Reliability(scores, labels).Sum(bin => bin.Count * Math.Abs(bin.Accuracy - bin.Confidence)) / labels.Count;

    /// <summary>Confidence and accuracy in 15 equal bins of confidence.</summary>
    public static IReadOnlyList<ReliabilityBin> Reliability(IReadOnlyList<EmotionScores> scores, IReadOnlyList<Emotion> labels)
    {
        var (counts, confidence, correct) = (new int[Bins], new double[Bins], new int[Bins]);
        for (var i = 0; i < labels.Count; i++)
        {
            var bin = Math.Min((int)(scores[i].Confidence * Bins), Bins - 1);
            counts[bin]++;
            confidence[bin] += scores[i].Confidence;
            correct[bin] += scores[i].Best == labels[i] ? 1 : 0;
        }
        return [.. counts.Select(
            (count, bin) => new ReliabilityBin(count, confidence[bin] / Math.Max(1, count), (double)correct[bin] / Math.Max(1, count)))];
    }

    /// <summary>Mean of −ln p(label), in nats.</summary>
    public static double NegativeLogLikelihood(IReadOnlyList<EmotionScores> scores, IReadOnlyList<Emotion> labels) =>
        -scores.Select((score, i) => Math.Log(Math.Max(score[labels[i]], 1e-12))).Average();

    private static double Round(double value) => Math.Round(value, 4);
}
