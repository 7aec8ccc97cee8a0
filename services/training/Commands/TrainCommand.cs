using System.CommandLine;
using System.Diagnostics;
using Affect.Training.Learning;
using Spectre.Console;

namespace Affect.Training.Commands;

/// <summary><c>train</c>: learns, or goes on learning where a checkpoint lies.</summary>
internal static class TrainCommand
{
    public static Command Create()
    {
        var seed = new Option<int>("--seed") { Description = "Seed of weights, order and augmentation.", DefaultValueFactory = _ => 1 };
        var epochs = new Option<int?>("--epochs") { Description = "Passes over the data; the default is the recipe's." };
        var command = new Command("train", "Trains a model; goes on where a checkpoint lies. Ctrl-C saves and exits with 130.")
        {
            Shared.Model, Shared.Data, Shared.Run, Shared.Splits, Shared.Protocol, Shared.Threads, seed, epochs,
        };
        command.SetAction((parsed, cancellation) => Shared.Guard(async () =>
        {
            var (architecture, protocol) = Shared.Choice(parsed);
            var workspace = Shared.Workspace(parsed);
            Shared.StartTorch(parsed.GetValue(Shared.Threads));
            var data = await Shared.LoadAsync(workspace, architecture, protocol, cancellation);
            var recipe = architecture.Recipe;
            var trainer = new Trainer(architecture, recipe with { Epochs = parsed.GetValue(epochs) ?? recipe.Epochs }, data,
                parsed.GetValue(seed), workspace.Folder(architecture, protocol));
            await (Console.IsOutputRedirected ? RunPlainAsync(trainer, cancellation) : RunLiveAsync(trainer, cancellation));
        }));
        return command;
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
