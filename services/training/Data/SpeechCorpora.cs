using Affect.Emotions;

namespace Affect.Training.Data;

/// <summary>A file of a speech corpus and what its name says. The id is corpus/speaker/name, in whatever folders the file lay.</summary>
internal sealed record SpeechFile(string Path, string Id, Emotion Emotion);

/// <summary>A speech corpus in its published layout and file names.</summary>
/// <param name="Name">As the corpus is called.</param>
/// <param name="Folder">Its folder in the data folder, under which its clips lie anywhere; ids begin with it.</param>
/// <param name="Source">Where it is published.</param>
/// <param name="Optional">Whether there is something to learn without it: no committed split names its clips.</param>
/// <param name="Labels">From the corpus' names of emotions to the seven.</param>
/// <param name="Parse">Speaker, label and name of a clip by the path of its file; null where it is none of the corpus.</param>
internal sealed record SpeechCorpus(
    string Name, string Folder, string Source, bool Optional, IReadOnlyDictionary<string, Emotion> Labels, Func<string, (string Speaker, string Label, string Clip)?> Parse)
{
    /// <summary>The clip that a file holds; null where its name is not one of the corpus.</summary>
    public SpeechFile? Read(string path) =>
        Parse(path) is var (speaker, label, clip) && Labels.TryGetValue(label, out var emotion) ? new(path, $"{Folder}/{speaker}/{clip}", emotion) : null;
}

/// <summary>The speech corpora, and the one map from their labels to the seven.</summary>
internal static class SpeechCorpora
{
    private static readonly EnumerationOptions Everywhere = new() { RecurseSubdirectories = true, MatchCasing = MatchCasing.CaseInsensitive };

    /// <summary>The sentences of CREMA-D.</summary>
    private static readonly string[] Sentences = ["IEO", "TIE", "IOM", "IWW", "TAI", "MTI", "IWL", "ITH", "DFA", "ITS", "TSI", "WSI"];

    /// <summary>All that can be read.</summary>
    public static IReadOnlyList<SpeechCorpus> All { get; } =
    [
        new("RAVDESS", "ravdess", "https://zenodo.org/records/1188976", Optional: false, new Dictionary<string, Emotion>
        {
            ["01"] = Emotion.Neutral,
            ["02"] = Emotion.Neutral, // calm; why it counts as neutral is in README.md
            ["03"] = Emotion.Happy,
            ["04"] = Emotion.Sad,
            ["05"] = Emotion.Angry,
            ["06"] = Emotion.Fear,
            ["07"] = Emotion.Disgust,
            ["08"] = Emotion.Surprise,
        }, Ravdess),
        new("SAVEE", "savee", "http://kahlan.eps.surrey.ac.uk/savee", Optional: false, new Dictionary<string, Emotion>
        {
            ["n"] = Emotion.Neutral,
            ["h"] = Emotion.Happy,
            ["sa"] = Emotion.Sad,
            ["a"] = Emotion.Angry,
            ["f"] = Emotion.Fear,
            ["d"] = Emotion.Disgust,
            ["su"] = Emotion.Surprise,
        }, Savee),
        new("TESS", "tess", "https://doi.org/10.5683/SP2/E8H2MF", Optional: false, new Dictionary<string, Emotion>
        {
            ["neutral"] = Emotion.Neutral,
            ["happy"] = Emotion.Happy,
            ["sad"] = Emotion.Sad,
            ["angry"] = Emotion.Angry,
            ["fear"] = Emotion.Fear,
            ["disgust"] = Emotion.Disgust,
            ["ps"] = Emotion.Surprise, // pleasant surprise
        }, Tess),
        new("CREMA-D", "cremad", "https://github.com/CheyneyComputerScience/CREMA-D", Optional: true, new Dictionary<string, Emotion>
        {
            ["NEU"] = Emotion.Neutral,
            ["HAP"] = Emotion.Happy,
            ["SAD"] = Emotion.Sad,
            ["ANG"] = Emotion.Angry,
            ["FEA"] = Emotion.Fear,
            ["DIS"] = Emotion.Disgust,
        }, CremaD),
    ];

    /// <summary>Number of kinds that <see cref="Detail"/> tells apart.</summary>
    public const int Details = 16;

    /// <summary>Which of RAVDESS's eight emotions a clip shows, at which of two intensities; null for the other corpora, which say no more than the label.</summary>
    public static int? Detail(string id) =>
        id.Split('/') is ["ravdess", _, var name] && name.Split('-') is [_, _, var emotion, var intensity, ..] ? 2 * (int.Parse(emotion) - 1) + int.Parse(intensity) - 1 : null;

