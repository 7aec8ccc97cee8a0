using Affect.Inference;

namespace Affect.Training.Evaluation;

/// <summary>From judgements, of one test part or of several folds, to what a manifest holds of them.</summary>
internal static class Figures
{
    /// <summary>
    /// One measurement for each condition. Folds, which were judged by weights of their own, are pooled: each sample counts
    /// once, and how far the folds lie apart is kept beside.
    /// </summary>
    /// <param name="protocol">How the figures call the protocol.</param>
    /// <param name="split">The split, or what the names of the folds have in common.</param>
    /// <param name="data">What was tested.</param>
    /// <param name="parts">Name of each split, and its judgements by condition, the same conditions for all.</param>
    public static IReadOnlyList<ModelMetrics> Of(
        string protocol, string split, string data, IReadOnlyList<(string Split, IReadOnlyList<(string? Condition, List<Judgement> Judgements)> Judged)> parts)
    {
        return [.. parts[0].Judged.Select((first, i) =>
        {
            return Measure([.. parts.SelectMany(part => part.Judged[i].Judgements)]) with
            {
                Split = split,
                Condition = first.Condition,
                Folds = parts[0].Split == split ? [] : [.. parts.Select(part => Fold(part.Split, Measure(part.Judged[i].Judgements)))],
            };
        })];

        static FoldMetrics Fold(string name, ModelMetrics metrics) => new(name, metrics.Samples, metrics.Accuracy, metrics.UnweightedAverageRecall);

        ModelMetrics Measure(List<Judgement> judgements)
        {
            var (scores, labels) = (judgements.ConvertAll(judgement => judgement.Scores), judgements.ConvertAll(judgement => judgement.Label));
            return Metrics.Of(protocol, data, scores, labels) with
            {
                AtThreshold = Metrics.Among(scores, labels, Enumerable.Range(0, labels.Count).Where(i => judgements[i].Answered)),
            };
        }
    }

    /// <summary>The curves of a run, all of its epochs; null where none lies in the folder.</summary>
    public static LearningCurves? Curves(Learning.RunState? run)
    {
        return run is null ? null : new(
            Round(epoch => epoch.Loss), Round(epoch => epoch.Accuracy), Round(epoch => epoch.ValidationLoss), Round(epoch => epoch.ValidationAccuracy));

        IReadOnlyList<double> Round(Func<Learning.EpochResult, double> value) => [.. run.History.Select(epoch => Math.Round(value(epoch), 4))];
    }
}
