using Affect.Audio;
using Affect.Inference;
using Affect.Training.Architectures;

namespace Affect.Training.Data;

/// <summary>The folders of a run, and the way from them to a data set.</summary>
/// <param name="Data">Holds the corpora: <c>ravdess/ savee/ tess/ cremad/ fer2013/</c>.</param>
/// <param name="Run">Receives what is prepared and learnt; never part of the repository.</param>
/// <param name="Splits">Holds the committed splits.</param>
internal sealed record Workspace(string Data, string Run, string Splits)
{
    private const int SplitSeed = 1;
    public const string RandomSplit = "speech-random";

    /// <summary>The random split with CREMA-D's clips: drawn where the corpus is, for no committed file can list them.</summary>
    private const string RandomSplitWithCremaD = "speech-random-cremad";

    private string Cache => Path.Combine(Run, "cache");

    /// <summary>Where a model's run under a protocol keeps its checkpoints.</summary>
    public string Folder(Architecture architecture, string protocol) => Path.Combine(Run, $"{architecture.Name}-{protocol}");

    /// <summary>Where the run lies whose weights that of a folder began with.</summary>
    public static string Before(string folder) => Path.Combine(folder, "from");

    /// <summary>The protocol that the shipped weights come from.</summary>
    public static string DefaultProtocol(Architecture architecture) => architecture.Modality == Modality.Face ? "fer2013-official" : RandomSplit;

    /// <summary>The splits that a name stands for: the file of that name, or the folds whose names begin with it and a hyphen.</summary>
    /// <exception cref="FileNotFoundException">There are none.</exception>
    public IReadOnlyList<string> Family(string protocol)
    {
        if (File.Exists(SplitPath(protocol)))
            return [protocol];
        var family = Directory.Exists(Splits) ? Directory.GetFiles(Splits, $"{protocol}-*.tsv") : [];
        return family.Length > 0
            ? [.. family.Select(path => Path.GetFileNameWithoutExtension(path)).Order(StringComparer.Ordinal)]
            : throw new FileNotFoundException($"no file {SplitPath(protocol)}, and none whose name begins so");
    }

    /// <summary>Prepares what is not prepared yet, and reads a data set in the parts of a split.</summary>
    /// <exception cref="IOException">Data or split are missing.</exception>
    public async Task<DataSet> LoadAsync(Architecture architecture, string protocol, Report report, Action<int, int> progress, CancellationToken cancellation) =>
        (await OpenAsync(architecture, architecture.Recipe, report, progress, cancellation))(protocol);

    /// <summary>As <see cref="LoadAsync"/>, for several splits of the same clips, which are read once.</summary>
    public async Task<Func<string, DataSet>> OpenAsync(Architecture architecture, Recipe recipe, Report report, Action<int, int> progress, CancellationToken cancellation)
    {
        if (architecture.Modality == Modality.Face)
            return protocol => Fer2013.Read(Path.Combine(Data, "fer2013"), Split.Read(SplitPath(protocol)), architecture.Input.Channels, recipe.Votes, report);

        var clips = await PrepareSpeechAsync(report, progress, cancellation);
        return protocol => Cut(architecture, recipe, Split.Read(SplitPath(protocol)), clips);
    }

    private static DataSet Cut(Architecture architecture, Recipe recipe, Split split, List<SpeechClip> clips)
    {
        var set = architecture.Input.Features switch
        {
            FeatureKind.MfccZcrRms => FeatureSet.MfccZcrRms,
            FeatureKind.MfccDeltaZcrRms => FeatureSet.MfccDeltaZcrRms,
            FeatureKind.LogMelZcrRms => FeatureSet.LogMelZcrRms,
            _ => FeatureSet.LogMel,
        };
        var length = (int)(architecture.Input.WindowSeconds!.Value * FeatureExtractor.SampleRate);
        var corpora = clips.Where(clip => split.Of(clip.Id) == Part.Test).Select(clip => SpeechCorpora.Of(clip.Id).Name).Distinct();
        return new(split.Protocol, string.Join('+', corpora), Train(), Windows(Part.Validation), Windows(Part.Test));

        Samples Train() => recipe.Variants is > 0 and var variants ? new Variants(Windows(Part.Train), variants) : Windows(Part.Train);

        SpeechWindows Windows(Part part) => new([.. clips.Where(clip => split.Of(clip.Id) == part)], length, set, keep: !recipe.Augment);
    }

    /// <summary>Decodes the speech corpora once, and draws the random splits that are not committed into the folder of the run.</summary>
    public async Task<List<SpeechClip>> PrepareSpeechAsync(Report report, Action<int, int> progress, CancellationToken cancellation)
    {
        await SpeechCache.PrepareAsync(Data, Cache, report, progress, cancellation);
        var clips = SpeechCache.Read(Cache);
        var optional = clips.ToLookup(clip => SpeechCorpora.Of(clip.Id).Optional);
        if (!File.Exists(SplitPath(RandomSplit)))
            Split.WriteRandom(SplitPath(RandomSplit), $"random 80/20, seed {SplitSeed}", Groups(optional[false]), SplitSeed);
        // The others' clips stay in their parts, and what a model makes of these can be compared.
        if (optional[true].Any() && !File.Exists(SplitPath(RandomSplitWithCremaD)))
            Split.WriteRandom(SplitPath(RandomSplitWithCremaD), $"random 80/20 with CREMA-D, seed {SplitSeed}",
                Groups(optional[true]), SplitSeed, Split.Read(SplitPath(RandomSplit)));
        return clips;

        static IEnumerable<(string Id, string Group)> Groups(IEnumerable<SpeechClip> clips) =>
            clips.Select(clip => (clip.Id, $"{clip.Id.Split('/')[0]} {clip.Emotion}"));
    }

    // The committed file, or the one that was drawn for this run.
    private string SplitPath(string protocol) =>
        Path.Combine(Splits, protocol + ".tsv") is var committed && File.Exists(committed) ? committed : Path.Combine(Run, "splits", protocol + ".tsv");
}
