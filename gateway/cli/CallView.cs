using Affect.Client;
using Affect.Emotions;
using Spectre.Console;
using Spectre.Console.Rendering;
using static Affect.Cli.AnalysisView;

namespace Affect.Cli;

/// <summary>Live view of a call: the current result and last minute of each channel, and alerts.</summary>
/// <param name="name">Name of the file.</param>
internal sealed class CallView(string name)
{
    private const int BarWidth = 30, TimelineWidth = 60, AlertCount = 5;

    private readonly List<CallWindow> _windows = [];
    private readonly List<SpeechActivity> _activities = [];
    private readonly List<Alert> _alerts = [];
    private CallStarted? _started;
    private TimeSpan _now;

    /// <summary>Adds a result.</summary>
    public void Add(CallResult result)
    {
        switch (result)
        {
            case CallStarted started:
                _started = started;
                break;
            case CallWindow window:
                _windows.Add(window);
                Advance(window.End);
                break;
            case SpeechActivity activity:
                _activities.Add(activity);
                Advance(activity.Segment.End);
                break;
            case Alert alert:
                _alerts.Add(alert);
                break;
            case CallSummary summary:
                Advance(summary.Duration);
                break;
        }
    }

    /// <summary>Formats a result as plain text.</summary>
    public IEnumerable<string> Lines(CallResult result)
    {
        switch (result)
        {
            case CallStarted started:
                yield return $"{name}  {started.SessionId}  {Model(started)}";
                yield return started.Notice;
                break;
            case CallWindow window:
                var smoothed = window.Smoothed.Scores is { } scores ? $"  smoothed {scores.Best.Name()} {Percent(scores.Confidence)}" : "";
                yield return $"{Offset(window.Start)} to {Offset(window.End)}  {Channel(window.Channel),-10}  {Answer(window.Fused.Judgement),-26}{smoothed}";
                break;
            case SpeechActivity activity:
                yield return $"{Offset(activity.Segment.Start)} to {Offset(activity.Segment.End)}  {Channel(activity.Channel),-10}  voice";
                break;
            case FrameResult frame:
                yield return $"{Offset(frame.Time)}            frame       {(frame.Image.Faces.Count > 0 ? Answer(frame.Image.Faces[0].Judgement) : Name(frame.Image.Outcome))}";
                break;
            case Alert alert:
                yield return AlertLine(alert);
                break;
        }
    }

    /// <summary>Renders the current state of the call.</summary>
    public IRenderable Render()
    {
        var parts = new List<IRenderable>
        {
            new Markup($"[bold]{Markup.Escape(name)}[/]  {Offset(_now)}  [dim]{Markup.Escape(_started is null ? "" : $"{_started.SessionId}  {Model(_started)}")}[/]"),
        };
        foreach (var (channel, policy) in (_started?.Channels ?? []).Index())
        {
            var newest = _windows.FindLast(window => window.Channel == channel);
            parts.Add(new Markup($"\n[bold]{Channel(channel)}[/]  {(newest is null ? "" : Markup.Escape(Answer(newest.Fused.Judgement)))}"));
            if (policy.Emotion)
            {
                parts.Add(CreateBars(newest?.Smoothed.Scores, Enum.GetValues<Emotion>(), BarWidth));
                parts.Add(Emotions(channel));
            }
            parts.Add(Voice(channel));
        }
        if (_alerts.Count > 0)
            parts.Add(new Markup("\n[bold]Alerts[/]"));
        foreach (var alert in _alerts.TakeLast(AlertCount))
            parts.Add(new Text($"  {AlertLine(alert)}", alert.State == AlertState.Raised ? new Style(Color.Red) : Style.Plain));
        return new Rows(parts);
    }