    /// <summary>The corpora whose folders are there.</summary>
    public static IEnumerable<SpeechCorpus> In(string data) => All.Where(corpus => Directory.Exists(Path.Combine(data, corpus.Folder)));

    /// <summary>All that is called a WAV file in the folder of a corpus.</summary>
    public static IEnumerable<string> Files(string data, SpeechCorpus corpus) =>
        Directory.EnumerateFiles(Path.Combine(data, corpus.Folder), "*.wav", Everywhere);

    /// <summary>The corpus that an id begins with.</summary>
    public static SpeechCorpus Of(string id) => All.First(corpus => id.StartsWith(corpus.Folder + "/", StringComparison.Ordinal));

    /// <summary>All clips of all corpora, in the order of their ids; names that say nothing are reported, and so is a missing corpus that may be.</summary>
    /// <exception cref="DirectoryNotFoundException">Corpora that every split needs are missing; the message names them all.</exception>
    public static List<SpeechFile> Find(string data, Report report)
    {
        var there = In(data).ToList();
        var missing = All.Except(there).ToLookup(corpus => corpus.Optional);
        if (missing[false].Any())
            throw new DirectoryNotFoundException("the speech models are trained on " +
                $"{string.Join(", ", All.Where(corpus => !corpus.Optional).Select(corpus => corpus.Name))}, but there is " +
                string.Join(" and ", missing[false].Select(corpus => $"no folder {Path.Combine(data, corpus.Folder)} ({corpus.Name}: {corpus.Source})")));
        foreach (var corpus in missing[true])
            report.Note("not there, goes without", corpus.Name);

        var files = new List<SpeechFile>();
        foreach (var corpus in there)
            foreach (var path in Files(data, corpus))
                if (corpus.Read(path) is { } clip)
                    files.Add(clip);
                else
                    report.Skip(Path.GetRelativePath(data, path), "name is not one of the corpus");
        return [.. files.OrderBy(file => file.Id, StringComparer.Ordinal).ThenBy(file => file.Path, StringComparer.Ordinal)];
    }

    /// <summary>
    /// RAVDESS (Livingstone and Russo 2018), <c>03-01-06-01-02-01-12.wav</c>: modality, channel, emotion, intensity,
    /// statement, repetition, actor. Speech (channel 01) alone; songs are left out.
    /// </summary>
    private static (string, string, string)? Ravdess(string path)
    {
        var name = Path.GetFileNameWithoutExtension(path);
        return name.Split('-') is ["03", "01", var emotion, _, _, _, var actor] ? (actor, emotion, name) : null;
    }

    /// <summary>
    /// SAVEE (Haq and Jackson 2009), <c>DC/a01.wav</c> as published, <c>DC_a01.wav</c> as often passed on:
    /// speaker, emotion by one or two letters, number of the sentence.
    /// </summary>
    private static (string, string, string)? Savee(string path)
    {
        var name = Path.GetFileNameWithoutExtension(path);
        var speaker = Path.GetFileName(Path.GetDirectoryName(path))!;
        if (name.Split('_') is [var prefix, var rest])
            (speaker, name) = (prefix, rest);
        return speaker is "DC" or "JE" or "JK" or "KL" ? (speaker, name.TrimEnd("0123456789".ToCharArray()), name) : null;
    }

    /// <summary>TESS (Dupuis and Pichora-Fuller 2010), <c>OAF_back_angry.wav</c>: speaker (one file says OA), word, emotion.</summary>
    private static (string, string, string)? Tess(string path)
    {
        if (Path.GetFileNameWithoutExtension(path).Split('_') is not [var speaker, var word, var said] || speaker is not ("OAF" or "OA" or "YAF"))
            return null;
        var emotion = said.ToLowerInvariant();
        return (speaker == "OA" ? "OAF" : speaker, emotion, $"{word}_{emotion}");
    }

    /// <summary>
    /// CREMA-D (Cao et al. 2014), <c>AudioWAV/1001_DFA_ANG_XX.wav</c>: actor 1001 to 1091, sentence, emotion, intensity
    /// (LO, MD, HI, or XX where none was asked for; the first release of 1040_ITH_SAD says X).
    /// </summary>
    private static (string, string, string)? CremaD(string path) =>
        Path.GetFileNameWithoutExtension(path).Split('_') is [var actor, var sentence, var emotion, ("LO" or "MD" or "HI" or "XX" or "X") and var intensity]
        && int.TryParse(actor, out var number) && number is >= 1001 and <= 1091 && Sentences.Contains(sentence)
            ? (actor, emotion, $"{actor}_{sentence}_{emotion}_{(intensity == "X" ? "XX" : intensity)}")
            : null;
}
