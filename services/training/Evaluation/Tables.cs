using System.Text;
using Affect.Emotions;
using Affect.Inference;

namespace Affect.Training.Evaluation;

/// <summary>Figures as Markdown tables, for terminal and model cards.</summary>
internal static class Tables
{
    /// <summary>One row for each measurement.</summary>
    public static string Figures(IEnumerable<ModelMetrics> measurements)
    {
        var text = new StringBuilder("| protocol | data | samples | accuracy | average recall | macro precision | macro F1 | calibration error |\n| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n");
        foreach (var m in measurements)
            text.Append($"| {m.Protocol} | {m.Data} | {m.Samples} | {m.Accuracy:P2} | {m.UnweightedAverageRecall:P2} | {m.MacroPrecision:P2} | {m.MacroF1:P2} | {m.ExpectedCalibrationError:P2} |\n");
        return text.ToString();
    }

    /// <summary>Rows are true labels, columns what was said, and the last column the recall.</summary>
    public static string Confusion(ModelMetrics metrics)
    {
        var text = new StringBuilder($"| true \\ said | {string.Join(" | ", EmotionLabels.Names)} | recall |\n|{string.Concat(Enumerable.Repeat(" --- |", 1))}{string.Concat(Enumerable.Repeat(" ---: |", EmotionLabels.Count + 1))}\n");
        for (var i = 0; i < EmotionLabels.Count; i++)
        {
            var row = metrics.Confusion[i];
            text.Append($"| {EmotionLabels.Names[i]} | {string.Join(" | ", row)} | {(row.Sum() == 0 ? 0 : (double)row[i] / row.Sum()):P1} |\n");
        }
        return text.ToString();
    }
}
