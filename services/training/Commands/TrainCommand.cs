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

/// <summary><c>train</c>: trains a model, resuming from the last checkpoint.</summary>
internal static class TrainCommand
{
    /// <summary>Number of automatic restarts from the checkpoint after errors in torch.</summary>
    private const int MaxRetries = 5;

    public static Command Create()
    {
        var seed = CommonOptions.Option("--seed", "Random seed of initialization, shuffling and augmentation.", 1);
        var epochs = CommonOptions.Option<int?>("--epochs", "Epochs of each run; the default is the recipe's.", null);
        var initializeFrom = CommonOptions.Option(
            "--initialize-from", "File best.safetensors of an earlier run of this model: initial weights or, with self-distillation, " +
            "teacher of a new run, in place of the recipe's preceding run.", "");
        var command = new Command(
            "train", "Trains a model, resuming from the last checkpoint. Ctrl-C saves a checkpoint and exits with 130.")
        {
            CommonOptions.Model, CommonOptions.Data, CommonOptions.Run, CommonOptions.Splits, CommonOptions.Models, CommonOptions.Protocol,
            CommonOptions.Threads, seed, epochs, initializeFrom,
        };
        command.SetAction((parsed, cancellation) => CommonOptions.InvokeAsync(async () =>
        {
            var (architecture, protocol) = CommonOptions.SelectModel(parsed);
            var workspace = CommonOptions.Workspace(parsed);
            CommonOptions.StartTorch(parsed.GetValue(CommonOptions.Threads));
            var given = parsed.GetValue(initializeFrom) is { Length: > 0 } file ? file : null;
            foreach (var member in architecture.Members)
                await TrainAsync(member, member.Recipe, workspace.RunFolder(member, protocol), given);

            // The preceding run comes first, unless it is finished.
            async Task TrainAsync(Architecture model, Recipe recipe, string folder, string? weights)
            {
                if (weights is null && recipe.InitializeFrom is { } preceding)
                {
                    weights = Trainer.BestWeightsPath(Workspace.PreviousRunFolder(folder));
                    if (Trainer.ReadState(Trainer.CheckpointPath(folder)) is null)
                        await TrainAsync(model, preceding, Workspace.PreviousRunFolder(folder), null);
                }
                var data = await CommonOptions.LoadAsync(workspace, model, recipe, protocol, cancellation);
                if (recipe.Teacher is { } other && Architecture.All[other] is WhisperSpeech best)
                {
                    // Trained under the same protocol: the shipped weights have heard its test voices.
                    var states = await CommonOptions.LoadAsync(workspace, best.Members[0], protocol, cancellation);
                    var logits = new List<List<float[]>>();
                    foreach (var head in best.Members)
                    {
                        var (network, normalization) = Trainer.LoadBest(head, _ => Trainer.BestWeightsPath(workspace.RunFolder(head, protocol)));
                        using (network)
                            logits.Add((await Trainer.InferAsync(head, network, normalization, states.Train, cancellation)).Logits);
                    }
                    var scores = Enumerable.Range(0, states.Train.Count).Select(i => (float[]?)Scores(Mean([.. logits.Select(rows => rows[i])])));
                    data = data with { Train = new SoftLabels(data.Train, [.. scores], recipe.DistillationWeight) };
                }
                else if (recipe.Teacher is { } name)
                {
                    var teacher = Architecture.All[name];
                    // The same samples as inputs of the teacher.
                    var teacherInputs = await CommonOptions.LoadAsync(workspace, teacher, protocol, cancellation);
                    var calibrated = teacher == model
                        ? CalibratedModel.FromRun(Exporter.Export(
                            teacher, _ => given ?? FirstRunWeights(folder), teacherInputs, WeightFormat.Float32, cancellation))
                        : CalibratedModel.FromRepository(
                            parsed.GetValue(CommonOptions.Models)!, ModelFolder.Read(parsed.GetValue(CommonOptions.Models)!, teacher));
                    data = data with
                    {
                        Train = Distill(data.Train, teacherInputs.Train, teacher, calibrated, recipe.DistillationWeight, cancellation),
                    };
                }
                await RunAsync(new Trainer(model, recipe with { Epochs = parsed.GetValue(epochs) ?? recipe.Epochs }, data,
                    parsed.GetValue(seed) + model.SeedOffset, folder, weights), cancellation);
            }
        }));
        return command;
    }

