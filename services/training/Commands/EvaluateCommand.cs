using System.CommandLine;
using Affect.Inference;
using Affect.Training.Architectures;
using Affect.Training.Data;
using Affect.Training.Evaluation;
using Affect.Training.Export;
using Affect.Training.Learning;

namespace Affect.Training.Commands;

/// <summary>
/// <c>evaluate</c>: figures on test data, through ONNX Runtime. Under the protocol of the shipped weights it measures
/// the file in the repository; under another one the weights that were trained for that protocol; and for the name
/// that several folds have in common (<c>speech-ravdess</c>) each fold's own, all folds pooled.
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
            var models = parsed.GetValue(Shared.Models)!;
            var manifest = ModelFolder.Read(models, architecture);
            IReadOnlyList<ModelMetrics> measured;
            if (protocol == Workspace.DefaultProtocol(architecture))
            {
                var data = await Shared.LoadAsync(workspace, architecture, protocol, cancellation);
                var judge = Judge.Shipped(models, manifest).Cautious(architecture, data.Validation, cancellation);
                measured = Figures.Of(data.Protocol, protocol, $"{data.Data} test", [(protocol, Test(judge, architecture, data, cancellation))]);
                manifest = manifest with
                {
                    Output = manifest.Output with { AbstainBelow = judge.AbstainBelow },
                    Cost = Cost.Of(judge.Model, architecture),
                    Learning = manifest.Learning ?? Curves(workspace, architecture, manifest),
                };
            }
            else
            {
                Shared.StartTorch(parsed.GetValue(Shared.Threads));
                measured = await MeasureTrainedAsync(workspace, architecture, protocol, cancellation);
            }

            // The shipped weights' figures come first. Those without a split are of an evaluate that measured less.
            var others = manifest.Metrics.Where(old => old.Split is not null && old.Split != protocol);
            ModelFolder.Write(models, architecture, manifest with
            {
                Metrics = protocol == Workspace.DefaultProtocol(architecture) ? [.. measured, .. others] : [.. others, .. measured],
            });
            Show(measured, manifest.Cost);
        }));
        return command;
    }

    // Weights that are not shipped: of one split, or of as many folds as were trained.
    private static async Task<IReadOnlyList<ModelMetrics>> MeasureTrainedAsync(
        Workspace workspace, Architecture architecture, string protocol, CancellationToken cancellation)
    {
        var family = workspace.Family(protocol);
        var trained = family.Where(split => IsTrained(workspace, architecture, split)).ToList();
        if (trained.Count == 0)
            throw new FileNotFoundException($"nothing to measure: {architecture.Name} was trained for none of {string.Join(", ", family)} in {workspace.Run}");
        var sets = await Shared.LoadAsync(workspace, architecture, architecture.Recipe, trained, cancellation);
        var folds = family[0] != protocol;
        if (folds)
            Require(trained, sets);

        var parts = new List<(string, IReadOnlyList<(string?, List<Judgement>)>)>();
        foreach (var (split, data) in trained.Zip(sets))
        {
            var exported = Exporter.Export(architecture, member => Trainer.BestOf(workspace.Folder(member, split)), data, Storage.Float16, cancellation);
            Console.WriteLine($"{split}: temperature {exported.Temperature}, abstains below {exported.AbstainBelow}");
            parts.Add((split, Test(Judge.Trained(exported), architecture, data, cancellation)));
        }
        return Figures.Of(
            folds
                ? $"unseen speakers: {(trained.Count == family.Count ? $"all {family.Count}" : $"{trained.Count} of {family.Count}")} folds, weights trained for each"
                : $"{sets[0].Protocol}; weights trained for this protocol, not the shipped ones",
            protocol, $"{string.Join('+', sets.Select(data => data.Data).Distinct())} test", parts);
    }

    private static bool IsTrained(Workspace workspace, Architecture architecture, string split)
    {
        foreach (var member in architecture.Members)
        {
            var run = Trainer.ReadState(Trainer.CheckpointOf(workspace.Folder(member, split)));
            if (run is not null && Trainer.IsDone(run.Recipe, run.History))
                continue;
            Console.WriteLine($"left out: {split}, {(run is null ? "not trained" : $"in training, epoch {run.History.Count} of {run.Recipe.Epochs}")}; " +
                $"train --model {member.Name} --protocol {split}");
            return false;
        }
        return true;
    }

    // What the figures' name claims.
    private static void Require(IReadOnlyList<string> splits, IReadOnlyList<DataSet> sets)
    {
        var tested = new Dictionary<string, string>();
        foreach (var (split, data) in splits.Zip(sets))
        {
            var known = Speakers(data.Train).Concat(Speakers(data.Validation)).ToHashSet();
            foreach (var speaker in Speakers(data.Test).Distinct())
                if (known.Contains(speaker) || !tested.TryAdd(speaker, split))
                    throw new InvalidDataException($"{split} and its like are no folds of speakers: {speaker} is " +
                        (known.Contains(speaker) ? "tested and learnt from" : $"tested in {tested[speaker]} as well"));
        }

        static IEnumerable<string> Speakers(Samples samples) => Enumerable.Range(0, samples.Count).Select(samples.Speaker);
    }

    private static List<(string?, List<Judgement>)> Test(Judge judge, Architecture architecture, DataSet data, CancellationToken cancellation)
    {
        var results = new List<(string?, List<Judgement>)>();
        foreach (var result in judge.Test(architecture, data, cancellation))
        {
            Console.WriteLine($"  {result.Judgements.Count} judged, {result.Condition ?? "as they come"}");
            results.Add(result);
        }
        return results;
    }

    // Of models that were exported before manifests held them; a run that scales otherwise gave other weights.
    private static LearningCurves? Curves(Workspace workspace, Architecture architecture, ModelManifest manifest) =>
        Trainer.ReadState(Trainer.CheckpointOf(workspace.Folder(architecture, Workspace.DefaultProtocol(architecture)))) is { } run
            && run.Normalization.Mean.SequenceEqual(manifest.Input.Mean) && run.Normalization.Scale.SequenceEqual(manifest.Input.Scale)
            ? Figures.Curves(run) : null;

    private static void Show(IReadOnlyList<ModelMetrics> measured, ModelCost? cost)
    {
        Console.WriteLine(Tables.Figures(measured));
        Console.WriteLine(Tables.Confusion(measured[0]));
        if (measured[0] is { MostCertain: { } certain, AtThreshold: { } answered })
            Console.WriteLine($"of the most certain {certain.Coverage:P0} {certain.Accuracy:P2} are right; it abstains on {1 - answered.Coverage:P1}, and of the rest {answered.Accuracy:P2} are right");
        if (cost is not null)
            Console.WriteLine($"{cost.Parameters:N0} parameters, {cost.FileBytes:N0} bytes, {cost.LatencyMs} ms");
        Console.WriteLine("`report` writes README, plots and cards from this.");
    }
}
