using Affect.Client;
using Affect.Emotions;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Affect.Cli;

/// <summary>Formats an analysis as tables: each window, each face, the fused result.</summary>
internal static class AnalysisView
{
    private const int BarWidth = 40;

    public static IRenderable Create(Analysis analysis, IReadOnlyList<InputFile> clip)
    {
        var parts = new List<IRenderable> { new Text(string.Join(" + ", clip.Select(file => file.Name)), new Style(decoration: Decoration.Bold)) };
        if (analysis.Speech is { } speech)
            parts.AddRange(CreateSpeech(speech));
        if (analysis.Face is { } face)
            parts.AddRange(CreateFace(face, [.. clip.Where(file => file.IsPicture).Select(file => file.Name)]));
        parts.AddRange(CreateFused(analysis.Fused));
        parts.Add(new Text(analysis.Notice, new Style(decoration: Decoration.Dim)));
        parts.Add(Text.Empty);
        return new Rows(parts);
    }

    private static IEnumerable<IRenderable> CreateSpeech(SpeechResult speech)
    {
        var track = speech.Track is { Count: > 1 } one ? $", audio track {one.Index + 1} of {one.Count}" : "";
        if (speech.Channels.Count <= 1)
        {
            yield return Heading("Voice", speech.Model, $"{speech.Duration.TotalSeconds:0.0} s, {Voice(0)}{track}");
            yield return CreateWindows(speech.Windows, speech.Judgement);
            yield break;
        }
        yield return Heading("Voice", speech.Model, $"{speech.Duration.TotalSeconds:0.0} s, {speech.Channels.Count} channels{track}");
        foreach (var (index, channel) in speech.Channels.Index())
        {
            yield return Heading($"Channel {index + 1}", null, $"{channel.Role.ToString().ToLowerInvariant()}, {Voice(index)}");
            yield return CreateWindows(speech.Windows.Where(window => window.Channel == index), channel.Judgement);
        }

        string Voice(int channel) =>
            $"{speech.Segments.Where(segment => segment.Channel == channel).Sum(segment => (segment.End - segment.Start).TotalSeconds):0.0} s speech";
    }

    private static Table CreateWindows(IEnumerable<SpeechWindow> windows, Judgement all)
    {
        var table = Table();
        foreach (var window in windows)
            Row(table, $"{Offset(window.Start)} to {Offset(window.End)}", window.Judgement);
        Row(table, "all", all);
        return table;
    }

    private static IEnumerable<IRenderable> CreateFace(FaceResult face, IReadOnlyList<string> names)
    {
        yield return Heading("Faces", face.Model, "");
        var table = Table();
        foreach (var (image, name) in face.Images.Zip(names))
        {
            if (names.Count > 1)
                table.AddRow(new Text($"{Path.GetFileName(name)}, {image.Width}×{image.Height}"));
            if (image.Faces.Count == 0)
                table.AddRow(Text.Empty, new Text(Name(image.Outcome)));
            foreach (var found in image.Faces)
                Row(table, $"{found.Box.Width}×{found.Box.Height} at {found.Box.Left},{found.Box.Top}", found.Judgement);
        }
        Row(table, "all", face.Judgement);
        yield return table;
    }

    private static IEnumerable<IRenderable> CreateFused(FusedResult fused)
    {
        var weights = fused is { SpeechWeight: > 0, FaceWeight: > 0 }
            ? $"voice {fused.SpeechWeight:0.00}, faces {fused.FaceWeight:0.00}"
            : "";
        yield return Heading("Result", null, weights);
        yield return new Markup($"  [bold]{Markup.Escape(Answer(fused.Judgement))}[/]");
        if (fused.Judgement.Scores is not { } scores)
            yield break;
        yield return CreateBars(scores, Enum.GetValues<Emotion>().OrderByDescending(emotion => scores[emotion]), BarWidth);
    }

    /// <summary>One bar per emotion; empty bars without scores.</summary>
    public static Grid CreateBars(EmotionScores? scores, IEnumerable<Emotion> emotions, int width)
    {
        var bars = new Grid().AddColumns(new GridColumn().PadLeft(2), new GridColumn().PadLeft(1), new GridColumn().PadLeft(1).RightAligned());
        foreach (var emotion in emotions)
        {
            var score = scores?[emotion] ?? 0;
            bars.AddRow(
                new Text(emotion.Name()),
                new Text(new string('█', (int)Math.Round(score * width)).PadRight(width), new Style(GetColor(emotion))),
                new Text(Percent(score)));
        }
        return bars;
    }

    private static Markup Heading(string title, ModelReference? model, string note) =>
        new($"\n[bold]{title}[/]  [dim]{Markup.Escape(string.Join(", ", new[] { model is null ? "" : $"{model.Name} {model.Version}", note }.Where(part => part.Length > 0)))}[/]");

    // Columns: window or face, answer, seven scores.
    private static Table Table()
    {
        var table = new Table().NoBorder();
        table.AddColumn(new TableColumn("").PadLeft(2).PadRight(2));
        table.AddColumn(new TableColumn("").PadRight(2));
        foreach (var name in EmotionLabels.Names)
            table.AddColumn(new TableColumn(new Text(name, new Style(decoration: Decoration.Dim))).RightAligned().PadLeft(0).PadRight(1));
        return table;
    }

    private static void Row(Table table, string label, Judgement judgement)
    {
        var cells = new List<IRenderable> { new Text(label), new Text(Answer(judgement), AnswerStyle(judgement)) };
        if (judgement.Scores is { } scores)
            cells.AddRange(Enum.GetValues<Emotion>().Select(emotion => new Text(
                Percent(scores[emotion]),
                emotion == scores.Best ? new Style(GetColor(emotion), decoration: Decoration.Bold) : Style.Plain)));
        table.AddRow(cells);
    }

    public static string Answer(Judgement judgement) => judgement switch
    {
        { Emotion: { } emotion } => $"{emotion.Name()} {Percent(judgement.Confidence)}",
        { Scores: { } scores } => $"{Name(judgement.Outcome)} ({scores.Best.Name()} {Percent(judgement.Confidence)})",
        _ => Name(judgement.Outcome),
    };

    private static Style AnswerStyle(Judgement judgement) =>
        judgement.Emotion is { } emotion ? new Style(GetColor(emotion)) : new Style(decoration: Decoration.Dim);

    public static string Name(Outcome outcome) => outcome switch
    {
        Outcome.Ok => "ok",
        Outcome.NoSpeech => "no speech",
        Outcome.TooShort => "too short",
        Outcome.NoFace => "no face",
        Outcome.Uncertain => "uncertain",
        Outcome.NotPermitted => "not permitted",
        _ => "unavailable",
    };

    public static string Percent(float share) => $"{share * 100:0} %";

    public static string Offset(TimeSpan offset) => $"{(int)offset.TotalMinutes}:{offset.Seconds:00}.{offset.Milliseconds / 100}";

    public static Color GetColor(Emotion emotion) => emotion switch
    {
        Emotion.Happy => Color.Yellow,
        Emotion.Sad => Color.Blue,
        Emotion.Angry => Color.Red,
        Emotion.Fear => Color.Magenta1,
        Emotion.Disgust => Color.Green,
        Emotion.Surprise => Color.Aqua,
        _ => Color.FromInt32(8), // gray
    };
}