    /// <summary>Renders the summary.</summary>
    public static IRenderable Summary(CallSummary summary)
    {
        var parts = new List<IRenderable>
        {
            new Markup($"\n[bold]Call[/]  {Offset(summary.Duration)}, overlap {Offset(summary.Overlap)}" +
                (summary.MissingAudio > TimeSpan.Zero ? $", {Offset(summary.MissingAudio)} missing" : "") +
                (summary.SkippedBytes > 0 ? $", {summary.SkippedBytes:N0} bytes skipped" : "") +
                (summary.End == CallEnd.Stalled ? ", ended as stalled" : "")),
        };
        var metrics = new Table().NoBorder();
        foreach (var heading in (string[])["", "voice", "silence", "interrupts", "monologue", "dBFS", "peak", "dB/min"])
            metrics.AddColumn(new TableColumn(new Text(heading, new Style(decoration: Decoration.Dim))).RightAligned().NoWrap());
        var emotions = new Table().NoBorder();
        emotions.AddColumns("", "");
        foreach (var label in EmotionLabels.Names)
            emotions.AddColumn(new TableColumn(new Text(label, new Style(decoration: Decoration.Dim))).RightAligned());
        foreach (var channel in summary.Channels)
        {
            metrics.AddRow(
                channel.Role.ToString().ToLowerInvariant(), Offset(channel.Talk), Offset(channel.Silence), $"{channel.Interruptions}",
                Offset(channel.LongestMonologue),
                channel.Loudness is { } loudness ? $"{loudness.MeanDbfs:0.0}" : "",
                channel.Loudness is { } peak ? $"{peak.PeakDbfs:0.0}" : "",
                channel.Loudness is { } trend ? $"{trend.TrendDbPerMinute:+0.0;-0.0;0.0}" : "");
            if (channel.Emotion is { } emotion)
                emotions.AddRow([
                    channel.Role.ToString().ToLowerInvariant(), Answer(emotion.Judgement),
                    .. Enum.GetValues<Emotion>().Select(label => emotion.Judgement.Scores is { } shares ? Percent(shares[label]) : ""),
                ]);
        }
        parts.Add(metrics);
        if (emotions.Rows.Count > 0)
            parts.Add(emotions);
        foreach (var channel in summary.Channels)
            foreach (var peak in channel.Emotion?.Peaks ?? [])
                parts.Add(new Text($"  {channel.Role.ToString().ToLowerInvariant()} peak {peak.Emotion?.Name()} at {Offset(peak.Time)}, {Percent(peak.Score)}"));
        return new Rows(parts);
    }

    private void Advance(TimeSpan time) => _now = time > _now ? time : _now;

    private string Channel(int channel) => _started is not null && channel < _started.Channels.Count
        ? _started.Channels[channel].Role.ToString().ToLowerInvariant()
        : $"channel {channel}";

    private static string Model(CallStarted started) =>
        string.Join(", ", new[] { started.SpeechModel, started.FaceModel }.OfType<ModelReference>().Select(model => $"{model.Name} {model.Version}"));

    private string AlertLine(Alert alert) =>
        $"{Offset(alert.Time)}            {Channel(alert.Channel),-10}  {alert.Rule} {(alert.State == AlertState.Raised ? "raised" : "cleared")}" +
        (alert.Emotion is { } emotion && alert.Evidence.Count > 0
            ? $": {emotion.Name()} {string.Join(", ", alert.Evidence.Select(evidence => Percent(evidence.Score)))}"
            : "");

    // The last windows, one block each in the color of their emotion.
    private Paragraph Emotions(int channel)
    {
        var line = new Paragraph("  emotion   ");
        foreach (var window in _windows.Where(window => window.Channel == channel).TakeLast(TimelineWidth))
            line.Append(
                window.Fused.Judgement.Scores is null ? "·" : window.Smoothed.Emotion is null ? "▒" : "█",
                new Style(GetColor(window.Smoothed.Emotion ?? Emotion.Neutral)));
        return line;
    }

    // The last minute, one character per second. Speech is reported when it ends.
    private Paragraph Voice(int channel)
    {
        var line = new Paragraph("  voice     ");
        var last = (int)_now.TotalSeconds;
        for (var second = Math.Max(0, last - TimelineWidth + 1); second <= last; second++)
        {
            var (start, end) = (TimeSpan.FromSeconds(second), TimeSpan.FromSeconds(second + 1));
            line.Append(_activities.Exists(activity =>
                activity.Channel == channel && activity.Segment.Start < end && activity.Segment.End > start) ? "▄" : "·");
        }
        return line;
    }
}
