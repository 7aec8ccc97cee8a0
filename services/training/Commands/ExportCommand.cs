using System.CommandLine;
using Affect.Training.Evaluation;
using Affect.Training.Export;
using Affect.Training.Learning;

namespace Affect.Training.Commands;

/// <summary><c>export</c>: exports a run's best weights to the model repository.</summary>
internal static class ExportCommand
{
    public static Command Create()
    {
        var version = new Option<string>("--version") { Description = "Version to write.", DefaultValueFactory = _ => "1" };
        var format = CommonOptions.Option<WeightFormat?>("--weight-format", "Format of the larger weights; the default is the model's.", null);
        var isDefault = new Option<bool>("--default") { Description = "Makes the model the default of its modality." };
        var command = new Command("export", "Exports ONNX file, manifest and model card after comparing ONNX Runtime with TorchSharp.")
        {
            CommonOptions.Model, CommonOptions.Data, CommonOptions.Run, CommonOptions.Splits, CommonOptions.Models, CommonOptions.Threads,
            version, format, isDefault,
        };
        command.SetAction((parsed, cancellation) => CommonOptions.InvokeAsync(async () =>
        {
            var (architecture, protocol) = CommonOptions.SelectModel(parsed);
            var workspace = CommonOptions.Workspace(parsed);
            CommonOptions.StartTorch(parsed.GetValue(CommonOptions.Threads));
            var data = await CommonOptions.LoadAsync(workspace, architecture, protocol, cancellation);
            var exported = Exporter.Export(
                architecture, member => Trainer.BestWeightsPath(workspace.RunFolder(member, protocol)), data,
                parsed.GetValue(format) ?? architecture.WeightFormat, cancellation);
            var path = ModelFolder.Write(
                parsed.GetValue(CommonOptions.Models)!, architecture, exported, parsed.GetValue(version)!, parsed.GetValue(isDefault),
                EvaluationResults.LearningCurves(Trainer.ReadState(Trainer.CheckpointPath(workspace.RunFolder(architecture, protocol)))));
            Console.WriteLine($"{path}: {exported.Model.Length:N0} bytes, " +
                $"maximum difference from TorchSharp {exported.MaxDifference:G3}, " +
                $"validation accuracy {exported.Accuracy:P2}, temperature {exported.Temperature}, abstains below {exported.AbstainBelow}");
        }));
        return command;
    }
}
