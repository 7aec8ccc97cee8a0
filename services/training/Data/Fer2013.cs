using Affect.Emotions;

namespace Affect.Training.Data;

/// <summary>
/// FER2013 (Goodfellow et al. 2013): <c>fer2013/fer2013.csv</c> with the columns emotion, pixels and Usage,
/// 35,887 faces of 48×48 grey pixels. The official parts are kept: Training to learn from, PublicTest to
/// validate on, PrivateTest to test on.
/// </summary>
internal static class Fer2013
{
    /// <summary>Edge of a picture in pixels.</summary>
    public const int Edge = 48;

    private const int Pixels = Edge * Edge;

    /// <summary>The data set's own numbers, as emotions: 0 angry, 1 disgust, 2 fear, 3 happy, 4 sad, 5 surprise, 6 neutral.</summary>
    public static IReadOnlyList<Emotion> Labels { get; } =
        [Emotion.Angry, Emotion.Disgust, Emotion.Fear, Emotion.Happy, Emotion.Sad, Emotion.Surprise, Emotion.Neutral];

    /// <summary>The columns of FER+, from the third on; null for contempt, unknown and not a face.</summary>
    private static readonly Emotion?[] Voted =
        [Emotion.Neutral, Emotion.Happy, Emotion.Surprise, Emotion.Sad, Emotion.Angry, Emotion.Disgust, Emotion.Fear, null, null, null];

    /// <summary>Reads the table, in parts; rows that cannot be read are counted in the report.</summary>
    /// <param name="folder">Holds <c>fer2013.csv</c>, and <c>fer2013new.csv</c> of FER+ where its votes are wanted.</param>
    /// <param name="split">Says which row is in which part.</param>
    /// <param name="channels">How often a model wants the one channel.</param>
    /// <param name="votes">Share of the votes in what is learnt.</param>
    /// <param name="report">Counts what was read and what was not.</param>
    /// <exception cref="FileNotFoundException">A table is missing.</exception>
    public static DataSet Read(string folder, Split split, int channels, double votes, Report report)
    {
        var path = Path.Combine(folder, "fer2013.csv");
        if (!File.Exists(path))
            throw new FileNotFoundException($"no file {path}: the face models are trained on FER2013 (kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge)", path);
        var beliefs = votes > 0 ? ReadVotes(Path.Combine(folder, "fer2013new.csv")) : null;
        var parts = Enum.GetValues<Part>().ToDictionary(part => part, _ => (Pictures: new List<byte[]>(), Labels: new List<Emotion>(), Beliefs: new List<float[]?>()));
        var row = 0;
        foreach (var line in File.ReadLines(path).Skip(1))
        {
            row++;
            var fields = line.Split(',');
            if (fields.Length != 3 || !int.TryParse(fields[0], out var label) || label < 0 || label >= Labels.Count ||
                Picture(fields[1]) is not { } picture || split.Of($"fer2013/{fields[2].Trim()}/{row}") is not { } part)
            {
                report.Skip($"row {row}", "unreadable");
                continue;
            }
            parts[part].Pictures.Add(picture);
            parts[part].Labels.Add(Labels[label]);
            parts[part].Beliefs.Add(beliefs?[row - 1]);
            report.Note($"read, fer2013 {part.ToString().ToLowerInvariant()}", $"row {row}");
        }
        return new(split.Protocol, "FER2013", new SoftLabels(Faces(Part.Train), parts[Part.Train].Beliefs, votes), Faces(Part.Validation), Faces(Part.Test));

        Faces Faces(Part part) => new([.. parts[part].Pictures], [.. parts[part].Labels], channels);
    }

    // Row by row as fer2013.csv; null where no vote is for one of the seven.
    private static List<float[]?> ReadVotes(string path)
    {
        if (!File.Exists(path))
            throw new FileNotFoundException($"no file {path}: the model learns from the votes of FER+ (github.com/microsoft/FERPlus)", path);
        return [.. File.ReadLines(path).Skip(1).Select(line =>
        {
            var belief = new float[EmotionLabels.Count];
            var fields = line.Split(',');
            for (var i = 0; i < Voted.Length; i++)
                if (Voted[i] is { } emotion)
                    belief[(int)emotion] += float.Parse(fields[i + 2]);
            var sum = belief.Sum();
            return sum > 0 ? Array.ConvertAll(belief, votes => votes / sum) : null;
        })];
    }

    private static byte[]? Picture(ReadOnlySpan<char> text)
    {
        var picture = new byte[Pixels];
        var count = 0;
        foreach (var number in text.Split(' '))
            if (count == Pixels || !byte.TryParse(text[number].Trim('"'), out picture[count++]))
                return null;
        return count == Pixels ? picture : null;
    }
}
