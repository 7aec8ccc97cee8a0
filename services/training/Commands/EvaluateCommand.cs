using System.CommandLine;
using Affect.Training.Data;
using Affect.Training.Evaluation;
using Affect.Training.Export;

namespace Affect.Training.Commands;

/// <summary>
/// <c>evaluate</c>: figures on test data, through ONNX Runtime. Under the protocol of the shipped weights it
/// measures the file in the repository; under another one the weights that were trained for that protocol.
/// </summary>
internal static class EvaluateCommand
{
    public static Command Create()
    {
        var command = new Command("evaluate", "Measures a model on test data and writes the figures into its manifest and card.")
        {
            Shared.Model, Shared.Data, Shared.Run, Shared.Splits, Shared.Protocol, Shared.Models, Shared.Threads,
        };
        command.SetAction((parsed, cancellation) => Shared.Guard(async () =>
        {
            var (architecture, protocol) = Shared.Choice(parsed);
            var workspace = Shared.Workspace(parsed);
            var data = await Shared.LoadAsync(workspace, architecture, protocol, cancellation);
            var models = parsed.GetValue(Shared.Models)!;
            var manifest = ModelFolder.Read(models, architecture);
            var (model, normalization, temperature, abstain) = (ModelFolder.ReadModel(models, manifest),
                new Normalization([.. manifest.Input.Mean], [.. manifest.Input.Scale]), manifest.Output.Temperature, manifest.Output.AbstainBelow);
            var name = data.Protocol;
            if (protocol != Workspace.DefaultProtocol(architecture))
            {
                Shared.StartTorch(parsed.GetValue(Shared.Threads));
                var exported = Exporter.Export(architecture, workspace.Folder(architecture, protocol), data, half: true, cancellation);
                (model, normalization, temperature, abstain) = (exported.Model, exported.Run.Normalization, exported.Temperature, exported.AbstainBelow);
                name += $"; weights trained for this protocol ({exported.Run.Recipe.Epochs} epochs), not the shipped ones";
            }

            using var runner = new OnnxRunner(model, architecture, normalization);
            var labels = Enumerable.Range(0, data.Test.Count).Select(data.Test.Label).ToList();
            var scores = runner.Windows(data.Test, cancellation).ConvertAll(windows => Calibration.Scores(windows, temperature));
            var metrics = Metrics.Of(name, $"{data.Data} test", scores, labels);
            // The shipped weights' figures come first.
            var others = manifest.Metrics.Where(old => old.Protocol.Split(';')[0] != data.Protocol);
            ModelFolder.Write(models, architecture, manifest with
            {
                Metrics = protocol == Workspace.DefaultProtocol(architecture) ? [metrics, .. others] : [.. others, metrics],
            });

            Console.WriteLine(Tables.Figures([metrics]));
            Console.WriteLine(Tables.Confusion(metrics));
            var kept = Enumerable.Range(0, labels.Count).Where(i => scores[i].Confidence >= abstain).ToList();
            Console.WriteLine($"abstains on {1 - kept.Count / (double)labels.Count:P1}; of the rest {kept.Count(i => scores[i].Best == labels[i]) / (double)Math.Max(1, kept.Count):P1} are right");
        }));
        return command;
    }
}
