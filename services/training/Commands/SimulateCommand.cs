using System.CommandLine;
using Affect.Training.Data;
using Affect.Training.Evaluation;

namespace Affect.Training.Commands;

/// <summary>
/// <c>simulate</c>: compares rules that adapt to a speaker on simulated calls of left-out corpora, from the files of <c>predict</c>.
/// </summary>
internal static class SimulateCommand
{
    private static readonly (string Name, SpeakerAdaptation Rule)[] Rules =
    [
        ("no adaptation", SpeakerAdaptation.None),
        ("mean of all windows", new(float.PositiveInfinity, Shrinkage: 5)),
        ("weighted by neutral", new(float.PositiveInfinity, Shrinkage: 3, WeighNeutral: true)),
        ("weighted by neutral, half", new(float.PositiveInfinity, Shrinkage: 3, Strength: 0.5f, WeighNeutral: true)),
        .. from odds in new[] { 1f, 3, 10, 30 }
           from shrinkage in new[] { 3f, 10 }
           from strength in new[] { 0.5f, 0.75f, 1 }
           select ($"residuals, odds {odds}, shrinkage {shrinkage}, strength {strength}", new SpeakerAdaptation(odds, shrinkage, strength)),
    ];

    public static Command Create()
    {
        var command = new Command("simulate", "Compares rules that adapt to a speaker on simulated calls of left-out corpora.")
        {
            CommonOptions.Model, CommonOptions.Data, CommonOptions.Run, CommonOptions.Splits,
        };
        command.SetAction((parsed, _) => CommonOptions.InvokeAsync(() =>
        {
            var (architecture, _) = CommonOptions.SelectModel(parsed);
            var workspace = CommonOptions.Workspace(parsed);
            var folds = FoldPredictions.ReadAll(workspace, architecture, Workspace.UnseenCorpora);
            var patterns = Enum.GetValues<CallPattern>();
            // One window a clip: the middle one.
            var clips = folds.SelectMany((fold, i) => OutOfFold.Calibrate(folds, i)).ToList();
            var expected = folds.ToDictionary(fold => Corpus(fold.Conditions[0].Clips[0].Id), fold => SpeakerAdaptation.Expect(
                clips.Where(clip => Corpus(clip.Id) != Corpus(fold.Conditions[0].Clips[0].Id)).GroupBy(clip => Corpus(clip.Id))
                    .Select(corpus => corpus.Select(clip => (clip.Scores, clip.Label)).ToList())));
            var calls = patterns.Select(pattern => SimulatedCalls.Create(
                clips.ConvertAll(clip => (clip.Id[..clip.Id.LastIndexOf('/')], clip.Label)), pattern)).ToList();
            var labels = clips.ConvertAll(clip => clip.Label);
            Console.WriteLine(Tables.Table(["rule", .. patterns.Select(pattern => $"> {pattern}"), "> ECE"], Rules.Select(rule =>
            {
                var metrics = calls.ConvertAll(pattern => SimulatedCalls.Evaluate(pattern, labels, windows => rule.Rule.Apply(
                    windows.Select(window => clips[window].Scores), expected[Corpus(clips[windows[0]].Id)])).Values.ToList());
                return (string[])[rule.Name,
                    .. metrics.Select(corpora => Tables.Percent(corpora.Average(corpus => corpus.UnweightedAverageRecall))),
                    Tables.Percent(metrics[0].Average(corpus => corpus.ExpectedCalibrationError))];
            })));
            return Task.CompletedTask;
        }));
        return command;
    }

    private static string Corpus(string id) => id.Split('/')[0];
}
