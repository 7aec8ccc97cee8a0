using System.CommandLine;
using System.Diagnostics;
using Affect.Emotions;
using Affect.Training.Architectures;
using Affect.Training.Data;
using Affect.Training.Evaluation;
using Affect.Training.Export;
using Affect.Training.Learning;
using Spectre.Console;

namespace Affect.Training.Commands;

/// <summary><c>train</c>: learns, or goes on learning where a checkpoint lies.</summary>
internal static class TrainCommand
{
    /// <summary>How often training goes on by itself after torch failed.</summary>
    private const int Again = 5;

    public static Command Create()
    {
        var seed = Shared.Option("--seed", "Seed of weights, order and augmentation.", 1);
        var epochs = Shared.Option<int?>("--epochs", "Passes over the data in each run; the default is the recipe's.", null);
        var from = Shared.Option("--from", "File best.safetensors of an earlier run of this model, whose weights a fresh run begins with, or is taught by, in place of what its recipe begins with.", "");
        var command = new Command("train", "Trains a model; goes on where a checkpoint lies. Ctrl-C saves and exits with 130.")
        {
            Shared.Model, Shared.Data, Shared.Run, Shared.Splits, Shared.Models, Shared.Protocol, Shared.Threads, seed, epochs, from,
        };
        command.SetAction((parsed, cancellation) => Shared.Guard(async () =>
        {
            var (architecture, protocol) = Shared.Choice(parsed);
            var workspace = Shared.Workspace(parsed);
            Shared.StartTorch(parsed.GetValue(Shared.Threads));
            var given = parsed.GetValue(from) is { Length: > 0 } file ? file : null;
            foreach (var member in architecture.Members)
                await TrainAsync(member, member.Recipe, workspace.Folder(member, protocol), given);

            // First what the recipe begins with, where that is not done yet, and then by the recipe.
            async Task TrainAsync(Architecture model, Recipe recipe, string folder, string? weights)
            {
                if (weights is null && recipe.From is { } before)
                {
                    weights = Trainer.BestOf(Workspace.Before(folder));
                    if (Trainer.ReadState(Trainer.CheckpointOf(folder)) is null)
                        await TrainAsync(model, before, Workspace.Before(folder), null);
                }
                var data = await Shared.LoadAsync(workspace, model, recipe, protocol, cancellation);
                if (recipe.Teacher is { } name)
                {
                    var teacher = Architecture.All[name];
                    // The same samples in the form that the teacher takes.
                    var seen = await Shared.LoadAsync(workspace, teacher, protocol, cancellation);
                    var judge = teacher == model
                        ? Judge.Trained(Exporter.Export(teacher, _ => given ?? First(folder), seen, Storage.Float32, cancellation))
                        : Judge.Shipped(parsed.GetValue(Shared.Models)!, ModelFolder.Read(parsed.GetValue(Shared.Models)!, teacher));
                    data = data with { Train = Taught(data.Train, seen.Train, teacher, judge, recipe.Taught, cancellation) };
                }
                await RunAsync(new Trainer(model, recipe with { Epochs = parsed.GetValue(epochs) ?? recipe.Epochs }, data,
                    parsed.GetValue(seed), folder, weights), cancellation);
            }
        }));
        return command;
    }

    // The weights that the first of a folder's runs left.
    private static string First(string folder) => Directory.Exists(Workspace.Before(folder)) ? First(Workspace.Before(folder)) : Trainer.BestOf(folder);

    private static async Task RunAsync(Trainer trainer, CancellationToken cancellation)
    {
        for (var again = Again; ; again--)
            try
            {
                await (Console.IsOutputRedirected ? RunPlainAsync(trainer, cancellation) : RunLiveAsync(trainer, cancellation));
                return;
            }
            // TorchSharp 0.107 passes numbers in objects that may be collected during the call ("Unknown scalar type", seen
            // once in some thousand steps under load); the checkpoint is whole.
            catch (System.Runtime.InteropServices.ExternalException exception) when (again > 0)
            {
                await Console.Error.WriteLineAsync($"torch failed ({exception.Message.Split('\n')[0]}); on from the last checkpoint");
            }
    }

    // What a teacher says of the samples, as they are.
    private static SoftLabels Taught(Samples samples, Samples seen, Architecture teacher, Judge judge, double share, CancellationToken cancellation)
    {
        using var runner = new OnnxRunner(judge.Model, teacher, judge.Normalization);
        var beliefs = runner.Windows(seen, cancellation).ConvertAll(windows =>
        {
            var scores = Calibration.Scores(windows, judge.Temperature);
            return (float[]?)[.. Enum.GetValues<Emotion>().Select(emotion => scores[emotion])];
        });
        return new(samples, beliefs, share);
    }

    private static async Task RunPlainAsync(Trainer trainer, CancellationToken cancellation)
    {
        var watch = Stopwatch.StartNew();
        await trainer.RunAsync(glance =>
        {
            if (glance.Done is { } done)
                Console.WriteLine($"{watch.Elapsed:hh\\:mm\\:ss} {Line(done, glance.Epochs)}");
            else if (glance.Step % 50 == 0)
                Console.WriteLine($"{watch.Elapsed:hh\\:mm\\:ss} epoch {glance.Epoch} step {glance.Step}/{glance.Steps} loss {glance.Loss:F3} accuracy {glance.Accuracy:F3} rate {glance.Rate:G3}");
        }, cancellation);
    }

    private static Task RunLiveAsync(Trainer trainer, CancellationToken cancellation) =>
        AnsiConsole.Progress()
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
            .StartAsync(async context =>
            {
                var (all, epoch) = (context.AddTask("all"), context.AddTask("epoch"));
                await trainer.RunAsync(glance =>
                {
                    all.MaxValue = (double)glance.Epochs * glance.Steps;
                    all.Value = (glance.Epoch - 1.0) * glance.Steps + glance.Step;
                    (epoch.MaxValue, epoch.Value) = (glance.Steps, glance.Step);
                    epoch.Description = $"epoch {glance.Epoch}/{glance.Epochs}  loss {glance.Loss:F3}  accuracy {glance.Accuracy:P1}  rate {glance.Rate:G3}";
                    if (glance.Done is { } done)
                        AnsiConsole.WriteLine(Line(done, glance.Epochs));
                }, cancellation);
            });

    private static string Line(EpochResult done, int epochs) =>
        $"epoch {done.Epoch}/{epochs} loss {done.Loss:F4} accuracy {done.Accuracy:F4} | validation loss {done.ValidationLoss:F4} " +
        $"accuracy {done.ValidationAccuracy:F4} recall {done.ValidationRecall:F4}";
}