    private static float[] Mean(float[][] rows) =>
        [.. Enumerable.Range(0, rows[0].Length).Select(i => rows.Average(row => row[i]))];

    private static float[] Scores(float[] logits)
    {
        var scores = EmotionScores.FromLogits(logits);
        return [.. Enum.GetValues<Emotion>().Select(emotion => scores[emotion])];
    }

    // Weights of the first run in the chain that ends in a folder.
    private static string FirstRunWeights(string folder) =>
        Directory.Exists(Workspace.PreviousRunFolder(folder))
            ? FirstRunWeights(Workspace.PreviousRunFolder(folder))
            : Trainer.BestWeightsPath(folder);

    private static async Task RunAsync(Trainer trainer, CancellationToken cancellation)
    {
        for (var retries = MaxRetries; ; retries--)
            try
            {
                await (Console.IsOutputRedirected ? RunPlainAsync(trainer, cancellation) : RunLiveAsync(trainer, cancellation));
                return;
            }
            // TorchSharp 0.107 passes scalars in objects that may be garbage-collected during the call ("Unknown scalar type",
            // seen once in some thousand steps under load); the checkpoint is intact.
            catch (System.Runtime.InteropServices.ExternalException exception) when (retries > 0)
            {
                await Console.Error.WriteLineAsync($"torch failed ({exception.Message.Split('\n')[0]}); resuming from the last checkpoint");
            }
    }

    // Teacher scores of the samples without augmentation.
    private static SoftLabels Distill(
        Samples samples, Samples teacherInputs, Architecture teacher, CalibratedModel calibrated, double weight,
        CancellationToken cancellation)
    {
        using var runner = new OnnxRunner(calibrated.Model, teacher, calibrated.Normalization);
        var probabilities = runner.Windows(teacherInputs, cancellation).ConvertAll(windows =>
        {
            var scores = Calibration.Scores(windows, calibrated.Temperature);
            return (float[]?)[.. Enum.GetValues<Emotion>().Select(emotion => scores[emotion])];
        });
        return new(samples, probabilities, weight);
    }

    private static async Task RunPlainAsync(Trainer trainer, CancellationToken cancellation)
    {
        var watch = Stopwatch.StartNew();
        await trainer.RunAsync(progress =>
        {
            if (progress.Completed is { } completed)
                Console.WriteLine($"{watch.Elapsed:hh\\:mm\\:ss} {Line(completed, progress.Epochs)}");
            else if (progress.Step % 50 == 0)
                Console.WriteLine($"{watch.Elapsed:hh\\:mm\\:ss} epoch {progress.Epoch} step {progress.Step}/{progress.Steps} loss " +
                    $"{progress.Loss:F3} accuracy {progress.Accuracy:F3} learning rate {progress.LearningRate:G3}");
        }, cancellation);
    }

    private static Task RunLiveAsync(Trainer trainer, CancellationToken cancellation) =>
        AnsiConsole.Progress()
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(),
                new RemainingTimeColumn())
            .StartAsync(async context =>
            {
                var (total, epoch) = (context.AddTask("total"), context.AddTask("epoch"));
                await trainer.RunAsync(progress =>
                {
                    total.MaxValue = (double)progress.Epochs * progress.Steps;
                    total.Value = (progress.Epoch - 1.0) * progress.Steps + progress.Step;
                    (epoch.MaxValue, epoch.Value) = (progress.Steps, progress.Step);
                    epoch.Description = $"epoch {progress.Epoch}/{progress.Epochs}  loss {progress.Loss:F3}  accuracy " +
                        $"{progress.Accuracy:P1}  learning rate {progress.LearningRate:G3}";
                    if (progress.Completed is { } completed)
                        AnsiConsole.WriteLine(Line(completed, progress.Epochs));
                }, cancellation);
            });

    private static string Line(EpochResult result, int epochs) =>
        $"epoch {result.Epoch}/{epochs} loss {result.Loss:F4} accuracy {result.Accuracy:F4} | validation loss {result.ValidationLoss:F4} " +
        $"accuracy {result.ValidationAccuracy:F4} UAR {result.ValidationUar:F4}";
}
