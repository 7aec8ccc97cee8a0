using System.ComponentModel.DataAnnotations;
using Affect.Emotions;
using Affect.Fusion.V1;
using Affect.Hosting;
using Affect.V1;
using Emotion = Affect.Emotions.Emotion;

namespace Affect.Fusion.Timeline;

/// <summary>
/// When a call is worth somebody's attention: section <c>Fusion:Alerts:&lt;name&gt;</c>. A rule looks at the smoothed score of
/// one emotion, or at how far it has risen above its lowest of a time span.
/// </summary>
public sealed class AlertRule
{
    /// <summary>Evidence beyond this many windows is thinned out from its oldest.</summary>
    internal const int MaxEvidence = 60;

    /// <summary>Longest span that is looked back over.</summary>
    private const int MaxSpan = 600;

    /// <summary>False turns a rule off, also one that is there by default.</summary>
    public bool Enabled { get; set; } = true;

    /// <summary>Name of the emotion, in lower case.</summary>
    [Required]
    public string Emotion { get; set; } = "";

    /// <summary>Raised once the value is at least this, [0, 1].</summary>
    [Range(0.0, 1.0)]
    public float Above { get; set; } = 0.6f;

    /// <summary>… for so long.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "00:10:00")]
    public TimeSpan For { get; set; }

    /// <summary>Cleared once the value falls below this, so that a value about <see cref="Above"/> does not raise it again and again.</summary>
    [Range(0.0, 1.0)]
    public float ClearBelow { get; set; } = 0.4f;

    /// <summary>Where set, the value is the rise over the lowest score of so long; where not, the score itself.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:10:00")]
    public TimeSpan? Within { get; set; }

    internal Emotion Watched => (Emotion)EmotionLabels.Names.ToList().IndexOf(Emotion);

    /// <summary>Takes one more window; returns the alert that it raises or clears, or null.</summary>
    /// <param name="name">Of the rule.</param>
    /// <param name="state">Of the rule on this channel.</param>
    /// <param name="window">With <see cref="StreamWindow.Smoothed"/>.</param>
    internal Alert? Take(string name, AlertRuleState state, StreamWindow window)
    {
        var score = window.Smoothed.Scores.ToDomain()[Watched];
        var here = new AlertEvidence { Start = window.Start, End = window.End, Score = score };
        var value = score;
        AlertEvidence? lowest = null;
        if (Within is { } span)
        {
            var from = window.End.ToTimeSpan() - span;
            while (state.Span.Count > 0 && (state.Span[0].End.ToTimeSpan() < from || state.Span.Count >= MaxSpan))
                state.Span.RemoveAt(0);
            state.Span.Add(here);
            lowest = state.Span.MinBy(seen => seen.Score)!;
            value -= lowest.Score;
        }

        if (state.Raised)
        {
            if (value >= ClearBelow)
                return null;
            state.Raised = false;
            state.Run.Clear();
            return Alert(AlertState.Cleared, [here]);
        }

        if (value < Above)
        {
            state.Run.Clear();
            return null;
        }
        state.Run.Add(here);
        if (state.Run.Count > MaxEvidence)
            state.Run.RemoveAt(1);
        // Windows overlap: the time for which a value holds is that between their ends.
        if (window.End.ToTimeSpan() - state.Run[0].End.ToTimeSpan() < For)
            return null;
        state.Raised = true;
        var evidence = lowest is null || lowest.End.ToTimeSpan() >= state.Run[0].End.ToTimeSpan() ? [] : (AlertEvidence[])[lowest];
        var alert = Alert(AlertState.Raised, [.. evidence, .. state.Run]);
        state.Run.Clear();
        return alert;

        Alert Alert(AlertState becomes, IEnumerable<AlertEvidence> because) => new()
        {
            Rule = name,
            Channel = window.Channel,
            State = becomes,
            Time = window.End,
            Emotion = Watched.ToProto(),
            Evidence = { because },
        };
    }
}
