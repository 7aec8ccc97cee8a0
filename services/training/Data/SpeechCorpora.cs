using Affect.Emotions;

namespace Affect.Training.Data;

/// <summary>A file of a speech corpus with the label from its name. The id is corpus/speaker/name, independent of the folders.</summary>
internal sealed record SpeechFile(string Path, string Id, Emotion Emotion);

/// <summary>A speech corpus with its published layout and file names.</summary>
/// <param name="Name">Name of the corpus.</param>
/// <param name="Folder">Folder in the data folder, searched recursively; first part of the ids.</param>
/// <param name="Source">URL of the publication.</param>
/// <param name="Optional">True if only some protocols require the corpus.</param>
/// <param name="Labels">Emotions by the labels of the corpus.</param>
/// <param name="Parse">Returns speaker, label and name of a clip from the path of its file; null if the name does not match.</param>
internal sealed record SpeechCorpus(
    string Name, string Folder, string Source, bool Optional, IReadOnlyDictionary<string, Emotion> Labels,
        Func<string, (string Speaker, string Label, string Clip)?> Parse)
{
    /// <summary>Parses the name of a file; null if it does not match the corpus.</summary>
    public SpeechFile? Read(string path) =>
        Parse(path) is var (speaker, label, clip) && Labels.TryGetValue(label, out var emotion)
            ? new(path, $"{Folder}/{speaker}/{clip}", emotion) : null;
}

/// <summary>The speech corpora and the mapping of their labels to the seven emotions.</summary>
internal static class SpeechCorpora
{
    private static readonly EnumerationOptions Recursive =
        new() { RecurseSubdirectories = true, MatchCasing = MatchCasing.CaseInsensitive };

    /// <summary>The sentences of CREMA-D.</summary>
    private static readonly string[] Sentences = ["IEO", "TIE", "IOM", "IWW", "TAI", "MTI", "IWL", "ITH", "DFA", "ITS", "TSI", "WSI"];

