using Affect.Training.Data;

namespace Affect.UnitTests.Training;

public sealed class SplitTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("affect-split-").FullName;

    private static string Committed(string name) => Path.Combine(AppContext.BaseDirectory, "splits", name + ".tsv");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void SplitPartOf_FullIdAndPrefixes_LongestMatchWins()
    {
        var path = Path.Combine(_folder, "split.tsv");
        File.WriteAllText(path, "# by hand\n# more\ntrain\ta/\ntest\ta/1/\nvalidation\ta/1/x\n");
        var split = Split.Read(path);

        Assert.Equal("by hand", split.Protocol);
        Assert.Equal(Part.Validation, split.PartOf("a/1/x"));
        Assert.Equal(Part.Test, split.PartOf("a/1/y"));
        Assert.Equal(Part.Train, split.PartOf("a/2/x"));
        Assert.Null(split.PartOf("b/1/x"));
    }

    [Fact]
    public void SplitRead_InvalidLine_IsNamed()
    {
        var path = Path.Combine(_folder, "split.tsv");
        File.WriteAllText(path, "# by hand\nteach\ta/\n");

        Assert.Contains("teach", Assert.Throws<InvalidDataException>(() => Split.Read(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void WriteRandom_SeedOfCommittedSplit_ReproducesIt()
    {
        var lines = File.ReadAllLines(Committed("speech-random")).Skip(1).Select(line => line.Split('\t')).ToList();
        var path = Path.Combine(_folder, "again.tsv");

        Split.WriteRandom(path, "random 80/20, seed 1", lines.Select(line => (line[1], Group(line[1]))), 1);

        Assert.Equal(File.ReadAllText(Committed("speech-random")).ReplaceLineEndings(), File.ReadAllText(path).ReplaceLineEndings());
        Assert.Equal(lines.Count, lines.Select(line => line[1]).Distinct().Count());
        Assert.Equal(0.2, lines.Count(line => line[0] == "test") / (double)lines.Count, 2);
    }

    [Fact]
    public void SplitRead_DuplicateId_IsRejected()
    {
        var path = Path.Combine(_folder, "split.tsv");
        File.WriteAllText(path, "# by hand\ntrain\ta/\ntest\ta/\n");

        Assert.Contains("'a/' is duplicated", Assert.Throws<InvalidDataException>(() => Split.Read(path)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void SplitRead_MissingName_IsRejected()
    {
        var path = Path.Combine(_folder, "split.tsv");
        File.WriteAllText(path, "train\ta/\n");

        Assert.Contains("first line", Assert.Throws<InvalidDataException>(() => Split.Read(path)).Message, StringComparison.Ordinal);
    }

    // Every committed split of speech without left-out corpora, and which speakers it tests: null where it tests a part of each.
    public static TheoryData<string, string[]?> Speech => new()
    {
        { "speech-random", null },
        // The five folds of Luna-Jiménez et al. 2021, which others publish figures for.
        { "speech-ravdess-fold-1", ["ravdess/02", "ravdess/05", "ravdess/14", "ravdess/15", "ravdess/16"] },
        { "speech-ravdess-fold-2", ["ravdess/03", "ravdess/06", "ravdess/07", "ravdess/13", "ravdess/18"] },
        { "speech-ravdess-fold-3", ["ravdess/10", "ravdess/11", "ravdess/12", "ravdess/19", "ravdess/20"] },
        { "speech-ravdess-fold-4", ["ravdess/08", "ravdess/17", "ravdess/21", "ravdess/23", "ravdess/24"] },
        { "speech-ravdess-fold-5", ["ravdess/01", "ravdess/04", "ravdess/09", "ravdess/22"] },
        { "speech-strangers-ravdess-fold-1", ["ravdess/02", "ravdess/05", "ravdess/14", "ravdess/15", "ravdess/16"] },
        { "speech-strangers-ravdess-fold-2", ["ravdess/03", "ravdess/06", "ravdess/07", "ravdess/13", "ravdess/18"] },
        { "speech-strangers-ravdess-fold-3", ["ravdess/10", "ravdess/11", "ravdess/12", "ravdess/19", "ravdess/20"] },
        { "speech-strangers-ravdess-fold-4", ["ravdess/08", "ravdess/17", "ravdess/21", "ravdess/23", "ravdess/24"] },
        { "speech-strangers-ravdess-fold-5", ["ravdess/01", "ravdess/04", "ravdess/09", "ravdess/22"] },
        { "speech-savee-fold-1", ["savee/DC"] },
        { "speech-savee-fold-2", ["savee/JE"] },
        { "speech-savee-fold-3", ["savee/JK"] },
        { "speech-savee-fold-4", ["savee/KL"] },
        { "speech-tess-fold-1", ["tess/OAF"] },
        { "speech-tess-fold-2", ["tess/YAF"] },
    };

    [Theory]
    [MemberData(nameof(Speech))]
    public void CommittedSplits_Speech_AreCompleteAndSpeakerIndependent(string name, string[]? tested)
    {
        // The random split lists every clip of the corpora.
        var ids = Split.Read(Committed("speech-random")).Ids.ToList();
        var split = Split.Read(Committed(name));

        Assert.Equal(4719, ids.Count);
        Assert.All(ids, id => Assert.NotNull(split.PartOf(id)));
        Assert.All(Enum.GetValues<Part>(), part => Assert.Contains(ids, id => split.PartOf(id) == part));
        if (tested is null)
            return;
        var speakers = ids.ToLookup(id => split.PartOf(id), id => id[..id.LastIndexOf('/')]);
        Assert.Equal(tested, speakers[Part.Test].Distinct().Order(StringComparer.Ordinal));
        Assert.Empty(speakers[Part.Test].Intersect(speakers[Part.Train].Concat(speakers[Part.Validation])));
        Assert.Empty(speakers[Part.Validation].Intersect(speakers[Part.Train]));
        Assert.Equal(30, speakers[Part.Train].Union(speakers[Part.Validation]).Union(speakers[Part.Test]).Count()); // 24 + 4 + 2
    }

    private static readonly string[] Corpora = ["ravdess", "savee", "tess", "casia", "emovo", "ased", "turev", "indian"];

    public static TheoryData<string> LeftOut => [.. Corpora];

    [Theory]
    [MemberData(nameof(LeftOut))]
    public void CommittedSplits_LeftOutCorpus_IsTestAndNowhereElse(string corpus)
    {
        var split = Split.Read(Committed($"speech-loco-{corpus}"));
        var all = Split.Read(Committed("speech-all"));

        Assert.Equal(Corpora.Order(StringComparer.Ordinal), split.Corpora.Order(StringComparer.Ordinal));
        foreach (var speaker in Corpora.Where(other => other != corpus).Select(other => $"{other}/any/clip").Concat(
            all.Prefixes.Where(prefix => !prefix.StartsWith(corpus + "/", StringComparison.Ordinal)).Select(prefix => prefix + "clip")))
            Assert.Equal(all.PartOf(speaker), split.PartOf(speaker));
        Assert.All(split.Prefixes.Where(prefix => prefix.StartsWith(corpus + "/", StringComparison.Ordinal)),
            prefix => Assert.Equal((corpus + "/", Part.Test), (prefix, split.PartOf(prefix))));
        Assert.Null(split.PartOf("cremad/1001/x"));
    }

    [Fact]
    public void CommittedSplits_AllCorpora_HaveWholeSpeakersInValidation()
    {
        var split = Split.Read(Committed("speech-all"));
        var validation = split.Prefixes.Where(prefix => split.PartOf(prefix) == Part.Validation).ToList();

        Assert.Equal(Corpora.Order(StringComparer.Ordinal), split.Corpora.Order(StringComparer.Ordinal));
        Assert.All(Corpora, corpus => Assert.Equal(Part.Train, split.PartOf(corpus + "/any/clip")));
        Assert.All(validation, prefix => Assert.Equal(2, prefix.Count(character => character == '/')));
        Assert.Equal(["ased 5", "emovo 1", "indian 13", "ravdess 2", "savee 1", "turev 1"],
            validation.CountBy(prefix => prefix.Split('/')[0]).Select(count => $"{count.Key} {count.Value}").Order(StringComparer.Ordinal));
        Assert.DoesNotContain(split.Prefixes, prefix => split.PartOf(prefix) == Part.Test);
    }

    // A tenth of the clips, all seven emotions.
    [Fact]
    public void CommittedSplits_AllCorpora_CoverEveryClip()
    {
        var data = Environment.GetEnvironmentVariable("AFFECT_DATA");
        Assert.SkipUnless(data is { Length: > 0 } && Corpora.All(corpus => Directory.Exists(Path.Combine(data, corpus))),
            "AFFECT_DATA must be the folder of the eight corpora");
        var files = SpeechCorpora.Find(data!, new CorpusReport()).Where(file => Corpora.Contains(file.Id.Split('/')[0])).ToList();
        var split = Split.Read(Committed("speech-all"));

        var validation = files.Where(file => split.PartOf(file.Id) == Part.Validation).ToList();

        Assert.All(files, file => Assert.NotNull(split.PartOf(file.Id)));
        Assert.InRange(validation.Count / (double)files.Count, 0.07, 0.1);
        Assert.Equal(7, validation.Select(file => file.Emotion).Distinct().Count());
    }

    [Fact]
    public void CommittedSplits_Files_AreAllTested() =>
        Assert.Equal(
            Directory.GetFiles(Path.GetDirectoryName(Committed(""))!, "*.tsv")
                .Select(Path.GetFileNameWithoutExtension).Order(StringComparer.Ordinal),
            Speech.Select(row => row.Data.Item1).Concat(Corpora.Select(corpus => $"speech-loco-{corpus}"))
                .Concat(["speech-all", "fer2013-official", "fer2013-70-15-15"]).Order(StringComparer.Ordinal));

    [Fact]
    public void CommittedSplits_Fer2013Official_FollowsUsage()
    {
        var split = Split.Read(Committed("fer2013-official"));

        Assert.Equal((Part.Train, Part.Validation, Part.Test),
            (split.PartOf("fer2013/Training/1"), split.PartOf("fer2013/PublicTest/28710"), split.PartOf("fer2013/PrivateTest/35887")));
    }

    [Fact]
    public void CommittedSplits_Fer2013Random_IsReproducible()
    {
        var split = Split.Read(Committed("fer2013-70-15-15"));
        var rows = Enumerable.Range(1, 35_887).ToArray();
        new Random(1).Shuffle(rows);

        for (var i = 0; i < rows.Length; i++)
        {
            var usage = rows[i] switch { <= 28_709 => "Training", <= 32_298 => "PublicTest", _ => "PrivateTest" };
            Assert.Equal(i switch { < 5_383 => Part.Test, < 10_766 => Part.Validation, _ => Part.Train },
                split.PartOf($"fer2013/{usage}/{rows[i]}"));
        }
    }

    // The emotion as the corpora name it: grouped the same as by our names, in the order of ours.
    private static string Group(string id)
    {
        var emotion = id.Split('/') switch
        {
            ["ravdess", _, var name] => name.Split('-')[2] switch
            {
                "01" or "02" => "Neutral",
                "03" => "Happy",
                "04" => "Sad",
                "05" => "Angry",
                "06" => "Fear",
                "07" => "Disgust",
                _ => "Surprise"
            },
            ["savee", _, var name] => name.TrimEnd("0123456789".ToCharArray()) switch
            {
                "a" => "Angry",
                "d" => "Disgust",
                "f" => "Fear",
                "h" => "Happy",
                "n" => "Neutral",
                "sa" => "Sad",
                _ => "Surprise"
            },
            [_, _, var name] => name.Split('_')[1] switch { "ps" => "Surprise", var said => char.ToUpperInvariant(said[0]) + said[1..] },
            _ => "",
        };
        return $"{id.Split('/')[0]} {emotion}";
    }
}
