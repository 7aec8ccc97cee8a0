namespace Affect.Training.Data;

/// <summary>Counts of read, repaired and skipped files and rows of the corpora.</summary>
internal sealed class CorpusReport
{
    private readonly SortedDictionary<string, List<string>> _items = new(StringComparer.Ordinal);

    /// <summary>Counts a skipped file or row.</summary>
    public void Skip(string item, string reason) => Note($"skipped, {reason}", item);

    /// <summary>Counts a file or row that was read, with its kind.</summary>
    public void Note(string kind, string item)
    {
        lock (_items)
        {
            if (!_items.TryGetValue(kind, out var list))
                _items[kind] = list = [];
            list.Add(item);
        }
    }

    /// <summary>Adds the entries of another report.</summary>
    public void Add(CorpusReport other)
    {
        foreach (var (kind, item) in other.Entries)
            Note(kind, item);
    }

    /// <summary>The kind and the file or row of each entry.</summary>
    public IEnumerable<(string Kind, string Item)> Entries
    {
        get
        {
            lock (_items)
                return [.. _items.SelectMany(kind => kind.Value.Select(item => (kind.Key, item)))];
        }
    }

    /// <summary>One line per kind: the kind, the count and the first three items.</summary>
    public IEnumerable<string> Lines
    {
        get
        {
            lock (_items)
                return [.. _items.Select(kind => Line(kind.Key, kind.Value))];
        }
    }

    private static string Line(string kind, List<string> items)
    {
        var first = items.Order(StringComparer.Ordinal).Take(3).Select(Path.GetFileName);
        return $"{kind}: {items.Count} ({string.Join(", ", first)}{(items.Count > 3 ? ", …" : "")})";
    }

    /// <summary>Writes the entries as lines of kind, tab, file or row.</summary>
    public void Write(string path) => File.WriteAllLines(path, Entries.Select(entry => $"{entry.Kind}\t{entry.Item}"));

    /// <summary>Reads a report written by <see cref="Write"/>.</summary>
    public static CorpusReport Read(string path)
    {
        var report = new CorpusReport();
        foreach (var line in File.ReadLines(path))
            if (line.Split('\t', 2) is [var kind, var item])
                report.Note(kind, item);
        return report;
    }
}
