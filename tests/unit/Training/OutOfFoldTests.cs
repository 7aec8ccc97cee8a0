using Affect.Emotions;
using Affect.Training.Data;
using Affect.Training.Evaluation;

namespace Affect.UnitTests.Training;

public sealed class OutOfFoldTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("affect-folds-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void OutOfFoldPredict_Folds_AreCalibratedOnOthers()
    {
        // Calibrated logits in the large fold, tripled logits in the two small ones.
        var folds = new[] { Fold("a", 3000, 1, 1), Fold("b", 1000, 3, 2), Fold("c", 1000, 3, 3) };

        var predicted = OutOfFold.Predict(folds);

        Assert.Equal(["a", "b", "c"], predicted.Select(fold => fold.Split));
        Assert.InRange(OutOfFold.Fit(folds[1..]).Temperature, 2.6f, 3.4f);
        Assert.InRange(OutOfFold.Fit(folds[..1]).Temperature, 0.85f, 1.15f);
        // Between both, and nearer to neither because folds count the same.
        var mixed = OutOfFold.Fit([folds[0], folds[1]]);
        Assert.InRange(mixed.Temperature, 1.5f, 2.7f);
        for (var fold = 0; fold < 3; fold++)
        {
            var (temperature, abstainBelow) = OutOfFold.Fit(folds.Where((_, other) => other != fold));
            Assert.All(folds[fold].Conditions[0].Clips.Zip(predicted[fold].Conditions[0].Predictions), pair =>
            {
                var scores = EmotionScores.FromLogits(pair.First.Windows[0], temperature);
                Assert.Equal(scores.Confidence, pair.Second.Scores.Confidence, 1e-5f);
                Assert.Equal(scores.Confidence >= abstainBelow, pair.Second.Answered);
            });
        }
    }

    [Fact]
    public void FoldPredictionsRead_Lines_AreClipsByCondition()
    {
        var split = WriteSplit();
        var path = FoldPredictions.FilePath(_folder);
        File.WriteAllLines(path,
        [
            "savee/DC/a01\tangry\t8 kHz\t1\t0\t0\t0\t0\t0\t0",
            "savee/DC/a01\tangry\tclean\t0\t0\t0\t2.5\t0\t0\t-1e-1",
            "savee/DC/a01\tangry\tclean\t0\t0\t0\t3\t0\t0\t0",
            "savee/DC/n01\tneutral\tclean\t4\t0\t0\t0\t0\t0\t0",
        ]);

        var fold = FoldPredictions.Read(path, "fold", split);

        Assert.Equal([null, "8 kHz"], fold.Conditions.Select(condition => condition.Condition));
        Assert.Equal([("savee/DC/a01", Emotion.Angry, 2), ("savee/DC/n01", Emotion.Neutral, 1)],
            fold.Conditions[0].Clips.Select(clip => (clip.Id, clip.Label, clip.Windows.Count)));
        Assert.Equal([0, 0, 0, 2.5f, 0, 0, -0.1f], fold.Conditions[0].Clips[0].Windows[0]);
    }

    [Theory]
    [InlineData("savee/JE/a01\tangry\tclean\t0\t0\t0\t1\t0\t0\t0")] // in training
    [InlineData("savee/DC/a01\tangry\tclean\t0\t0\t0\t1\t0\t0")]
    [InlineData("savee/DC/a01\tbored\tclean\t0\t0\t0\t1\t0\t0\t0")]
    public void FoldPredictionsRead_InvalidLine_IsRejected(string line)
    {
        var split = WriteSplit();
        File.WriteAllText(FoldPredictions.FilePath(_folder), line + "\n");

        var message = Assert.Throws<InvalidDataException>(() => FoldPredictions.Read(FoldPredictions.FilePath(_folder), "fold", split)).Message;
        Assert.Contains("must be a test clip of fold", message, StringComparison.Ordinal);
    }

    private Split WriteSplit()
    {
        var path = Path.Combine(_folder, "fold.tsv");
        File.WriteAllText(path, "# fold\ntest\tsavee/DC/\ntrain\tsavee/\n");
        return Split.Read(path);
    }

    // Labels are drawn from the softmax of the logits, which are then scaled.
    private static FoldPredictions Fold(string name, int count, float scale, int seed)
    {
        var random = new Random(seed);
        var clips = new List<ClipLogits>();
        for (var i = 0; i < count; i++)
        {
            var logits = Enumerable.Range(0, 7).Select(_ => random.NextSingle() * 4).ToArray();
            var scores = EmotionScores.FromLogits(logits);
            var (draw, label) = (random.NextSingle(), 0);
            while (label < 6 && (draw -= scores[label]) > 0)
                label++;
            clips.Add(new($"{name}/{i}", (Emotion)label, [Array.ConvertAll(logits, logit => logit * scale)]));
        }
        return new(name, [(null, clips)]);
    }
}
