using Affect.Audio;
using Affect.Inference;
using Affect.Training.Architectures;

namespace Affect.Training.Data;

/// <summary>The folders of data, run and splits.</summary>
/// <param name="Data">Folder of the corpora: <c>ravdess/ savee/ tess/ casia/ … fer2013/</c>.</param>
/// <param name="Run">Output folder of prepared data and checkpoints; not part of the repository.</param>
/// <param name="Splits">Folder of the committed splits.</param>
internal sealed record Workspace(string Data, string Run, string Splits)
{
    private const int SplitSeed = 1;
    public const string RandomSplit = "speech-random";

    /// <summary>The split of weights that are trained on all corpora; it has no test part.</summary>
    public const string AllCorpora = "speech-all";

    /// <summary>Common prefix of the splits that leave out one corpus each.</summary>
    public const string UnseenCorpora = "speech-loco";

    /// <summary>Common prefix of RAVDESS's folds with all corpora in training.</summary>
    public const string UnseenSpeakers = "speech-strangers-ravdess";

    /// <summary>
    /// The random split with CREMA-D, generated when the corpus is present because no committed split contains its clips.
    /// </summary>
    private const string RandomSplitWithCremaD = "speech-random-cremad";
    private const string CremaD = "CREMA-D";

    private string Cache => Path.Combine(Run, "cache");

    /// <summary>Folder of the checkpoints of a model under a protocol.</summary>
    public string RunFolder(Architecture architecture, string protocol) => Path.Combine(Run, $"{architecture.Name}-{protocol}");

    /// <summary>Folder of the preceding run.</summary>
    public static string PreviousRunFolder(string folder) => Path.Combine(folder, "previous");

    /// <summary>The protocol of the shipped weights.</summary>
    public static string DefaultProtocol(Architecture architecture) =>
        architecture.Modality == Modality.Face ? "fer2013-official"
        : architecture.Input.Features == FeatureKind.WhisperLogMel ? AllCorpora : RandomSplit;

    /// <summary>Reads a split.</summary>
    public Split ReadSplit(string protocol) => Split.Read(SplitPath(protocol));

    /// <summary>Expands a protocol to its splits: the split of that name or the folds with that prefix.</summary>
    /// <exception cref="FileNotFoundException">No split matches.</exception>
    public IReadOnlyList<string> ExpandProtocol(string protocol)
    {
        if (File.Exists(SplitPath(protocol)))
            return [protocol];
        var folds = Directory.Exists(Splits) ? Directory.GetFiles(Splits, $"{protocol}-*.tsv") : [];
        return folds.Length > 0
            ? [.. folds.Select(path => Path.GetFileNameWithoutExtension(path)).Order(StringComparer.Ordinal)]
            : throw new FileNotFoundException($"{SplitPath(protocol)} not found, and no fold begins with {protocol}");
    }

    /// <summary>
    /// Prepares the corpora if necessary and returns a function that loads the data set of a split; the corpora are read once.
    /// </summary>
    /// <exception cref="IOException">A corpus or split is missing.</exception>
    public async Task<Func<string, DataSet>> OpenAsync(
        Architecture architecture, Recipe recipe, CorpusReport report, Action<int, int> progress, CancellationToken cancellation)
    {
        if (architecture.Modality == Modality.Face)
            return protocol => Fer2013.Read(
                Path.Combine(Data, "fer2013"), Split.Read(SplitPath(protocol)), architecture.Input.Channels, recipe.VoteWeight, report);

        var clips = await PrepareSpeechAsync(report, progress, cancellation);
        var file = architecture.Input.Features != FeatureKind.WhisperLogMel ? null : new Lazy<FeatureFile>(() =>
        {
            var windows = StrangerWindows.Open(Cache, clips, progress, cancellation);
            return architecture is WhisperHead ? StrangerWindows.OpenStates(Cache, windows, clips.Count, progress, cancellation) : windows;
        });
        // States come from the file alone; spectrograms of a few windows are also computed without it.
        if (architecture is WhisperHead)
            _ = file!.Value;
        return protocol =>
        {
            var split = Split.Read(SplitPath(protocol));
            RequireCorpora(protocol, split, clips);
            return CreateDataSet(architecture, recipe, split, clips, file);
        };
    }

