using System.Globalization;
using Affect.Emotions;
using Affect.Training.Architectures;
using Affect.Training.Data;

namespace Affect.Training.Evaluation;

/// <summary>The logits of the windows of a clip.</summary>
internal sealed record ClipLogits(string Id, Emotion Label, IReadOnlyList<float[]> Windows);

/// <summary>The predictions of a fold's weights for its test part, by condition; the first condition is clean.</summary>
internal sealed record FoldPredictions(
    string Split, IReadOnlyList<(string? Condition, IReadOnlyList<ClipLogits> Clips)> Conditions)
{
    private const string Clean = "clean";

    /// <summary>Path of the predictions in the folder of a run.</summary>
    public static string FilePath(string folder) => Path.Combine(folder, "predictions.tsv");

    /// <summary>Reads the folds of a protocol that are predicted.</summary>
    /// <exception cref="FileNotFoundException">Fewer than two folds are predicted.</exception>
    public static List<FoldPredictions> ReadAll(Workspace workspace, Architecture architecture, string protocol)
    {
        var folds = new List<FoldPredictions>();
        foreach (var split in workspace.ExpandProtocol(protocol))
            if (FilePath(workspace.RunFolder(architecture, split)) is var path && File.Exists(path))
                folds.Add(Read(path, split, workspace.ReadSplit(split)));
            else
                Console.WriteLine($"skipped {split}: not predicted; run predict --model {architecture.Name} --protocol {split}");
        return folds.Count > 1 ? folds
            : throw new FileNotFoundException($"nothing to evaluate: {workspace.Run} has predictions of {folds.Count} folds of {protocol}, " +
                "of at least two that calibrate each other");
    }

    /// <summary>Reads lines of clip, label, condition and logits, one for each window.</summary>
    /// <exception cref="InvalidDataException">A line is invalid, or a clip is not in the test part.</exception>
    public static FoldPredictions Read(string path, string name, Split split)
    {
        var rows = File.ReadLines(path).Select(line => line.Split('\t')).Select(cells =>
            cells.Length == 3 + EmotionLabels.Count && EmotionLabels.TryParse(cells[1], out var label) && split.PartOf(cells[0]) == Part.Test
                ? (Id: cells[0], Label: label, Condition: cells[2],
                    Logits: cells[3..].Select(cell => float.Parse(cell, CultureInfo.InvariantCulture)).ToArray())
                : throw new InvalidDataException(
                    $"{path}: '{string.Join(' ', cells)}' must be a test clip of {name}, label, condition and seven logits")).ToList();
        return new(name, [.. rows.GroupBy(row => row.Condition).OrderByDescending(condition => condition.Key == Clean).Select(condition => (
            condition.Key == Clean ? null : condition.Key, (IReadOnlyList<ClipLogits>)[.. condition.GroupBy(row => row.Id).Select(clip =>
                new ClipLogits(clip.Key, clip.First().Label, [.. clip.Select(row => row.Logits)]))]))]);
    }
}

/// <summary>
/// Evaluation of folds that are calibrated on unseen data: the temperature and the abstention threshold of a fold are fitted on the
/// predictions of the other folds for their own test parts, which their weights have not seen. With one corpus a fold, calibration
/// is that of unseen corpora, and each corpus counts the same.
/// </summary>
internal static class OutOfFold
{
    /// <summary>Fits temperature and abstention threshold on the clean test parts of folds; the folds count the same.</summary>
    public static (float Temperature, float AbstainBelow) Fit(IEnumerable<FoldPredictions> folds)
    {
        var clean = folds.Select(fold => fold.Conditions[0].Clips).ToList();
        var temperature = Calibration.Temperature([.. clean.Select(clips => (
            (IReadOnlyList<IReadOnlyList<float[]>>)[.. clips.Select(clip => clip.Windows)],
            (IReadOnlyList<Emotion>)[.. clips.Select(clip => clip.Label)]))]);
        return (temperature, Calibration.AbstainBelow(
            clean.SelectMany(clips => clips).Select(clip => Calibration.Scores(clip.Windows, temperature))));
    }

    /// <summary>The scores of one window of each clean clip of a fold, the middle one, calibrated on the other folds.</summary>
    public static IEnumerable<(string Id, Emotion Label, EmotionScores Scores)> Calibrate(IReadOnlyList<FoldPredictions> folds, int index)
    {
        var (temperature, _) = Fit(folds.Where((_, other) => other != index));
        return folds[index].Conditions[0].Clips.Select(clip => (
            clip.Id, clip.Label, EmotionScores.FromLogits(clip.Windows[clip.Windows.Count / 2], temperature)));
    }

    /// <summary>Predictions by condition of each fold, calibrated on the others.</summary>
    /// <param name="folds">Two or more folds with equal conditions.</param>
    public static IReadOnlyList<(string Split, IReadOnlyList<(string? Condition, List<Prediction> Predictions)> Conditions)> Predict(
        IReadOnlyList<FoldPredictions> folds) =>
        [.. folds.Select(fold =>
        {
            var (temperature, abstainBelow) = Fit(folds.Where(other => other != fold));
            Console.WriteLine($"{fold.Split}: temperature {temperature}, abstains below {abstainBelow}");
            return (fold.Split, (IReadOnlyList<(string?, List<Prediction>)>)[.. fold.Conditions.Select(condition => (
                condition.Condition, condition.Clips.Select(clip =>
                {
                    var scores = Calibration.Scores(clip.Windows, temperature);
                    return new Prediction(scores, clip.Label, scores.Confidence >= abstainBelow);
                }).ToList()))]);
        })];
}
