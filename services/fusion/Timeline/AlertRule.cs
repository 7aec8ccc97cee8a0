using System.ComponentModel.DataAnnotations;
using Affect.Emotions;
using Affect.Fusion.V1;
using Affect.Hosting;
using Affect.V1;
using Emotion = Affect.Emotions.Emotion;

namespace Affect.Fusion.Timeline;

/// <summary>
/// A rule that raises an alert on a call: section <c>Fusion:Alerts:&lt;name&gt;</c>. Its value is the smoothed score of one
/// emotion, or the rise of that score above its minimum within a time span.
/// </summary>
public sealed class AlertRule
{
    /// <summary>Largest number of windows kept as evidence; older ones are dropped.</summary>
    internal const int MaxEvidence = 60;

    /// <summary>Largest number of windows kept for <see cref="Within"/>.</summary>
    internal const int MaxSpan = 600;

    /// <summary>False disables the rule, including a default one.</summary>
    public bool Enabled { get; set; } = true;

    /// <summary>Lowercase name of the emotion.</summary>
    [Required]
    public string Emotion { get; set; } = "";

    /// <summary>The alert is raised once the value is at least this, [0, 1], for <see cref="For"/>.</summary>
    [Range(0.0, 1.0)]
    public float Above { get; set; } = 0.6f;

    /// <summary>Minimum duration before the alert is raised.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "00:10:00")]
    public TimeSpan For { get; set; }

    /// <summary>The alert is cleared once the value falls below this; the hysteresis prevents repeated alerts.</summary>
    [Range(0.0, 1.0)]
    public float ClearBelow { get; set; } = 0.4f;

    /// <summary>If set, the value is the rise above the lowest score of this time span; otherwise the score.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:10:00")]
    public TimeSpan? Within { get; set; }

    internal Emotion Watched => (Emotion)EmotionLabels.Names.ToList().IndexOf(Emotion);

    /// <summary>Evaluates the next window; returns the alert that it raises or clears, or null.</summary>
    /// <param name="name">Name of the rule.</param>
    /// <param name="state">State of the rule on this channel.</param>
    /// <param name="window">The window, with <see cref="StreamWindow.Smoothed"/> set.</param>
    internal Alert? Evaluate(string name, AlertRuleState state, StreamWindow window)
    {
        var score = window.Smoothed.Scores.ToDomain()[Watched];
        var current = new AlertEvidence { Start = window.Start, End = window.End, Score = score };
        var value = score;
        AlertEvidence? lowest = null;
        if (Within is { } span)
        {
            var from = window.End.ToTimeSpan() - span;
            while (state.Span.Count > 0 && (state.Span[0].End.ToTimeSpan() < from || state.Span.Count >= MaxSpan))
                state.Span.RemoveAt(0);
            state.Span.Add(current);
            lowest = state.Span.MinBy(entry => entry.Score)!;
            value -= lowest.Score;
        }

        if (state.Raised)
        {
            if (value >= ClearBelow)
                return null;
            state.Raised = false;
            state.Run.Clear();
            return Alert(AlertState.Cleared, [current]);
        }

        if (value < Above)
        {
            state.Run.Clear();
            return null;
        }
        state.Run.Add(current);
        if (state.Run.Count > MaxEvidence)
            state.Run.RemoveAt(1);
        // Windows overlap: the duration of a value is measured between their ends.
        if (window.End.ToTimeSpan() - state.Run[0].End.ToTimeSpan() < For)
            return null;
        state.Raised = true;
        var evidence = lowest is null || lowest.End.ToTimeSpan() >= state.Run[0].End.ToTimeSpan() ? [] : (AlertEvidence[])[lowest];
        var alert = Alert(AlertState.Raised, [.. evidence, .. state.Run]);
        state.Run.Clear();
        return alert;

        Alert Alert(AlertState newState, IEnumerable<AlertEvidence> windows) => new()
        {
            Rule = name,
            Channel = window.Channel,
            State = newState,
            Time = window.End,
            Emotion = Watched.ToProto(),
            Evidence = { windows },
        };
    }
}