    // Metrics of a protocol are comparable only with all of its corpora.
    private void RequireCorpora(string protocol, Split split, List<SpeechClip> clips)
    {
        var present = clips.Select(clip => clip.Id.Split('/')[0]).ToHashSet();
        var missing = SpeechCorpora.All.Where(corpus => split.Corpora.Contains(corpus.Folder) && !present.Contains(corpus.Folder)).ToList();
        if (missing.Count > 0)
            throw new DirectoryNotFoundException($"{protocol} requires corpora that are not found: " +
                string.Join(", ", missing.Select(corpus => $"{Path.Combine(Data, corpus.Folder)} ({corpus.Name}: {corpus.Source})")));
    }

    private static DataSet CreateDataSet(
        Architecture architecture, Recipe recipe, Split split, List<SpeechClip> clips, Lazy<FeatureFile>? file)
    {
        var set = architecture.Input.Features switch
        {
            FeatureKind.MfccZcrRms => FeatureSet.MfccZcrRms,
            FeatureKind.MfccDeltaZcrRms => FeatureSet.MfccDeltaZcrRms,
            FeatureKind.LogMelZcrRms => FeatureSet.LogMelZcrRms,
            FeatureKind.WhisperLogMel => FeatureSet.WhisperLogMel,
            _ => FeatureSet.LogMel,
        };
        var length = (int)(architecture.Input.WindowSeconds!.Value * SpeechWindows.FeatureRate(set));
        var corpora = clips.Where(clip => split.PartOf(clip.Id) == Part.Test).Select(clip => SpeechCorpora.ById(clip.Id).Name).Distinct();
        return new(split.Protocol, string.Join('+', corpora), Train(), Windows(Part.Validation), Windows(Part.Test));

        Samples Train() => recipe.CachedAugmentations is > 0 and var versions ? new CachedAugmentations(Windows(Part.Train), versions)
            : Windows(Part.Train);

        SpeechWindows Windows(Part part) => new(
            [.. clips.Where(clip => split.PartOf(clip.Id) == part)], length, set, cache: !recipe.Augment, file);
    }

    /// <summary>Decodes the speech corpora once and generates the random splits that are not committed.</summary>
    public async Task<List<SpeechClip>> PrepareSpeechAsync(CorpusReport report, Action<int, int> progress, CancellationToken cancellation)
    {
        await SpeechCache.PrepareAsync(Data, Cache, report, progress, cancellation);
        var clips = SpeechCache.Read(Cache);
        if (!File.Exists(SplitPath(RandomSplit)))
            Split.WriteRandom(SplitPath(RandomSplit), $"random 80/20, seed {SplitSeed}",
                Groups(clips.Where(clip => !SpeechCorpora.ById(clip.Id).Optional)), SplitSeed);
        // The other clips keep their parts, so that results stay comparable.
        var cremaD = clips.Where(clip => SpeechCorpora.ById(clip.Id).Name == CremaD).ToList();
        if (cremaD.Count > 0 && !File.Exists(SplitPath(RandomSplitWithCremaD)))
            Split.WriteRandom(SplitPath(RandomSplitWithCremaD), $"random 80/20 with CREMA-D, seed {SplitSeed}",
                Groups(cremaD), SplitSeed, Split.Read(SplitPath(RandomSplit)));
        return clips;

        static IEnumerable<(string Id, string Group)> Groups(IEnumerable<SpeechClip> clips) =>
            clips.Select(clip => (clip.Id, $"{clip.Id.Split('/')[0]} {clip.Emotion}"));
    }

    // The committed split, or the one generated for this run.
    private string SplitPath(string protocol) =>
        Path.Combine(Splits, protocol + ".tsv") is var committed && File.Exists(committed) ? committed
            : Path.Combine(Run, "splits", protocol + ".tsv");
}
