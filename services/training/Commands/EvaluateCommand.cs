using System.CommandLine;
using Affect.Inference;
using Affect.Training.Architectures;
using Affect.Training.Data;
using Affect.Training.Evaluation;
using Affect.Training.Export;
using Affect.Training.Learning;

namespace Affect.Training.Commands;

/// <summary>
/// <c>evaluate</c>: evaluates a model on test data with ONNX Runtime. The default protocol evaluates the shipped weights; any
/// other split evaluates the weights trained for it; the common prefix of several folds (<c>speech-ravdess</c>) evaluates
/// each fold's own weights and pools the predictions. The folds of unseen corpora and of RAVDESS with all corpora in training are
/// evaluated from the files of <c>predict</c>, and calibrated on each other.
/// </summary>
internal static class EvaluateCommand
{
    public static Command Create()
    {
        var command = new Command("evaluate", "Evaluates a model on test data and writes the metrics to its manifest and model card.")
        {
            CommonOptions.Model, CommonOptions.Data, CommonOptions.Run, CommonOptions.Splits, CommonOptions.Protocol, CommonOptions.Models,
            CommonOptions.Threads,
        };
        command.SetAction((parsed, cancellation) => CommonOptions.InvokeAsync(async () =>
        {
            var (architecture, protocol) = CommonOptions.SelectModel(parsed);
            var workspace = CommonOptions.Workspace(parsed);
            var models = parsed.GetValue(CommonOptions.Models)!;
            var manifest = ModelFolder.Read(models, architecture);
            IReadOnlyList<ModelMetrics> measured;
            var shipped = Workspace.DefaultProtocol(architecture);
            // The split of all corpora has no test part.
            var leading = protocol == (shipped == Workspace.AllCorpora ? Workspace.UnseenCorpora : shipped);
            if (protocol is Workspace.UnseenCorpora or Workspace.UnseenSpeakers)
            {
                var folds = FoldPredictions.ReadAll(workspace, architecture, protocol);
                measured = EvaluateFolds(workspace, protocol, folds);
                if (leading)
                {
                    var (temperature, abstainBelow) = OutOfFold.Fit(folds);
                    Console.WriteLine($"shipped weights: temperature {temperature}, abstains below {abstainBelow}");
                    manifest = manifest with
                    {
                        Output = manifest.Output with { Temperature = temperature, AbstainBelow = abstainBelow },
                    };
                }
            }
            else if (protocol == shipped)
            {
                var data = await CommonOptions.LoadAsync(workspace, architecture, protocol, cancellation);
                var model = CalibratedModel.FromRepository(models, manifest);
                if (data.Test.Count > 0)
                    model = model.WithCoverage(architecture, data.Validation, cancellation);
                measured = data.Test.Count == 0 ? [] : EvaluationResults.Pool(
                    data.Protocol, protocol, $"{data.Data} test", [(protocol, Test(model, architecture, data, cancellation))]);
                manifest = manifest with
                {
                    Output = manifest.Output with { AbstainBelow = model.AbstainBelow },
                    Cost = Cost.Measure(model.Model, architecture),
                    Learning = manifest.Learning ?? Curves(workspace, architecture, manifest),
                };
            }
            else
            {
                CommonOptions.StartTorch(parsed.GetValue(CommonOptions.Threads));
                measured = await EvaluateRunsAsync(workspace, architecture, protocol, cancellation);
            }

            // The metrics of the shipped weights come first. Metrics without a split are from an earlier version of this command.
            var others = manifest.Metrics.Where(old => old.Split is not null && old.Split != protocol);
            ModelFolder.Write(models, architecture, manifest with
            {
                Metrics = leading ? [.. measured, .. others] : [.. others, .. measured],
            });
            Show(measured, manifest.Cost);
        }));
        return command;
    }

    private static IReadOnlyList<ModelMetrics> EvaluateFolds(
        Workspace workspace, string protocol, List<FoldPredictions> folds)
    {
        var expected = workspace.ExpandProtocol(protocol).Count;
        var parts = OutOfFold.Predict(folds);
        var corpora = string.Join('+', folds.SelectMany(fold => fold.Conditions[0].Clips)
            .Select(clip => SpeechCorpora.ById(clip.Id).Name).Distinct());
        var scope = folds.Count == expected ? $"{expected}-fold" : $"{folds.Count} of {expected} folds";
        if (protocol == Workspace.UnseenSpeakers)
            return EvaluationResults.Pool(
                $"unseen speakers ({scope}, speaker-independent, eight corpora in training)", protocol, $"{corpora} test", parts);
        return EvaluationResults.Average(
            EvaluationResults.Pool($"unseen corpora ({scope}, mean over corpora)", protocol, corpora, parts), parts);
    }

