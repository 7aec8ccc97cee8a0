using System.Text;
using System.Text.RegularExpressions;

namespace Affect.UnitTests.Language;

/// <summary>
/// Keeps phrases that read as if translated, comments that open with a relative clause, and British spellings out of the sources:
/// documents, comments, string literals, identifiers, protos, charts and scripts.
/// </summary>
public sealed class ProseTests
{
    /// <summary>Phrases, in any case and also across a line break, and the advice for each.</summary>
    private static readonly (string Pattern, string Advice)[] Phrases =
    [
        (@"(?<!there )is no(?! longer| more than| less than)", "'is not a ...', 'must be ...'"),
        (@"(?<!there )are no(?! longer| more than| less than)", "'are not ...', 'must be ...'"),
        (@"is none of", "'must be A, B or C', 'is not one of'"),
        (@"there is none", "'... is missing', 'if absent'"),
        (@"anew", "'again'"),
        (@"(?:is|are|be|been|was|were) told", "'reported', 'listed', 'printed'"),
        (@"told of", "'reported', 'notified'"),
        (@"and so(?! on)", "'so', 'therefore', a new sentence"),
        (@"that there (?:is|are)", "name the thing: 'the models', not 'the models that there are'"),
        (@"what there is", "name the thing"),
        (@"had better", "'should'"),
        (@"goes on", "'continues'"),
        (@"comes to(?! an end)", "'is', 'amounts to', 'reaches'"),
        (@"so many", "the number, 'this many', 'at most N'"),
        (@"so long(?! as)", "the time, 'this long'"),
        (@"at the (?:most|least)", "'at most', 'at least'"),
        (@"at once", "'concurrently', 'immediately', 'together'"),
        (@"in turn", "'then', 'one after another'"),
        (@"somebody|whoever|nobody", "the role: 'the caller', 'the operator', 'a speaker'"),
        (@"what is", "the noun"),
        (@"of (?:its|their|his) own", "'its own ...', 'a separate ...'"),
        (@"for want of", "'without', 'if ... is missing'"),
        (@"never heard", "'unseen speakers'"),
        (@"is spoken here", "'requires ...'"),
        (@"is nothing for", "'is not valid for'"),
        (@"born again", "'self-distillation'"),
    ];

    /// <summary>British spellings, in any case and also inside identifiers, and the American ones.</summary>
    private static readonly (string Pattern, string Advice)[] Spellings =
    [
        (Word("analys", "e|ed|er|ers|ing"), "analyz-"),
        (Word("(?:author|capital|categor|character|custom|emphas|equal|final|general|initial|local|maxim|memor|minim|modern|normal|optim|organ"
            + "|parallel|quant|random|real|recogn|regular|serial|special|standard|summar|synchron|synthes|token|util|vector|visual)is",
            "e|ed|es|er|ers|ing|ation|ations"), "-iz-"),
        ("artefact", "artifact"),
        ("behaviour", "behavior"),
        (Word("cancell", "ed|ing"), "cancel-"),
        ("catalogue", "catalog"),
        (Word("centr", "e|ed|es"), "center"),
        ("colour", "color"),
        ("defence", "defense"),
        ("favour", "favor"),
        (Word("fulfil", ""), "fulfill"),
        ("grey", "gray"),
        ("honour", "honor"),
        ("labell", "label-"),
        ("learnt", "learned"),
        ("licenc", "licens-"),
        ("modell", "model-"),
        ("neighbour", "neighbor"),
        ("signall", "signal-"),
        ("spelt", "spelled"),
        ("travell", "travel-"),
        ("whilst", "while"),
    ];

    /// <summary>Names that others chose.</summary>
    private static readonly Regex Allowed = new(@"StatusCode\.Cancelled|DefaultCancelled|\bCANCELLED\b");

    private static readonly Regex Phrase = Combine(Phrases.Select(rule => $@"\b(?:{rule.Pattern})\b"));
    private static readonly Regex Spelling = Combine(Spellings.Select(rule => rule.Pattern));

    /// <summary>A comment, XML element, heading, table cell or option text that opens with a relative clause.</summary>
    private static readonly Regex Opening = new(
        @"^\s*(?:///?|#+|\*)\s*(?:What|Who|Whether|From when)\b|<(?:summary|returns|value|param name=""\w+"")>(?:What|Who|Whether|From when)\b"
        + @"|\|\s*(?:[Ww]hat|[Ww]ho|[Ww]hether|[Ff]rom when)\b|Description = \$?""(?:What|Who|Whether|From when)\b",
        RegexOptions.Compiled);

    private static readonly string[] SkippedFolders = ["artifacts", "bin", "dist", "fixtures", "node_modules", "obj", "TestResults"];

