using System.CommandLine;
using Affect.Emotions;
using Affect.Inference;
using Affect.Training.Architectures;
using Affect.Training.Data;
using Affect.Training.Evaluation;
using Affect.Training.Export;

namespace Affect.Training.Commands;

/// <summary>
/// <c>fuse</c>: fits the weights of speech and face in the log-linear pool. Because these corpora contain only one modality,
/// each speech sample is paired with a face of the same label, drawn with a fixed seed. Such pairs are conditionally
/// independent given the emotion; real pairs are only approximately so.
/// </summary>
internal static class FuseCommand
{
    private const int Seed = 1;

    public static Command Create()
    {
        var command = new Command("fuse", "Fits the fusion weights of speech and face on validation data and evaluates them on test data.")
        {
            CommonOptions.Data, CommonOptions.Run, CommonOptions.Splits, CommonOptions.Models,
        };
        command.SetAction((parsed, cancellation) => CommonOptions.InvokeAsync(async () =>
        {
            var workspace = CommonOptions.Workspace(parsed);
            var models = parsed.GetValue(CommonOptions.Models)!;
            var speech = await PosteriorsAsync(Modality.Speech, workspace, models, cancellation);
            var face = await PosteriorsAsync(Modality.Face, workspace, models, cancellation);
            var prior = LogLinearPool.UniformPrior;

            var weights = PoolFit.Fit(prior, Pair(speech.Validation, face.Validation));
            Console.WriteLine($"weights: speech {weights.Speech:F2}, face {weights.Face:F2}");

            var pool = new LogLinearPool(prior);
            var pairs = Pair(speech.Test, face.Test);
            Console.WriteLine($"on {pairs.Count} test pairs:");
            Print("speech only", 1, 0);
            Print("face only", 0, 1);
            Print("both, weights 1 and 1", 1, 1);
            Print("both, fitted weights", weights.Speech, weights.Face);

            void Print(string input, double speechWeight, double faceWeight)
            {
                var scores = pairs.ConvertAll(pair => pool.Combine((pair.Speech, speechWeight), (pair.Face, faceWeight)));
                var metrics = Metrics.Compute("", "", scores, pairs.ConvertAll(pair => pair.Label));
                Console.WriteLine($"  {input,-22} accuracy {metrics.Accuracy:P1}, ECE {metrics.ExpectedCalibrationError:P1}");
            }
        }));
        return command;
    }

    private static async Task<(List<Prediction> Validation, List<Prediction> Test)> PosteriorsAsync(
        Modality modality, Workspace workspace, string models, CancellationToken cancellation)
    {
        var (architecture, manifest) = Architecture.All.Values
            .Where(architecture => architecture.Modality == modality && Directory.Exists(Path.Combine(models, architecture.Name)))
            .Select(architecture => (architecture, ModelFolder.Read(models, architecture)))
            .FirstOrDefault(model => model.Item2.Default);
        if (manifest is null)
            throw new FileNotFoundException(
                $"{models} has no default {modality.ToString().ToLowerInvariant()} model: export one with --default");
        var data = await CommonOptions.LoadAsync(workspace, architecture, Workspace.DefaultProtocol(architecture), cancellation);
        var model = CalibratedModel.FromRepository(models, manifest);
        return (model.Predict(architecture, data.Validation, cancellation), model.Predict(architecture, data.Test, cancellation));
    }

    private static List<PosteriorPair> Pair(List<Prediction> speech, List<Prediction> faces)
    {
        var random = new Random(Seed);
        var byLabel = faces.ToLookup(face => face.Label);
        return speech.ConvertAll(sample =>
        {
            var same = byLabel[sample.Label].ToList();
            return new PosteriorPair(sample.Scores, same[random.Next(same.Count)].Scores, sample.Label);
        });
    }
}