    /// <summary>The supported corpora.</summary>
    public static IReadOnlyList<SpeechCorpus> All { get; } =
    [
        new("RAVDESS", "ravdess", "https://zenodo.org/records/1188976", Optional: false, new Dictionary<string, Emotion>
        {
            ["01"] = Emotion.Neutral,
            ["02"] = Emotion.Neutral, // calm; README.md gives the reasons
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
        new("CASIA", "casia", "http://www.chineseldc.org", Optional: true, new Dictionary<string, Emotion>
        {
            ["neutral"] = Emotion.Neutral,
            ["happy"] = Emotion.Happy,
            ["sad"] = Emotion.Sad,
            ["angry"] = Emotion.Angry,
            ["fear"] = Emotion.Fear,
            ["surprise"] = Emotion.Surprise,
        }, Casia),
        new("EMOVO", "emovo", "https://aclanthology.org/L14-1478", Optional: true, new Dictionary<string, Emotion>
        {
            ["neu"] = Emotion.Neutral,
            ["gio"] = Emotion.Happy, // gioia
            ["tri"] = Emotion.Sad, // tristezza
            ["rab"] = Emotion.Angry, // rabbia
            ["pau"] = Emotion.Fear, // paura
            ["dis"] = Emotion.Disgust, // disgusto
            ["sor"] = Emotion.Surprise, // sorpresa
        }, Emovo),
        new("ASED", "ased", "https://arxiv.org/abs/2201.02710", Optional: true, new Dictionary<string, Emotion>
        {
            ["n1"] = Emotion.Neutral,
            ["h3"] = Emotion.Happy,
            ["s4"] = Emotion.Sad,
            ["a5"] = Emotion.Angry,
            ["f2"] = Emotion.Fear,
        }, Ased),
        new("TurEV", "turev", "https://aclanthology.org/2020.sltu-1.52", Optional: true, new Dictionary<string, Emotion>
        {
            ["sk"] = Emotion.Neutral, // sakin, calm; README.md gives the reasons
            ["mt"] = Emotion.Happy, // mutlu
            ["hl"] = Emotion.Sad, // hüzünlü
            ["kz"] = Emotion.Angry, // kızgın
        }, TurEV),
        new("Indian EmoSpeech", "indian", "https://arxiv.org/abs/1910.13801", Optional: true,
            new Dictionary<string, Emotion>
            {
                ["calm"] = Emotion.Neutral, // README.md gives the reasons
                ["happy"] = Emotion.Happy,
                ["angry"] = Emotion.Angry,
                ["fearful"] = Emotion.Fear,
            }, Indian),
    ];

    /// <summary>Number of classes of the auxiliary task: eight emotions at two intensities.</summary>
    public const int AuxiliaryClasses = 16;

    /// <summary>Auxiliary label of a clip: RAVDESS's emotion and intensity; null for the other corpora, which have no intensity.</summary>
    public static int? AuxiliaryLabel(string id) =>
        id.Split('/') is ["ravdess", _, var name] && name.Split('-') is [_, _, var emotion, var intensity, ..]
            ? 2 * (int.Parse(emotion) - 1) + int.Parse(intensity) - 1 : null;

    /// <summary>The corpora whose folders exist.</summary>
    public static IEnumerable<SpeechCorpus> Present(string data) =>
        All.Where(corpus => Directory.Exists(Path.Combine(data, corpus.Folder)));

    /// <summary>The files in the folder of a corpus with the extension .wav.</summary>
    public static IEnumerable<string> Files(string data, SpeechCorpus corpus) =>
        Directory.EnumerateFiles(Path.Combine(data, corpus.Folder), "*.wav", Recursive);

    /// <summary>The corpus of an id.</summary>
    public static SpeechCorpus ById(string id) => All.First(corpus => id.StartsWith(corpus.Folder + "/", StringComparison.Ordinal));

    /// <summary>Finds the clips of all corpora, ordered by id. Unmatched names and missing optional corpora are reported.</summary>
    /// <exception cref="DirectoryNotFoundException">Required corpora are missing; the message lists all of them.</exception>
    public static List<SpeechFile> Find(string data, CorpusReport report)
    {
        var present = Present(data).ToList();
        var missing = All.Except(present).ToLookup(corpus => corpus.Optional);
        if (missing[false].Any())
            throw new DirectoryNotFoundException("the speech models require the corpora " +
                $"{string.Join(", ", All.Where(corpus => !corpus.Optional).Select(corpus => corpus.Name))}; not found: " +
                string.Join(", ", missing[false]
                    .Select(corpus => $"{Path.Combine(data, corpus.Folder)} ({corpus.Name}: {corpus.Source})")));
        foreach (var corpus in missing[true])
            report.Note("optional corpus not found", corpus.Name);

        var files = new List<SpeechFile>();
        foreach (var corpus in present)
            foreach (var path in Files(data, corpus))
                if (corpus.Read(path) is { } clip)
                    files.Add(clip);
                else
                    report.Skip(Path.GetRelativePath(data, path), "name does not match the corpus");
        return [.. files.OrderBy(file => file.Id, StringComparer.Ordinal).ThenBy(file => file.Path, StringComparer.Ordinal)];
    }

    /// <summary>
    /// RAVDESS (Livingstone and Russo 2018), <c>03-01-06-01-02-01-12.wav</c>: modality, channel, emotion, intensity,
    /// statement, repetition, actor. Speech (channel 01) only; songs are skipped.
    /// </summary>
    private static (string, string, string)? Ravdess(string path)
    {
        var name = Path.GetFileNameWithoutExtension(path);
        return name.Split('-') is ["03", "01", var emotion, _, _, _, var actor] ? (actor, emotion, name) : null;
    }

    /// <summary>
    /// SAVEE (Haq and Jackson 2009), <c>DC/a01.wav</c> as published, <c>DC_a01.wav</c> as often redistributed:
    /// speaker, emotion (one or two letters), number of the sentence.
    /// </summary>
    private static (string, string, string)? Savee(string path)
    {
        var name = Path.GetFileNameWithoutExtension(path);
        var speaker = Path.GetFileName(Path.GetDirectoryName(path))!;
        if (name.Split('_') is [var prefix, var rest])
            (speaker, name) = (prefix, rest);
        return speaker is "DC" or "JE" or "JK" or "KL" ? (speaker, name.TrimEnd("0123456789".ToCharArray()), name) : null;
    }

    /// <summary>TESS (Dupuis and Pichora-Fuller 2010), <c>OAF_back_angry.wav</c>: speaker (OA in one file), word, emotion.</summary>
    private static (string, string, string)? Tess(string path)
    {
        if (Path.GetFileNameWithoutExtension(path).Split('_') is not [var speaker, var word, var label]
            || speaker is not ("OAF" or "OA" or "YAF"))
            return null;
        var emotion = label.ToLowerInvariant();
        return (speaker == "OA" ? "OAF" : speaker, emotion, $"{word}_{emotion}");
    }

    /// <summary>
    /// CREMA-D (Cao et al. 2014), <c>AudioWAV/1001_DFA_ANG_XX.wav</c>: actor 1001 to 1091, sentence, emotion, intensity
    /// (LO, MD, HI, or XX if unspecified; X in the first release of 1040_ITH_SAD).
    /// </summary>
    private static (string, string, string)? CremaD(string path) =>
        Path.GetFileNameWithoutExtension(path).Split('_') is [var actor, var sentence, var emotion,
        ("LO" or "MD" or "HI" or "XX" or "X") and var intensity]
        && int.TryParse(actor, out var number) && number is >= 1001 and <= 1091 && Sentences.Contains(sentence)
            ? (actor, emotion, $"{actor}_{sentence}_{emotion}_{(intensity == "X" ? "XX" : intensity)}")
            : null;

    /// <summary>
    /// CASIA (Institute of Automation, Chinese Academy of Sciences), <c>liuchanhg/angry/201.wav</c>: speaker, emotion, sentence.
    /// </summary>
    private static (string, string, string)? Casia(string path) =>
        path.Split(Path.DirectorySeparatorChar) is
        [.., ("liuchanhg" or "wangzhe" or "zhaoquanyin" or "ZhaoZuoxiang") and var speaker, var emotion, _]
            ? (speaker, emotion, $"{emotion}_{Path.GetFileNameWithoutExtension(path)}") : null;

    /// <summary>EMOVO (Costantini et al. 2014), <c>f1/dis-f1-b1.wav</c>: emotion, speaker, sentence.</summary>
    private static (string, string, string)? Emovo(string path)
    {
        var name = Path.GetFileNameWithoutExtension(path);
        return name.Split('-') is [var emotion, ("f1" or "f2" or "f3" or "m1" or "m2" or "m3") and var speaker, _]
            ? (speaker, emotion, name) : null;
    }

    /// <summary>
    /// ASED (Retta et al. 2023), <c>05Angry/a5-01-02-01-17.wav</c>: emotion, sentence, repetition, session, speaker 01 to 65.
    /// One published name has a capital S.
    /// </summary>
    private static (string, string, string)? Ased(string path)
    {
        var name = Path.GetFileNameWithoutExtension(path).ToLowerInvariant();
        return name.Split('-') is [var emotion, _, _, _, { Length: 2 } speaker] && int.TryParse(speaker, out var number)
            && number is >= 1 and <= 65 ? (speaker, emotion, name) : null;
    }

    /// <summary>TurEV-DB (Canpolat et al. 2020), <c>Angry/1157_kz_acik.wav</c>: speaker, emotion, word.</summary>
    private static (string, string, string)? TurEV(string path)
    {
        var name = Path.GetFileNameWithoutExtension(path);
        return name.Split('_') is [("1157" or "1234" or "1358" or "1984" or "6783" or "7895") and var speaker, var emotion, _]
            ? (speaker, emotion, name) : null;
    }

    /// <summary>
    /// Indian EmoSpeech, <c>help-safe-angry-1563215747896-4292….wav</c>: word, situation, emotion, time in milliseconds, and a hash of
    /// the speaker's account.
    /// </summary>
    private static (string, string, string)? Indian(string path) =>
        Path.GetFileNameWithoutExtension(path).Split('-') is [var word, var situation, var emotion, var time, { Length: 56 } speaker]
            ? (speaker, emotion, $"{word}-{situation}-{emotion}-{time}") : null;
}
