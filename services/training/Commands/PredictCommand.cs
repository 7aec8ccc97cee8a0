using System.CommandLine;
using System.Globalization;
using Affect.Emotions;
using Affect.Training.Data;
using Affect.Training.Evaluation;
using Affect.Training.Export;
using Affect.Training.Learning;

namespace Affect.Training.Commands;

/// <summary>
/// <c>predict</c>: writes the logits of a run's test windows to <c>predictions.tsv</c> in its folder, from which metrics, calibration
/// and simulated calls are computed without the audio.
/// </summary>
internal static class PredictCommand
{
    public static Command Create()
    {
        var conditions = new Option<bool>("--conditions") { Description = "Predicts under every condition, not only clean sound." };
        var command = new Command("predict", "Writes the logits of test windows to predictions.tsv in the folder of each run.")
        {
            CommonOptions.Model, CommonOptions.Data, CommonOptions.Run, CommonOptions.Splits, CommonOptions.Protocol, CommonOptions.Threads,
            conditions,
        };
        command.SetAction((parsed, cancellation) => CommonOptions.InvokeAsync(async () =>
        {
            var (architecture, protocol) = CommonOptions.SelectModel(parsed);
            var workspace = CommonOptions.Workspace(parsed);
            CommonOptions.StartTorch(parsed.GetValue(CommonOptions.Threads));
            foreach (var split in workspace.ExpandProtocol(protocol))
            {
                var folder = workspace.RunFolder(architecture, split);
                if (!architecture.Members.All(member => File.Exists(Trainer.BestWeightsPath(workspace.RunFolder(member, split)))))
                    continue;
                Directory.CreateDirectory(folder);
                var data = await CommonOptions.LoadAsync(workspace, architecture, split, cancellation);
                var (network, normalization) = Trainer.LoadBest(
                    architecture, member => Trainer.BestWeightsPath(workspace.RunFolder(member, split)));
                using var _ = network;
                using var runner = new OnnxRunner(Exporter.Write(architecture, network, architecture.WeightFormat), architecture, normalization);
                var test = (SpeechWindows)data.Test;
                await using var file = File.CreateText(FoldPredictions.FilePath(folder));
                foreach (var condition in parsed.GetValue(conditions) ? Condition.All : [Condition.All[0]])
                {
                    var windows = runner.Windows(condition.ApplyTo(test), cancellation);
                    for (var i = 0; i < windows.Count; i++)
                        foreach (var logits in windows[i])
                            await file.WriteLineAsync(string.Join('\t', [test.Id(i), test.Label(i).Name(), condition.Name ?? "clean",
                                .. logits.Select(logit => logit.ToString("G5", CultureInfo.InvariantCulture))]));
                    var uar = Metrics.Compute("", "", windows.ConvertAll(rows => Calibration.Scores(rows, 1)),
                        Enumerable.Range(0, test.Count).Select(test.Label).ToList()).UnweightedAverageRecall;
                    Console.WriteLine($"{architecture.Name} {split} {condition.Name ?? "clean"}: UAR {uar:P1}");
                }
            }
        }));
        return command;
    }
}
