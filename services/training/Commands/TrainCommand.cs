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
        var epochs = Shared.Option<int?>("--epochs", "Passes over the data; the default is the recipe's.", null);
        var from = Shared.Option("--from", "File best.safetensors of an earlier run of this model, whose weights a fresh run begins with.", "");
        var command = new Command("train", "Trains a model; goes on where a checkpoint lies. Ctrl-C saves and exits with 130.")
        {
            Shared.Model, Shared.Data, Shared.Run, Shared.Splits, Shared.Models, Shared.Protocol, Shared.Threads, seed, epochs, from,
        };
        command.SetAction((parsed, cancellation) => Shared.Guard(async () =>
        {
            var (architecture, protocol) = Shared.Choice(parsed);
            var workspace = Shared.Workspace(parsed);
            Shared.StartTorch(parsed.GetValue(Shared.Threads));
            foreach (var member in architecture.Members)
            {
                var data = await Shared.LoadAsync(workspace, member, protocol, cancellation);
                var recipe = member.Recipe;
                if (recipe.Teacher is { } name)
                {
                    var teacher = Architecture.All[name];
                    // The same samples in the form that the teacher takes.
                    var seen = await Shared.LoadAsync(workspace, teacher, protocol, cancellation);
                    data = data with { Train = Taught(data.Train, seen.Train, teacher, parsed.GetValue(Shared.Models)!, recipe.Taught, cancellation) };
                }
                await RunAsync(new Trainer(member, recipe with { Epochs = parsed.GetValue(epochs) ?? recipe.Epochs }, data,
                    parsed.GetValue(seed), workspace.Folder(member, protocol),
                    parsed.GetValue(from) is { Length: > 0 } weights ? weights : null), cancellation);
            }
        }));
        return command;
    }

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

    // What an exported model says of the samples, as they are.
    private static SoftLabels Taught(Samples samples, Samples seen, Architecture teacher, string models, double share, CancellationToken cancellation)
    {
        var judge = Judge.Shipped(models, ModelFolder.Read(models, teacher));
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
