namespace Affect.Training.Data;

/// <summary>Part of a data set.</summary>
internal enum Part
{
    Train,
    Validation,
    Test,
}

/// <summary>
/// Assignment of samples to parts, read from lines of part, tab, id. An id with a trailing slash is a prefix; full ids take
/// precedence over prefixes, longer prefixes over shorter ones. Lines with a leading # are comments; the first line is the name
/// of the protocol.
/// </summary>
internal sealed class Split
{
    private readonly Dictionary<string, Part> _parts = new(StringComparer.Ordinal);

    private Split(string protocol) => Protocol = protocol;

    /// <summary>Name of the protocol in reports.</summary>
    public string Protocol { get; }

    /// <summary>The full ids.</summary>
    public IEnumerable<string> Ids => _parts.Keys.Where(id => !id.EndsWith('/'));

    /// <summary>The prefixes.</summary>
    public IEnumerable<string> Prefixes => _parts.Keys.Where(id => id.EndsWith('/'));

    /// <summary>The folders of the corpora.</summary>
    public IReadOnlySet<string> Corpora => _parts.Keys.Select(id => id.Split('/')[0]).ToHashSet();

    /// <summary>Reads a split.</summary>
    /// <exception cref="InvalidDataException">A line is invalid or an id is duplicated.</exception>
    public static Split Read(string path)
    {
        var lines = File.ReadAllLines(path);
        if (lines is not [['#', .. var protocol], ..])
            throw new InvalidDataException($"{path}: the first line must be # followed by the name of the protocol");
        var split = new Split(protocol.Trim());
        foreach (var line in lines.Where(line => line.Length > 0 && line[0] != '#'))
        {
            if (line.Split('\t') is not [var name, var id] || !Enum.TryParse<Part>(name, ignoreCase: true, out var part))
                throw new InvalidDataException($"{path}: '{line}' must be part, tab, id");
            if (!split._parts.TryAdd(id, part))
                throw new InvalidDataException($"{path}: '{id}' is duplicated");
        }
        return split;
    }

    /// <summary>The part of a sample; null if the split does not contain it.</summary>
    public Part? PartOf(string id)
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
    /// Writes a random stratified split: a fifth of each group (corpus and emotion) for test and a tenth of the rest for
    /// validation. Groups and ids are sorted first, so that the result depends only on the seed.
    /// </summary>
    /// <param name="path">Path of the file; its folder is created.</param>
    /// <param name="protocol">Name of the protocol in reports.</param>
    /// <param name="samples">The samples.</param>
    /// <param name="seed">Random seed.</param>
    /// <param name="existing">A split whose lines are copied.</param>
    public static void WriteRandom(
        string path, string protocol, IEnumerable<(string Id, string Group)> samples, int seed, Split? existing = null)
    {
        var random = new Random(seed);
        var parts = existing is null ? [] : existing._parts.Select(line => (Id: line.Key, Part: line.Value)).ToList();
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
