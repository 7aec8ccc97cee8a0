namespace Affect.UnitTests.Hosting;

/// <summary>A Markdown document of the repository, copied beside the tests.</summary>
internal static class Document
{
    /// <summary>The rows, as cells, of every table whose first column has the given heading.</summary>
    /// <param name="path">Relative to the root of the repository.</param>
    /// <param name="heading">Heading of the first column.</param>
    public static IEnumerable<string[]> Rows(string path, string heading)
    {
        var inside = false;
        foreach (var line in File.ReadLines(Path.Combine(AppContext.BaseDirectory, "docs", path)))
        {
            var cells = line.StartsWith('|') ? [.. line.Trim('|', ' ').Split('|').Select(cell => cell.Trim())] : (string[])[];
            inside = cells.Length > 0 && (inside || cells[0] == heading);
            if (inside && cells[0] != heading && !cells[0].StartsWith("--", StringComparison.Ordinal))
                yield return cells;
        }
    }
}
