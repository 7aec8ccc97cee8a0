using Affect.Training.Data;

namespace Affect.UnitTests.Training;

public sealed class SplitTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("affect-split-").FullName;

    private static string Committed(string name) => Path.Combine(AppContext.BaseDirectory, "splits", name + ".tsv");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_full_id_comes_before_a_prefix_and_a_long_prefix_before_a_short_one()
    {
        var path = Path.Combine(_folder, "split.tsv");
        File.WriteAllText(path, "# by hand\n# more\ntrain\ta/\ntest\ta/1/\nvalidation\ta/1/x\n");
        var split = Split.Read(path);

        Assert.Equal("by hand", split.Protocol);
        Assert.Equal(Part.Validation, split.Of("a/1/x"));
        Assert.Equal(Part.Test, split.Of("a/1/y"));
        Assert.Equal(Part.Train, split.Of("a/2/x"));
        Assert.Null(split.Of("b/1/x"));
    }

    [Fact]
    public void A_line_that_is_not_understood_is_named()
    {
        var path = Path.Combine(_folder, "split.tsv");
        File.WriteAllText(path, "# by hand\nteach\ta/\n");

        Assert.Contains("teach", Assert.Throws<InvalidDataException>(() => Split.Read(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_committed_random_split_is_what_its_seed_draws()
    {
        var lines = File.ReadAllLines(Committed("speech-random")).Skip(1).Select(line => line.Split('\t')).ToList();
        var path = Path.Combine(_folder, "again.tsv");

        Split.WriteRandom(path, "random 80/20, seed 1", lines.Select(line => (line[1], Group(line[1]))), 1);

        Assert.Equal(File.ReadAllText(Committed("speech-random")).ReplaceLineEndings(), File.ReadAllText(path).ReplaceLineEndings());
        Assert.Equal(lines.Count, lines.Select(line => line[1]).Distinct().Count());
        Assert.Equal(0.2, lines.Count(line => line[0] == "test") / (double)lines.Count, 2);
    }

    [Fact]
    public void Every_actor_is_tested_in_one_fold_and_never_taught_in_it()
    {
        var folds = Enumerable.Range(1, 5).Select(fold => Split.Read(Committed($"speech-ravdess-fold-{fold}"))).ToList();
        for (var actor = 1; actor <= 24; actor++)
            Assert.Single(folds, fold => fold.Of($"ravdess/{actor:00}/x") == Part.Test);
        Assert.All(folds, fold =>
        {
            Assert.Equal(2, Enumerable.Range(1, 24).Count(actor => fold.Of($"ravdess/{actor:00}/x") == Part.Validation));
            Assert.Equal(Part.Train, fold.Of("tess/OAF/x"));
            Assert.Equal(Part.Train, fold.Of("savee/DC/x"));
        });
    }

    // The emotion as the corpora name it: grouped the same as by our names, in the order of ours.
    private static string Group(string id)
    {
        var emotion = id.Split('/') switch
        {
            ["ravdess", _, var name] => name.Split('-')[2] switch { "01" or "02" => "Neutral", "03" => "Happy", "04" => "Sad", "05" => "Angry", "06" => "Fear", "07" => "Disgust", _ => "Surprise" },
            ["savee", _, var name] => name.TrimEnd("0123456789".ToCharArray()) switch { "a" => "Angry", "d" => "Disgust", "f" => "Fear", "h" => "Happy", "n" => "Neutral", "sa" => "Sad", _ => "Surprise" },
            [_, _, var name] => name.Split('_')[1] switch { "ps" => "Surprise", var said => char.ToUpperInvariant(said[0]) + said[1..] },
            _ => "",
        };
        return $"{id.Split('/')[0]} {emotion}";
    }
}
