using Affect.Emotions;

namespace Affect.Training.Data;

/// <summary>
/// FER2013 (Goodfellow et al. 2013): <c>fer2013/fer2013.csv</c> with the columns emotion, pixels and Usage,
/// 35,887 faces of 48×48 gray pixels. Official split: Training, PublicTest for validation, PrivateTest for test.
/// </summary>
internal static class Fer2013
{
    /// <summary>Edge of an image in pixels.</summary>
    public const int Edge = 48;

    private const int Pixels = Edge * Edge;

    /// <summary>Emotions by the label numbers of the data set: 0 angry, 1 disgust, 2 fear, 3 happy, 4 sad, 5 surprise, 6 neutral.</summary>
    public static IReadOnlyList<Emotion> Labels { get; } =
        [Emotion.Angry, Emotion.Disgust, Emotion.Fear, Emotion.Happy, Emotion.Sad, Emotion.Surprise, Emotion.Neutral];

    /// <summary>Emotions by the vote columns of FER+, starting with the third; null for contempt, unknown and not a face.</summary>
    private static readonly Emotion?[] VoteColumns =
        [Emotion.Neutral, Emotion.Happy, Emotion.Surprise, Emotion.Sad, Emotion.Angry, Emotion.Disgust, Emotion.Fear, null, null, null];

    /// <summary>Reads the data set; unreadable rows are counted in the report.</summary>
    /// <param name="folder">Folder of <c>fer2013.csv</c> and, with votes, <c>fer2013new.csv</c> of FER+.</param>
    /// <param name="split">The split.</param>
    /// <param name="channels">Number of channels of the model input.</param>
    /// <param name="voteWeight">Weight of the FER+ votes in the target.</param>
    /// <param name="report">Receives the counts of read and skipped rows.</param>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    public static DataSet Read(string folder, Split split, int channels, double voteWeight, CorpusReport report)
    {
        var path = Path.Combine(folder, "fer2013.csv");
        if (!File.Exists(path))
            throw new FileNotFoundException(
                $"{path} not found: the face models are trained on FER2013 " +
                "(kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge)", path);
        var probabilities = voteWeight > 0 ? ReadVotes(Path.Combine(folder, "fer2013new.csv")) : null;
        var parts = Enum.GetValues<Part>().ToDictionary(
            part => part, _ => (Images: new List<byte[]>(), Labels: new List<Emotion>(), Probabilities: new List<float[]?>()));
        var row = 0;
        foreach (var line in File.ReadLines(path).Skip(1))
        {
            row++;
            var fields = line.Split(',');
            if (fields.Length != 3 || !int.TryParse(fields[0], out var label) || label < 0 || label >= Labels.Count ||
                Image(fields[1]) is not { } image || split.PartOf($"fer2013/{fields[2].Trim()}/{row}") is not { } part)
            {
                report.Skip($"row {row}", "unreadable");
                continue;
            }
            parts[part].Images.Add(image);
            parts[part].Labels.Add(Labels[label]);
            parts[part].Probabilities.Add(probabilities?[row - 1]);
            report.Note($"read, fer2013 {part.ToString().ToLowerInvariant()}", $"row {row}");
        }
        return new(split.Protocol, "FER2013", new SoftLabels(Faces(Part.Train), parts[Part.Train].Probabilities, voteWeight),
            Faces(Part.Validation), Faces(Part.Test));

        Faces Faces(Part part) => new([.. parts[part].Images], [.. parts[part].Labels], channels);
    }

    // In the row order of fer2013.csv; null for rows without a vote for one of the seven emotions.
    private static List<float[]?> ReadVotes(string path)
    {
        if (!File.Exists(path))
            throw new FileNotFoundException(
                $"{path} not found: the recipe requires the votes of FER+ (github.com/microsoft/FERPlus)", path);
        return [.. File.ReadLines(path).Skip(1).Select(line =>
        {
            var counts = new float[EmotionLabels.Count];
            var fields = line.Split(',');
            for (var i = 0; i < VoteColumns.Length; i++)
                if (VoteColumns[i] is { } emotion)
                    counts[(int)emotion] += float.Parse(fields[i + 2]);
            var sum = counts.Sum();
            return sum > 0 ? Array.ConvertAll(counts, count => count / sum) : null;
        })];
    }

    private static byte[]? Image(ReadOnlySpan<char> text)
    {
        var image = new byte[Pixels];
        var count = 0;
        foreach (var number in text.Split(' '))
            if (count == Pixels || !byte.TryParse(text[number].Trim('"'), out image[count++]))
                return null;
        return count == Pixels ? image : null;
    }
}
