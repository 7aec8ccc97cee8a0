using Affect.Emotions;
using Affect.Inference;
using Affect.Training.Architectures;
using Affect.Training.Data;
using Affect.Training.Export;

namespace Affect.Training.Evaluation;

/// <summary>Scores and label of a sample. <c>Answered</c> is false if the model abstains.</summary>
internal readonly record struct Prediction(EmotionScores Scores, Emotion Label, bool Answered);

/// <summary>An ONNX model with normalization, temperature and abstention threshold.</summary>
internal sealed record CalibratedModel(byte[] Model, Normalization Normalization, float Temperature, float AbstainBelow)
{
    /// <summary>The shipped weights of a model repository.</summary>
    public static CalibratedModel FromRepository(string models, ModelManifest manifest) => new(ModelFolder.ReadModel(models, manifest),
        new([.. manifest.Input.Mean], [.. manifest.Input.Scale]), manifest.Output.Temperature, manifest.Output.AbstainBelow);

    /// <summary>The exported weights of a run.</summary>
    public static CalibratedModel FromRun(ExportedModel exported) =>
        new(exported.Model, exported.Normalization, exported.Temperature, exported.AbstainBelow);

    /// <summary>
    /// Predicts the test part: speech under each of <see cref="Condition.All"/>, faces with and without duplicates of training
    /// images.
    /// </summary>
    /// <returns>The predictions by condition; null for clean speech and all faces.</returns>
    public IEnumerable<(string? Condition, List<Prediction> Predictions)> EvaluateConditions(
        Architecture architecture, DataSet data, CancellationToken cancellation)
    {
        using var runner = new OnnxRunner(Model, architecture, Normalization);
        if (data.Test is SpeechWindows clips)
        {
            foreach (var condition in Condition.All)
                yield return (condition.Name, Predict(runner, condition.ApplyTo(clips), cancellation));
            yield break;
        }
        var all = Predict(runner, data.Test, cancellation);
        yield return (null, all);
        if (data.DuplicateTestIndices() is { Count: > 0 } duplicates)
            yield return (Condition.WithoutDuplicates, [.. all.Where((_, i) => !duplicates.Contains(i))]);
    }

    /// <summary>Sets the abstention threshold to the coverage of <see cref="Calibration.AbstainShare"/> on validation samples.</summary>
    public CalibratedModel WithCoverage(Architecture architecture, Samples validation, CancellationToken cancellation) =>
        this with
        {
            AbstainBelow = Calibration.AbstainBelow(
                Predict(architecture, validation, cancellation).Select(prediction => prediction.Scores)),
        };

    /// <summary>Predicts samples.</summary>
    public List<Prediction> Predict(Architecture architecture, Samples samples, CancellationToken cancellation)
    {
        using var runner = new OnnxRunner(Model, architecture, Normalization);
        return Predict(runner, samples, cancellation);
    }

    private List<Prediction> Predict(OnnxRunner runner, Samples samples, CancellationToken cancellation) =>
        [.. runner.Windows(samples, cancellation).Select((windows, i) =>
        {
            var scores = Calibration.Scores(windows, Temperature);
            return new Prediction(scores, samples.Label(i), scores.Confidence >= AbstainBelow);
        })];
}
