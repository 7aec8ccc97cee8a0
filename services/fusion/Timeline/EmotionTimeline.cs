using Affect.Emotions;
using Affect.Fusion.Pooling;
using Affect.Fusion.V1;
using Affect.Hosting;
using Affect.V1;
using Google.Protobuf.Collections;
using Google.Protobuf.WellKnownTypes;
using EmotionScores = Affect.Emotions.EmotionScores;
using Outcome = Affect.V1.Outcome;

namespace Affect.Fusion.Timeline;

/// <summary>
/// The emotion of one channel over time: smooths windows, evaluates alert rules, and accumulates the summary in bounded
/// memory. Its whole state is in <see cref="TimelineState"/>.
/// </summary>
internal sealed class EmotionTimeline(TimelineState state, FusionOptions options, TimeSpan length, TimeSpan hop)
{
    /// <summary>Largest number of stretches of the arc; beyond it, adjacent stretches are merged.</summary>
    public const int MaxStretches = 120;

    private readonly EmotionScores _prior = options.PriorScores;

    /// <summary>Appends a window, sets its smoothed judgement, and returns the alerts that it raised or cleared.</summary>
    public IReadOnlyList<Alert> Append(StreamWindow window)
    {
        var end = Microseconds(window.End.ToTimeSpan());
        var elapsed = TimeSpan.FromMicroseconds(end - state.Time);
        var novelty = state.Windows == 0 ? 1 : Math.Clamp(elapsed / length, 0.01, 1);
        var belief = state.Belief.Count == 0
            ? _prior
            : ForwardFilter.Predict(EmotionScores.FromWeights([.. state.Belief]), _prior, elapsed, options.Dwell);
        var fused = window.Fused.Judgement;
        var scored = fused.Scores is not null;
        if (scored)
            belief = ForwardFilter.Update(belief, _prior, fused.Scores!.ToDomain(), novelty);

        state.Time = end;
        state.Windows++;
        if (scored)
            state.Scored++;
        else if (fused.Outcome == Outcome.Unavailable)
            state.Lost++;
        else
            state.Empty++;
        state.Belief.Clear();
        for (var i = 0; i < EmotionLabels.Count; i++)
            state.Belief.Add(belief[i]);

        window.Smoothed = Judgements.Create(belief, options.AbstainBelow);
        Accumulate(belief, window, scored);
        return [.. options.Alerts
            .Where(rule => rule.Value.Enabled)
            .OrderBy(rule => rule.Key, StringComparer.Ordinal)
            .Select(rule => rule.Value.Evaluate(rule.Key, Rule(rule.Key), window))
            .OfType<Alert>()];
    }

    /// <summary>Summarizes the call so far.</summary>
    public EmotionSummary Summarize(Outcome empty)
    {
        var summary = new EmotionSummary
        {
            Judgement = state.Scored > 0
                ? Judgements.Create(EmotionScores.FromWeights([.. state.Sum.Select(value => (float)value)]), options.AbstainBelow)
                : new() { Outcome = state.Lost > 0 ? Outcome.Unavailable : empty },
            Windows = state.Windows,
            Scored = state.Scored,
            Empty = state.Empty,
            Lost = state.Lost,
        };
        summary.Peaks.Add(state.Peaks.OrderByDescending(peak => peak.Score));
        for (var i = 0; i < state.Arc.Count; i++)
        {
            var part = state.Arc[i];
            summary.Arc.Add(new ArcPoint
            {
                Start = Time(i * state.Stretch),
                End = Time(Math.Min((i + 1) * state.Stretch, state.Time)),
                Scores = part.Count == 0 ? null : EmotionScores.FromWeights([.. part.Sum]).ToProto(),
            });
        }
        return summary;
    }

    private void Accumulate(EmotionScores belief, StreamWindow window, bool scored)
    {
        if (state.Stretch == 0)
            state.Stretch = Microseconds(hop);
        // A window belongs to the stretch that contains its end.
        var index = (int)((state.Time - 1) / state.Stretch);
        while (index >= MaxStretches)
        {
            MergeStretches();
            index = (int)((state.Time - 1) / state.Stretch);
        }
        while (state.Arc.Count <= index)
            state.Arc.Add(new StretchState());
        if (!scored)
            return;

        var stretch = state.Arc[index];
        stretch.Count++;
        Add(stretch.Sum, belief);
        while (state.Sum.Count < EmotionLabels.Count)
            state.Sum.Add(0);
        for (var i = 0; i < EmotionLabels.Count; i++)
            state.Sum[i] += belief[i];

        var best = belief.Best.ToProto();
        var peak = state.Peaks.FirstOrDefault(known => known.Emotion == best);
        if (peak is null)
            state.Peaks.Add(peak = new Peak { Emotion = best });
        if (belief.Confidence > peak.Score)
            (peak.Score, peak.Time) = (belief.Confidence, window.End);
    }

    /// <summary>Merges each pair of adjacent stretches.</summary>
    private void MergeStretches()
    {
        state.Stretch *= 2;
        for (var i = 0; i < state.Arc.Count / 2; i++)
        {
            var (first, second) = (state.Arc[2 * i], state.Arc[(2 * i) + 1]);
            if (second.Count > 0)
                Add(first.Sum, [.. second.Sum]);
            first.Count += second.Count;
            state.Arc[i] = first;
        }
        if (state.Arc.Count % 2 == 1)
            state.Arc[state.Arc.Count / 2] = state.Arc[^1];
        var left = (state.Arc.Count + 1) / 2;
        while (state.Arc.Count > left)
            state.Arc.RemoveAt(state.Arc.Count - 1);
    }

    private AlertRuleState Rule(string name)
    {
        if (!state.Alerts.TryGetValue(name, out var rule))
            state.Alerts[name] = rule = new AlertRuleState();
        return rule;
    }

    private static void Add(RepeatedField<float> sum, ReadOnlySpan<float> scores)
    {
        for (var i = 0; i < scores.Length; i++)
            if (sum.Count <= i)
                sum.Add(scores[i]);
            else
                sum[i] += scores[i];
    }

    private static long Microseconds(TimeSpan time) => (long)time.TotalMicroseconds;

    private static Duration Time(long microseconds) => Duration.FromTimeSpan(TimeSpan.FromMicroseconds(microseconds));
}
