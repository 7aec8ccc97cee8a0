using Affect.Inference;
using Affect.Training.Learning;

namespace Affect.Training.Evaluation;

/// <summary>Converts predictions and training histories to the values of a manifest.</summary>
internal static class EvaluationResults
{
    /// <summary>
    /// Computes the metrics of each condition. The predictions of several folds, each by separately trained weights, are pooled,
    /// so that each sample counts once; the metrics of each fold are kept.
    /// </summary>
    /// <param name="protocol">Name of the protocol.</param>
    /// <param name="split">Name of the split, or the common prefix of the folds.</param>
    /// <param name="data">Name of the test data.</param>
    /// <param name="parts">Name and predictions by condition of each split; the conditions must be equal.</param>
    public static IReadOnlyList<ModelMetrics> Pool(
        string protocol, string split, string data,
            IReadOnlyList<(string Split, IReadOnlyList<(string? Condition, List<Prediction> Predictions)> Conditions)> parts)
    {
        return [.. parts[0].Conditions.Select((first, i) => Compute([.. parts.SelectMany(part => part.Conditions[i].Predictions)]) with
        {
            Split = split,
            Condition = first.Condition,
            Folds = parts[0].Split == split ? [] : [.. parts.Select(part => Fold(part.Split, Compute(part.Conditions[i].Predictions)))],
        })];

        static FoldMetrics Fold(string name, ModelMetrics metrics) =>
            new(name, metrics.Samples, metrics.Accuracy, metrics.UnweightedAverageRecall)
            {
                ExpectedCalibrationError = metrics.ExpectedCalibrationError,
            };

        ModelMetrics Compute(List<Prediction> predictions)
        {
            var (scores, labels) = (
                predictions.ConvertAll(prediction => prediction.Scores), predictions.ConvertAll(prediction => prediction.Label));
            return Metrics.Compute(protocol, data, scores, labels) with
            {
                AtThreshold = Metrics.Selective(scores, labels, Enumerable.Range(0, labels.Count).Where(i => predictions[i].Answered)),
            };
        }
    }

    /// <summary>
    /// Replaces the metrics of pooled folds by the means of the folds, which count the same; the confusion matrix, the reliability diagram
    /// and selective accuracy stay pooled.
    /// </summary>
    /// <param name="pooled">Metrics by condition.</param>
    /// <param name="parts">The folds, as for <see cref="Pool"/>.</param>
    public static IReadOnlyList<ModelMetrics> Average(
        IReadOnlyList<ModelMetrics> pooled,
        IReadOnlyList<(string Split, IReadOnlyList<(string? Condition, List<Prediction> Predictions)> Conditions)> parts) =>
        [.. pooled.Select((metrics, i) =>
        {
            var folds = parts.Select(part => Metrics.Compute("", "",
                part.Conditions[i].Predictions.ConvertAll(prediction => prediction.Scores),
                part.Conditions[i].Predictions.ConvertAll(prediction => prediction.Label))).ToList();
            double Mean(Func<ModelMetrics, double> value) => Math.Round(folds.Average(value), 4);
            return metrics with
            {
                Accuracy = Mean(fold => fold.Accuracy),
                UnweightedAverageRecall = Mean(fold => fold.UnweightedAverageRecall),
                MacroF1 = Mean(fold => fold.MacroF1),
                MacroPrecision = Mean(fold => fold.MacroPrecision),
                ExpectedCalibrationError = Mean(fold => fold.ExpectedCalibrationError),
            };
        })];

    /// <summary>The learning curves of a run; null without a run.</summary>
    public static LearningCurves? LearningCurves(RunState? run)
    {
        return run is null ? null : new(
            Round(epoch => epoch.Loss), Round(epoch => epoch.Accuracy), Round(epoch => epoch.ValidationLoss),
                Round(epoch => epoch.ValidationAccuracy));

        IReadOnlyList<double> Round(Func<EpochResult, double> value) => [.. run.History.Select(epoch => Math.Round(value(epoch), 4))];
    }
}
