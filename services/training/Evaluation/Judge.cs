using Affect.Emotions;
using Affect.Inference;
using Affect.Training.Architectures;
using Affect.Training.Data;
using Affect.Training.Export;

namespace Affect.Training.Evaluation;

/// <summary>What a model says of a sample, and whether it is certain enough to be asked.</summary>
internal readonly record struct Judgement(EmotionScores Scores, Emotion Label, bool Answered);

/// <summary>A file of weights with all that turns features into calibrated scores.</summary>
internal sealed record Judge(byte[] Model, Normalization Normalization, float Temperature, float AbstainBelow)
{
    /// <summary>The weights that a repository ships.</summary>
    public static Judge Shipped(string models, ModelManifest manifest) => new(ModelFolder.ReadModel(models, manifest),
        new([.. manifest.Input.Mean], [.. manifest.Input.Scale]), manifest.Output.Temperature, manifest.Output.AbstainBelow);

    /// <summary>Weights of a run, checked and calibrated as those that are shipped.</summary>
    public static Judge Trained(Exported exported) =>
        new(exported.Model, exported.Normalization, exported.Temperature, exported.AbstainBelow);

    /// <summary>
    /// Judges the test part: voices under each of <see cref="Condition.All"/>, faces as they come and, where some are also in
    /// the training part, without those.
    /// </summary>
    /// <returns>By condition, in that order; null is none.</returns>
    public IEnumerable<(string? Condition, List<Judgement> Judgements)> Test(Architecture architecture, DataSet data, CancellationToken cancellation)
    {
        using var runner = new OnnxRunner(Model, architecture, Normalization);
        if (data.Test is SpeechWindows clips)
        {
            foreach (var condition in Condition.All)
                yield return (condition.Name, Of(runner, condition.Of(clips), cancellation));
            yield break;
        }
        var all = Of(runner, data.Test, cancellation);
        yield return (null, all);
        if (data.Repeated() is { Count: > 0 } repeated)
            yield return (Condition.NoneRepeated, [.. all.Where((_, i) => !repeated.Contains(i))]);
    }

    /// <summary>The same, abstaining on as many of the validation samples as it should: weights may have been exported under another rule.</summary>
    public Judge Cautious(Architecture architecture, Samples validation, CancellationToken cancellation) =>
        this with { AbstainBelow = Calibration.AbstainBelow(Of(architecture, validation, cancellation).Select(judgement => judgement.Scores)) };

    /// <summary>Judges samples as they come.</summary>
    public List<Judgement> Of(Architecture architecture, Samples samples, CancellationToken cancellation)
    {
        using var runner = new OnnxRunner(Model, architecture, Normalization);
        return Of(runner, samples, cancellation);
    }

    private List<Judgement> Of(OnnxRunner runner, Samples samples, CancellationToken cancellation) =>
        [.. runner.Windows(samples, cancellation).Select((windows, i) =>
        {
            var scores = Calibration.Scores(windows, Temperature);
            return new Judgement(scores, samples.Label(i), scores.Confidence >= AbstainBelow);
        })];
}
