using System.CommandLine;
using Affect.Emotions;
using Affect.Inference;
using Affect.Training.Architectures;
using Affect.Training.Data;
using Affect.Training.Evaluation;
using Affect.Training.Export;

namespace Affect.Training.Commands;

/// <summary>
/// <c>fuse</c>: learns the weights with which fusion pools voice and face. No corpus here has both, so validation
/// samples are paired by label: each voice with a face, drawn by a fixed seed, that shows the same
/// emotion. Such pairs are independent given the emotion, which real ones are not quite.
/// </summary>
internal static class FuseCommand
{
    private const int Seed = 1;

    public static Command Create()
    {
        var command = new Command("fuse", "Learns the weights of voice and face in the fused answer, and measures them on test data.")
        {
            Shared.Data, Shared.Run, Shared.Splits, Shared.Models,
        };
        command.SetAction((parsed, cancellation) => Shared.Guard(async () =>
        {
            var workspace = Shared.Workspace(parsed);
            var models = parsed.GetValue(Shared.Models)!;
            var speech = await PosteriorsAsync(Modality.Speech, workspace, models, cancellation);
            var face = await PosteriorsAsync(Modality.Face, workspace, models, cancellation);
            var prior = LogLinearPool.UniformPrior;

            var weights = PoolFit.Fit(prior, Pair(speech.Validation, face.Validation));
            Console.WriteLine($"weights: speech {weights.Speech:F2}, face {weights.Face:F2}");

            var pool = new LogLinearPool(prior);
            var pairs = Pair(speech.Test, face.Test);
            Console.WriteLine($"on {pairs.Count} test pairs:");
            Tell("voice alone", 1, 0);
            Tell("face alone", 0, 1);
            Tell("both, weights 1 and 1", 1, 1);
            Tell("both, fitted weights", weights.Speech, weights.Face);

            void Tell(string what, double speechWeight, double faceWeight)
            {
                var scores = pairs.ConvertAll(pair => pool.Combine((pair.Speech, speechWeight), (pair.Face, faceWeight)));
                var metrics = Metrics.Of("", "", scores, pairs.ConvertAll(pair => pair.Label));
                Console.WriteLine($"  {what,-22} accuracy {metrics.Accuracy:P1}, calibration error {metrics.ExpectedCalibrationError:P1}");
            }
        }));
        return command;
    }

    private static async Task<(List<Judgement> Validation, List<Judgement> Test)> PosteriorsAsync(
        Modality modality, Workspace workspace, string models, CancellationToken cancellation)
    {
        var (architecture, manifest) = Architecture.All.Values
            .Where(architecture => architecture.Modality == modality && Directory.Exists(Path.Combine(models, architecture.Name)))
            .Select(architecture => (architecture, ModelFolder.Read(models, architecture)))
            .FirstOrDefault(model => model.Item2.Default);
        if (manifest is null)
            throw new FileNotFoundException($"{models} has no default model of {modality.ToString().ToLowerInvariant()}: export one with --default");
        var data = await Shared.LoadAsync(workspace, architecture, Workspace.DefaultProtocol(architecture), cancellation);
        var judge = Judge.Shipped(models, manifest);
        return (judge.Of(architecture, data.Validation, cancellation), judge.Of(architecture, data.Test, cancellation));
    }

    private static List<PosteriorPair> Pair(List<Judgement> voices, List<Judgement> faces)
    {
        var random = new Random(Seed);
        var byLabel = faces.ToLookup(face => face.Label);
        return voices.ConvertAll(voice =>
        {
            var same = byLabel[voice.Label].ToList();
            return new PosteriorPair(voice.Scores, same[random.Next(same.Count)].Scores, voice.Label);
        });
    }
}
