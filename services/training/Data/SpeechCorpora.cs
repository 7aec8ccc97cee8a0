using Affect.Emotions;

namespace Affect.Training.Data;

/// <summary>A file of a speech corpus and what its name says. The id is corpus/speaker/name, in whatever folders the file lay.</summary>
internal sealed record SpeechFile(string Path, string Id, Emotion Emotion);

/// <summary>
/// The speech corpora in their published layouts and file names, and the one map from their labels to the
/// seven. Files lie anywhere under <c>ravdess/</c>, <c>savee/</c> and <c>tess/</c> of the data folder.
/// </summary>
internal static class SpeechCorpora
{
    /// <summary>A corpus: its folder, and how to read a file's name (null: not one of its clips).</summary>
    private static readonly (string Folder, Func<string, SpeechFile?> Read)[] All =
        [("ravdess", Ravdess), ("savee", Savee), ("tess", Tess)];

    /// <summary>All clips of all corpora, in the order of their ids; names that say nothing are reported.</summary>
    /// <exception cref="DirectoryNotFoundException">A corpus is missing.</exception>
    public static List<SpeechFile> Find(string data, Report report)
    {
        var files = new List<SpeechFile>();
        foreach (var (folder, read) in All)
        {
            var path = Path.Combine(data, folder);
            if (!Directory.Exists(path))
                throw new DirectoryNotFoundException($"no folder {path}: the speech models are trained on {string.Join(", ", All.Select(corpus => corpus.Folder))}");
            foreach (var file in Directory.EnumerateFiles(path, "*.wav", SearchOption.AllDirectories))
                if (read(file) is { } clip)
                    files.Add(clip);
                else
                    report.Skip(file, "name is not one of the corpus");
        }
        return [.. files.OrderBy(file => file.Id, StringComparer.Ordinal).ThenBy(file => file.Path, StringComparer.Ordinal)];
    }

    /// <summary>
    /// RAVDESS (Livingstone and Russo 2018), <c>03-01-06-01-02-01-12.wav</c>: modality, channel, emotion, intensity,
    /// statement, repetition, actor. Speech (channel 01) alone; songs are left out. Calm counts as neutral: it
    /// was recorded as a second baseline, and listeners take one for the other.
    /// </summary>
    private static SpeechFile? Ravdess(string path)
    {
        var name = Path.GetFileNameWithoutExtension(path);
        var parts = name.Split('-');
        if (parts.Length != 7 || parts[0] != "03" || parts[1] != "01")
            return null;
        Emotion? emotion = parts[2] switch
        {
            "01" or "02" => Emotion.Neutral,
            "03" => Emotion.Happy,
            "04" => Emotion.Sad,
            "05" => Emotion.Angry,
            "06" => Emotion.Fear,
            "07" => Emotion.Disgust,
            "08" => Emotion.Surprise,
            _ => null,
        };
        return emotion is { } known ? new(path, $"ravdess/{parts[6]}/{name}", known) : null;
    }

    /// <summary>
    /// SAVEE (Haq and Jackson 2009), <c>DC/a01.wav</c> as published, <c>DC_a01.wav</c> as often passed on:
    /// speaker, emotion by one or two letters, number of the sentence.
    /// </summary>
    private static SpeechFile? Savee(string path)
    {
        var name = Path.GetFileNameWithoutExtension(path);
        var speaker = Path.GetFileName(Path.GetDirectoryName(path))!;
        if (name.Split('_') is [var prefix, var rest])
            (speaker, name) = (prefix, rest);
        if (speaker is not ("DC" or "JE" or "JK" or "KL"))
            return null;
        Emotion? emotion = name.TrimEnd("0123456789".ToCharArray()) switch
        {
            "a" => Emotion.Angry,
            "d" => Emotion.Disgust,
            "f" => Emotion.Fear,
            "h" => Emotion.Happy,
            "n" => Emotion.Neutral,
            "sa" => Emotion.Sad,
            "su" => Emotion.Surprise,
            _ => null,
        };
        return emotion is { } known ? new(path, $"savee/{speaker}/{name}", known) : null;
    }

    /// <summary>
    /// TESS (Dupuis and Pichora-Fuller 2010), <c>OAF_back_angry.wav</c>: speaker (one file says OA), word,
    /// emotion; <c>ps</c> is pleasant surprise.
    /// </summary>
    private static SpeechFile? Tess(string path)
    {
        var name = Path.GetFileNameWithoutExtension(path);
        var parts = name.Split('_');
        if (parts.Length != 3 || parts[0] is not ("OAF" or "OA" or "YAF"))
            return null;
        Emotion? emotion = parts[2].ToLowerInvariant() switch
        {
            "angry" => Emotion.Angry,
            "disgust" => Emotion.Disgust,
            "fear" => Emotion.Fear,
            "happy" => Emotion.Happy,
            "neutral" => Emotion.Neutral,
            "sad" => Emotion.Sad,
            "ps" => Emotion.Surprise,
            _ => null,
        };
        return emotion is { } known ? new(path, $"tess/{(parts[0] == "OA" ? "OAF" : parts[0])}/{parts[1]}_{parts[2].ToLowerInvariant()}", known) : null;
    }
}
