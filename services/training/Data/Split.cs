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

    /// <summary>The samples that the split names one by one.</summary>
    public IEnumerable<string> Ids => _parts.Keys.Where(id => !id.EndsWith('/'));

    /// <summary>Reads a split.</summary>
    /// <exception cref="InvalidDataException">A line is not understood, or an id is there twice.</exception>
    public static Split Read(string path)
    {
        var lines = File.ReadAllLines(path);
        if (lines is not [['#', .. var protocol], ..])
            throw new InvalidDataException($"{path}: the first line must be # and the name of the protocol");
        var split = new Split(protocol.Trim());
        foreach (var line in lines.Where(line => line.Length > 0 && line[0] != '#'))
        {
            if (line.Split('\t') is not [var name, var id] || !Enum.TryParse<Part>(name, ignoreCase: true, out var part))
                throw new InvalidDataException($"{path}: '{line}' is not part, tab, id");
            if (!split._parts.TryAdd(id, part))
                throw new InvalidDataException($"{path}: '{id}' is there twice");
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
    /// validate. Groups and ids are drawn in their order, so that a seed says it all.
    /// </summary>
    /// <param name="path">The file; its folder is made.</param>
    /// <param name="protocol">What the split is called in reports.</param>
    /// <param name="samples">What is drawn.</param>
    /// <param name="seed">Of the generator.</param>
    /// <param name="others">A split whose lines are taken over.</param>
    public static void WriteRandom(string path, string protocol, IEnumerable<(string Id, string Group)> samples, int seed, Split? others = null)
    {
        var random = new Random(seed);
        var parts = others is null ? [] : others._parts.Select(line => (Id: line.Key, Part: line.Value)).ToList();
        foreach (var group in samples.GroupBy(sample => sample.Group).OrderBy(group => group.Key, StringComparer.Ordinal))
        {
            var ids = group.Select(sample => sample.Id).Order(StringComparer.Ordinal).ToArray();
            random.Shuffle(ids);
            var test = (int)Math.Round(ids.Length * 0.2);
            var validation = (int)Math.Round((ids.Length - test) * 0.1);
            parts.AddRange(ids.Select((id, i) => (id, i < test ? Part.Test : i < test + validation ? Part.Validation : Part.Train)));
        }
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        File.WriteAllLines(path, parts.OrderBy(line => line.Id, StringComparer.Ordinal)
            .Select(line => $"{line.Part.ToString().ToLowerInvariant()}\t{line.Id}").Prepend($"# {protocol}"));
    }
}