    private static readonly string[] Extensions =
        [".cs", ".csproj", ".css", ".html", ".json", ".md", ".mjs", ".props", ".proto", ".sh", ".tpl", ".ts", ".tsx", ".txt", ".yaml", ".yml"];

    [Fact]
    public void Sources_Language_IsPlainAmericanEnglish()
    {
        var root = FindRoot();
        var findings = Files(root)
            .Select(file => Path.GetRelativePath(root, file))
            .SelectMany(file => Check(file, File.ReadAllText(Path.Combine(root, file))))
            .ToList();
        Assert.True(findings.Count == 0, $"{findings.Count} findings{Environment.NewLine}{string.Join(Environment.NewLine, findings)}");
    }

    [Theory]
    [InlineData("// A file that is\n    // no audio.", "a.cs:1: 'is no'")]
    [InlineData("\n/// <summary>Whether it runs.</summary>", "a.cs:2: 'Whether'")]
    [InlineData("| what | when |", "a.cs:1: 'what'")]
    [InlineData("var greyLevel = 1;", "a.cs:1: 'grey'")]
    [InlineData("// Analysed per call.", "a.cs:1: 'Analysed'")]
    public void Check_BadProse_IsReportedWithItsLine(string text, string finding) =>
        Assert.StartsWith(finding, Assert.Single(Check("a.cs", text)));

    [Theory]
    [InlineData("// It is not audio; analysis ends with StatusCode.Cancelled.")]
    [InlineData("// It is no longer needed if there are no samples. And so on, as long as it lasts.")]
    [InlineData("// The noise of analyses; otherwise precise.")]
    public void Check_PlainProse_IsAccepted(string text) => Assert.Empty(Check("a.cs", text));

    private static IEnumerable<string> Check(string file, string text)
    {
        var (prose, starts) = Join(text);
        foreach (Match match in Phrase.Matches(prose))
            yield return Finding(match, Phrases, Line(match.Index));
        foreach (Match match in Spelling.Matches(prose))
            yield return Finding(match, Spellings, Line(match.Index));
        var number = 0;
        foreach (var line in text.Split('\n'))
        {
            number++;
            if (Opening.Match(line) is { Success: true } match)
                yield return $"{file}:{number}: '{match.Value.Split([' ', '>', '|', '"', '/', '#', '*'])[^1]}' opens a comment: begin with the thing, 'True if' or 'Gets a value'";
        }

        string Finding(Match match, (string, string Advice)[] rules, int line)
        {
            var rule = Enumerable.Range(0, rules.Length).First(i => match.Groups[$"r{i}"].Success);
            return $"{file}:{line}: '{match.Value}': write {rules[rule].Advice}";
        }

        int Line(int index) => starts.FindLastIndex(start => start <= index) + 1;
    }

    /// <summary>The text on one line without comment markers, so that a phrase is found across a break, and the offset of each line in it.</summary>
    private static (string Text, List<int> Starts) Join(string text)
    {
        var (joined, starts) = (new StringBuilder(), new List<int>());
        foreach (var line in Allowed.Replace(text, "").Split('\n'))
        {
            starts.Add(joined.Length);
            joined.Append(line.Trim().TrimStart('/', '#', '*').Trim()).Append(' ');
        }
        return (joined.ToString(), starts);
    }

    private static IEnumerable<string> Files(string folder) =>
        Directory.EnumerateFileSystemEntries(folder)
            .Where(entry => !Path.GetFileName(entry).StartsWith('.') && !SkippedFolders.Contains(Path.GetFileName(entry)))
            .SelectMany(entry => Directory.Exists(entry) ? Files(entry) : IsProse(entry) ? [entry] : []);

    private static bool IsProse(string file) => Path.GetFileName(file) switch
    {
        "LICENSE" or "onnx.proto3" or "package-lock.json" or "packages.lock.json" or "ProseTests.cs" => false,
        var name when Path.GetExtension(name) is { Length: > 0 } extension => Extensions.Contains(extension),
        _ => true, // scripts and Dockerfiles
    };

    /// <summary>A stem with one of the endings and no letter behind it, within an identifier as well.</summary>
    private static string Word(string stem, string endings) => $"{stem}(?:{endings})(?-i:(?![a-z]))";

    private static Regex Combine(IEnumerable<string> patterns) =>
        new(string.Join('|', patterns.Select((pattern, i) => $"(?<r{i}>{pattern})")), RegexOptions.IgnoreCase | RegexOptions.CultureInvariant);

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "Affect.slnx")))
                return folder.FullName;
        throw new DirectoryNotFoundException($"Affect.slnx must be in {AppContext.BaseDirectory} or above.");
    }
}
