using Affect.Audio;
using Affect.Inference;
using Affect.Training.Architectures;

namespace Affect.Training.Data;

/// <summary>The folders of a run, and the way from them to a data set.</summary>
/// <param name="Data">Holds the corpora: <c>ravdess/ savee/ tess/ fer2013/</c>.</param>
/// <param name="Run">Receives what is prepared and learnt; never part of the repository.</param>
/// <param name="Splits">Holds the committed splits.</param>
internal sealed record Workspace(string Data, string Run, string Splits)
{
    private const int SplitSeed = 1;
    private const string RandomSplit = "speech-random";

    private string Cache => Path.Combine(Run, "cache");

    /// <summary>Where a model's run under a protocol keeps its checkpoints.</summary>
    public string Folder(Architecture architecture, string protocol) => Path.Combine(Run, $"{architecture.Name}-{protocol}");

    /// <summary>The protocol that the shipped weights come from.</summary>
    public static string DefaultProtocol(Architecture architecture) => architecture.Modality == Modality.Face ? "fer2013-official" : RandomSplit;

    /// <summary>Prepares what is not prepared yet, and reads a data set in the parts of a split.</summary>
    /// <exception cref="IOException">Data or split are missing.</exception>
    public async Task<DataSet> LoadAsync(Architecture architecture, string protocol, Report report, Action<int, int> progress, CancellationToken cancellation)
    {
        if (architecture.Modality == Modality.Face)
            return Fer2013.Read(Path.Combine(Data, "fer2013", "fer2013.csv"), Split.Read(SplitPath(protocol)), report);

        var clips = await PrepareSpeechAsync(report, progress, cancellation);
        var split = Split.Read(SplitPath(protocol));
        var set = architecture.Input.Features switch
        {
            FeatureKind.MfccZcrRms => FeatureSet.MfccZcrRms,
            FeatureKind.MfccDeltaZcrRms => FeatureSet.MfccDeltaZcrRms,
            _ => FeatureSet.LogMel,
        };
        var length = (int)(architecture.Input.WindowSeconds!.Value * FeatureExtractor.SampleRate);
        var corpora = clips.Where(clip => split.Of(clip.Id) == Part.Test).Select(clip => clip.Id.Split('/')[0].ToUpperInvariant()).Distinct();
        return new(split.Protocol, string.Join('+', corpora), Windows(Part.Train), Windows(Part.Validation), Windows(Part.Test));

        SpeechWindows Windows(Part part) => new([.. clips.Where(clip => split.Of(clip.Id) == part)], length, set);
    }

    /// <summary>Decodes the speech corpora once, and draws the random split where none is committed.</summary>
    public async Task<List<SpeechClip>> PrepareSpeechAsync(Report report, Action<int, int> progress, CancellationToken cancellation)
    {
        await SpeechCache.PrepareAsync(Data, Cache, report, progress, cancellation);
        var clips = SpeechCache.Read(Cache);
        if (!File.Exists(SplitPath(RandomSplit)))
            Split.WriteRandom(SplitPath(RandomSplit), $"random 80/20, seed {SplitSeed}",
                clips.Select(clip => (clip.Id, $"{clip.Id.Split('/')[0]} {clip.Emotion}")), SplitSeed);
        return clips;
    }

    private string SplitPath(string protocol) => Path.Combine(Splits, protocol + ".tsv");
}
