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
    private static readonly Emotion[] Labels =
        [Emotion.Angry, Emotion.Disgust, Emotion.Fear, Emotion.Happy, Emotion.Sad, Emotion.Surprise, Emotion.Neutral];

    /// <summary>Reads the table, in parts; rows that cannot be read are counted in the report.</summary>
    /// <exception cref="FileNotFoundException">The table is missing.</exception>
    public static DataSet Read(string path, Split split, Report report)
    {
        if (!File.Exists(path))
            throw new FileNotFoundException($"no file {path}: the face models are trained on it", path);
        var parts = Enum.GetValues<Part>().ToDictionary(part => part, _ => (Pictures: new List<byte[]>(), Labels: new List<Emotion>()));
        var row = 0;
        foreach (var line in File.ReadLines(path).Skip(1))
        {
            row++;
            var fields = line.Split(',');
            if (fields.Length != 3 || !int.TryParse(fields[0], out var label) || label < 0 || label >= Labels.Length ||
                Picture(fields[1]) is not { } picture || split.Of($"fer2013/{fields[2].Trim()}/{row}") is not { } part)
            {
                report.Skip($"row {row}", "unreadable");
                continue;
            }
            parts[part].Pictures.Add(picture);
            parts[part].Labels.Add(Labels[label]);
            report.Note($"read, fer2013 {part.ToString().ToLowerInvariant()}", $"row {row}");
        }
        return new(split.Protocol, "FER2013", Faces(Part.Train), Faces(Part.Validation), Faces(Part.Test));

        Faces Faces(Part part) => new([.. parts[part].Pictures], [.. parts[part].Labels]);
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
