namespace Affect.Training.Data;

/// <summary>What was found while reading corpora: how much was read, and what was skipped or mended, and why.</summary>
internal sealed class Report
{
    private readonly SortedDictionary<string, List<string>> _lines = new(StringComparer.Ordinal);

    /// <summary>Counts a file or row that was left out.</summary>
    public void Skip(string what, string why) => Note($"skipped, {why}", what);

    /// <summary>Counts a file or row that is unusual and was read all the same.</summary>
    public void Note(string kind, string what)
    {
        lock (_lines)
        {
            if (!_lines.TryGetValue(kind, out var list))
                _lines[kind] = list = [];
            list.Add(what);
        }
    }

    /// <summary>Takes over all of another report.</summary>
    public void Add(Report other)
    {
        foreach (var (kind, what) in other.Entries)
            Note(kind, what);
    }

    /// <summary>Every count's kind and file or row.</summary>
    public IEnumerable<(string Kind, string What)> Entries
    {
        get
        {
            lock (_lines)
                return [.. _lines.SelectMany(line => line.Value.Select(what => (line.Key, what)))];
        }
    }

    /// <summary>One line for each kind: what, how many, and the first few.</summary>
    public IEnumerable<string> Lines
    {
        get
        {
            lock (_lines)
                return [.. _lines.Select(line =>
                    $"{line.Key}: {line.Value.Count} ({string.Join(", ", line.Value.Order(StringComparer.Ordinal).Take(3).Select(Path.GetFileName))}{(line.Value.Count > 3 ? ", …" : "")})")];
        }
    }

    /// <summary>Writes every entry: kind, tab, file or row.</summary>
    public void Write(string path) => File.WriteAllLines(path, Entries.Select(entry => $"{entry.Kind}\t{entry.What}"));

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    public static Report Read(string path)
    {
        var report = new Report();
        foreach (var line in File.ReadLines(path))
            if (line.Split('\t', 2) is [var kind, var what])
                report.Note(kind, what);
        return report;
    }
}
