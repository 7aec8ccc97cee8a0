using System.Text;
using Affect.Emotions;
using Affect.Inference;

namespace Affect.Training.Evaluation;

/// <summary>Figures as Markdown tables, for terminal, model cards and the report.</summary>
internal static class Tables
{
    /// <summary>One row for each measurement.</summary>
    public static string Figures(IEnumerable<ModelMetrics> measurements) => Table(
        ["protocol", "data", "condition", "> samples", "> accuracy", "> average recall", "> macro precision", "> macro F1", "> calibration error", "> most certain 80 %"],
        measurements.Select(m => (string[])[m.Protocol, m.Data, m.Condition ?? "", $"{m.Samples}", $"{m.Accuracy:P2}", $"{m.UnweightedAverageRecall:P2}",
            $"{m.MacroPrecision:P2}", $"{m.MacroF1:P2}", $"{m.ExpectedCalibrationError:P2}", m.MostCertain is { } certain ? $"{certain.Accuracy:P2}" : ""]));

    /// <summary>Rows are true labels, columns what was said.</summary>
    public static string Confusion(ModelMetrics metrics) => Table(
        ["true \\ said", .. EmotionLabels.Names.Select(name => $"> {name}"), "> precision", "> recall", "> F1"],
        EmotionLabels.Names.Select((name, i) => (string[])[name, .. metrics.Confusion[i].Select(count => $"{count}"),
            $"{metrics.Classes[i].Precision:P1}", $"{metrics.Classes[i].Recall:P1}", $"{metrics.Classes[i].F1:P1}"]));

    /// <summary>A table; a heading that begins with "> " has its column to the right.</summary>
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
