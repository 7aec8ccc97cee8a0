using System.Text;
using Affect.Emotions;
using Affect.Inference;

namespace Affect.Training.Evaluation;

/// <summary>Markdown tables for terminal, model cards and report.</summary>
internal static class Tables
{
    /// <summary>Metrics, one row per protocol and condition.</summary>
    public static string Metrics(IEnumerable<ModelMetrics> measurements) => Table(
        ["protocol", "data", "condition", "> samples", "> UAR", "> accuracy", "> macro precision", "> macro F1", "> ECE",
        "> accuracy at 80 % coverage"],
        measurements.Select(m =>
            (string[])[m.Protocol, m.Data, m.Condition ?? "", $"{m.Samples}", $"{m.UnweightedAverageRecall:P2}", $"{m.Accuracy:P2}",
            $"{m.MacroPrecision:P2}", $"{m.MacroF1:P2}", $"{m.ExpectedCalibrationError:P2}", m.MostCertain is { } certain
                ? $"{certain.Accuracy:P2}" : ""]));

    /// <summary>Metrics of the folds.</summary>
    public static string Folds(ModelMetrics metrics) => Table(["fold", "> samples", "> UAR", "> accuracy", "> ECE"],
        metrics.Folds.Select(fold => (string[])[fold.Name, $"{fold.Samples}", Percent(fold.UnweightedAverageRecall), Percent(fold.Accuracy),
            fold.ExpectedCalibrationError is { } error ? Percent(error) : ""]));

    /// <summary>Confusion matrix; rows are true labels, columns predicted labels.</summary>
    public static string Confusion(ModelMetrics metrics) => Table(
        ["true \\ predicted", .. EmotionLabels.Names.Select(name => $"> {name}"), "> precision", "> recall", "> F1"],
        EmotionLabels.Names.Select((name, i) => (string[])[name, .. metrics.Confusion[i].Select(count => $"{count}"),
            $"{metrics.Classes[i].Precision:P1}", $"{metrics.Classes[i].Recall:P1}", $"{metrics.Classes[i].F1:P1}"]));

    /// <summary>A fraction in percent with one decimal.</summary>
    public static string Percent(double fraction) => $"{fraction * 100:0.0} %";

    /// <summary>A table; columns whose heading has the prefix "> " are right-aligned.</summary>
    public static string Table(IReadOnlyList<string> headings, IEnumerable<IReadOnlyList<string>> rows)
    {
        var text = new StringBuilder();
        Row(headings.Select(heading => heading.TrimStart('>', ' ')));
        Row(headings.Select(heading => heading.StartsWith("> ", StringComparison.Ordinal) ? "---:" : "---"));
        foreach (var row in rows)
            Row(row);
        return text.ToString();

        void Row(IEnumerable<string> cells) => text.Append("| ").AppendJoin(" | ", cells).Append(" |\n");
    }
}