    // Weights that are not shipped: of one split, or of the folds that are trained.
    private static async Task<IReadOnlyList<ModelMetrics>> EvaluateRunsAsync(
        Workspace workspace, Architecture architecture, string protocol, CancellationToken cancellation)
    {
        var expected = workspace.ExpandProtocol(protocol);
        var trained = expected.Where(split => IsTrained(workspace, architecture, split)).ToList();
        if (trained.Count == 0)
            throw new FileNotFoundException(
                $"nothing to evaluate: {workspace.Run} has no finished run of {architecture.Name} for {string.Join(", ", expected)}");
        var sets = await CommonOptions.LoadAsync(workspace, architecture, architecture.Recipe, trained, cancellation);
        var folds = expected[0] != protocol;
        if (folds)
            RequireDisjointSpeakers(trained, sets);

        var parts = new List<(string, IReadOnlyList<(string?, List<Prediction>)>)>();
        foreach (var (split, data) in trained.Zip(sets))
        {
            var exported = Exporter.Export(
                architecture, member => Trainer.BestWeightsPath(workspace.RunFolder(member, split)), data, architecture.WeightFormat,
                cancellation);
            Console.WriteLine($"{split}: temperature {exported.Temperature}, abstains below {exported.AbstainBelow}");
            parts.Add((split, Test(CalibratedModel.FromRun(exported), architecture, data, cancellation)));
        }
        var scope = trained.Count == expected.Count ? $"{expected.Count}-fold" : $"{trained.Count} of {expected.Count} folds";
        return EvaluationResults.Pool(
            folds
                ? $"unseen speakers ({scope}, speaker-independent)"
                : $"{sets[0].Protocol}; separate weights",
            protocol, $"{string.Join('+', sets.Select(data => data.Data).Distinct())} test", parts);
    }

    private static bool IsTrained(Workspace workspace, Architecture architecture, string split)
    {
        foreach (var member in architecture.Members)
        {
            var run = Trainer.ReadState(Trainer.CheckpointPath(workspace.RunFolder(member, split)));
            if (run is not null && Trainer.IsFinished(run.Recipe, run.History))
                continue;
            var status = run is null ? "not trained" : $"training at epoch {run.History.Count} of {run.Recipe.Epochs}";
            Console.WriteLine($"skipped {split}: {status}; run train --model {member.Name} --protocol {split}");
            return false;
        }
        return true;
    }

    // No speaker is in training or validation data, and none is tested twice.
    private static void RequireDisjointSpeakers(IReadOnlyList<string> splits, IReadOnlyList<DataSet> sets)
    {
        var tested = new Dictionary<string, string>();
        foreach (var (split, data) in splits.Zip(sets))
        {
            var learned = Speakers(data.Train).Concat(Speakers(data.Validation)).ToHashSet();
            foreach (var speaker in Speakers(data.Test).Distinct())
                if (learned.Contains(speaker) || !tested.TryAdd(speaker, split))
                    throw new InvalidDataException($"{split} is not speaker-independent: {speaker} is in the test part and in " +
                        (learned.Contains(speaker) ? "the training or validation part" : $"the test part of {tested[speaker]}"));
        }

        static IEnumerable<string> Speakers(Samples samples) => Enumerable.Range(0, samples.Count).Select(samples.Speaker);
    }

    private static List<(string?, List<Prediction>)> Test(
        CalibratedModel model, Architecture architecture, DataSet data, CancellationToken cancellation)
    {
        var results = new List<(string?, List<Prediction>)>();
        foreach (var result in model.EvaluateConditions(architecture, data, cancellation))
        {
            Console.WriteLine($"  {result.Predictions.Count} predictions, {result.Condition ?? "clean"}");
            results.Add(result);
        }
        return results;
    }

    // For models exported before manifests had learning curves. A run with another normalization produced other weights.
    private static LearningCurves? Curves(Workspace workspace, Architecture architecture, ModelManifest manifest) =>
        Trainer.ReadState(Trainer.CheckpointPath(workspace.RunFolder(architecture, Workspace.DefaultProtocol(architecture)))) is { } run
            && run.Normalization.Mean.SequenceEqual(manifest.Input.Mean) && run.Normalization.Scale.SequenceEqual(manifest.Input.Scale)
            ? EvaluationResults.LearningCurves(run) : null;

    private static void Show(IReadOnlyList<ModelMetrics> measured, ModelCost? cost)
    {
        if (measured.Count > 0)
        {
            Console.WriteLine(Tables.Metrics(measured));
            if (measured[0].Folds.Count > 0)
                Console.WriteLine(Tables.Folds(measured[0]));
            Console.WriteLine(Tables.Confusion(measured[0]));
        }
        if (measured is [{ MostCertain: not null }, ..] && measured[0] is { MostCertain: { } certain, AtThreshold: { } answered })
            Console.WriteLine($"accuracy at {certain.Coverage:P0} coverage {certain.Accuracy:P2}; at the threshold, coverage " +
                $"{answered.Coverage:P1} and accuracy {answered.Accuracy:P2}");
        if (cost is not null)
            Console.WriteLine($"{cost.Parameters:N0} parameters, {cost.FileBytes:N0} bytes, {cost.LatencyMs} ms");
        Console.WriteLine("run `report` to update README, plots and model cards");
    }
}
