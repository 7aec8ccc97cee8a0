namespace Affect.Training.Data;

/// <summary>Which part of a data set a sample belongs to.</summary>
internal enum Part
{
    Train,
    Validation,
    Test,
}

/// <summary>
/// A committed file that says which sample is in which part: lines of part, tab, id. An id that ends in a
/// slash stands for all that begins with it; a full id comes before these, the longest prefix before
/// shorter ones. Lines that start with # are comments, the first of them the protocol's name.
/// </summary>
internal sealed class Split
{
    private readonly Dictionary<string, Part> _parts = new(StringComparer.Ordinal);

    private Split(string protocol) => Protocol = protocol;

    /// <summary>What the split is called in reports.</summary>
    public string Protocol { get; }

    /// <summary>Reads a split.</summary>
    /// <exception cref="InvalidDataException">A line is not understood.</exception>
    public static Split Read(string path)
    {
        var lines = File.ReadAllLines(path);
        var split = new Split(lines[0].TrimStart('#', ' '));
        foreach (var line in lines.Where(line => line.Length > 0 && line[0] != '#'))
        {
            if (line.Split('\t') is not [var name, var id] || !Enum.TryParse<Part>(name, ignoreCase: true, out var part))
                throw new InvalidDataException($"{path}: '{line}' is not part, tab, id");
            split._parts[id] = part;
        }
        return split;
    }

    /// <summary>The part of a sample; null where the split leaves it out.</summary>
    public Part? Of(string id)
    {
        for (var key = id; ;)
        {
            if (_parts.TryGetValue(key, out var part))
                return part;
            var slash = key.TrimEnd('/').LastIndexOf('/');
            if (slash < 0)
                return null;
            key = key[..(slash + 1)];
        }
    }

    /// <summary>
    /// Writes a random split: of each group (corpus and emotion) a fifth to test, and a tenth of the rest to
    /// validate.
    /// </summary>
    public static void WriteRandom(string path, string protocol, IEnumerable<(string Id, string Group)> samples, int seed)
    {
        var random = new Random(seed);
        var lines = new List<string>();
        foreach (var group in samples.GroupBy(sample => sample.Group).OrderBy(group => group.Key, StringComparer.Ordinal))
        {
            var ids = group.Select(sample => sample.Id).Order(StringComparer.Ordinal).ToArray();
            random.Shuffle(ids);
            var test = (int)Math.Round(ids.Length * 0.2);
            var validation = (int)Math.Round((ids.Length - test) * 0.1);
            lines.AddRange(ids.Select((id, i) => $"{id}\t{(i < test ? "test" : i < test + validation ? "validation" : "train")}"));
        }
        File.WriteAllLines(path, lines.Order(StringComparer.Ordinal).Select(line => line.Split('\t') is [var id, var part] ? $"{part}\t{id}" : line).Prepend($"# {protocol}"));
    }
}
