using System.CommandLine;
using Affect.Training.Evaluation;
using Affect.Training.Export;
using Affect.Training.Learning;

namespace Affect.Training.Commands;

/// <summary><c>export</c>: a run's best weights become a model of the repository.</summary>
internal static class ExportCommand
{
    public static Command Create()
    {
        var version = new Option<string>("--version") { Description = "Version to write.", DefaultValueFactory = _ => "1" };
        var store = new Option<Storage>("--store") { Description = "How the larger weights are stored.", DefaultValueFactory = _ => Storage.Float16 };
        var isDefault = new Option<bool>("--default") { Description = "Makes the model the one that answers where none is named." };
        var command = new Command("export", "Writes ONNX, manifest and card, after comparing ONNX Runtime with TorchSharp.")
        {
            Shared.Model, Shared.Data, Shared.Run, Shared.Splits, Shared.Models, Shared.Threads, version, store, isDefault,
        };
        command.SetAction((parsed, cancellation) => Shared.Guard(async () =>
        {
            var (architecture, protocol) = Shared.Choice(parsed);
            var workspace = Shared.Workspace(parsed);
            Shared.StartTorch(parsed.GetValue(Shared.Threads));
            var data = await Shared.LoadAsync(workspace, architecture, protocol, cancellation);
            var exported = Exporter.Export(architecture, member => Trainer.BestOf(workspace.Folder(member, protocol)), data, parsed.GetValue(store), cancellation);
            var path = ModelFolder.Write(parsed.GetValue(Shared.Models)!, architecture, exported, parsed.GetValue(version)!, parsed.GetValue(isDefault),
                Figures.Curves(Trainer.ReadState(Trainer.CheckpointOf(workspace.Folder(architecture, protocol)))));
            Console.WriteLine($"{path}: {exported.Model.Length:N0} bytes, largest difference from TorchSharp {exported.Difference:G3}, " +
                $"{exported.Accuracy:P2} right on validation data, temperature {exported.Temperature}, abstains below {exported.AbstainBelow}");
        }));
        return command;
    }
}
