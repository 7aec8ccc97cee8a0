using Affect.Audio;
using Affect.Emotions;
using Affect.Fusion.Timeline;
using Affect.Fusion.V1;

namespace Affect.Fusion.Calls;

/// <summary>
/// What comes back as a call's state has been in a client's hands. One that could not have been written here is refused, so
/// that nothing behind has to expect it: whoever changes numbers within reason changes the scores of an own call, and no more.
/// </summary>
internal static class CallStates
{
    /// <summary>Of <see cref="CallState"/>; others are refused.</summary>
    public const int Format = 1;

    /// <summary>A checkpoint lies no further behind what it knows: warm-up, window, hop, and what was not known yet.</summary>
    private static readonly TimeSpan MaxReach = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan Longest = TimeSpan.FromDays(365);

    public static bool IsOf(this CallState state, CallPlan plan)
    {
        if (state.Format != Format || !state.Configuration.Equals(plan.Digest) || state.Channels.Count != plan.Channels.Count
            || state.Conversation is not { } conversation || conversation.Speakers.Count != plan.AudioChannels)
            return false;
        var at = TimeSpan.Zero;
        if (plan.AudioChannels > 0)
        {
            if (state.AudioPosition < 0 || state.AudioPosition % plan.FrameBytes != 0 || state.AudioPosition / plan.FrameBytes / plan.Rate > Longest.TotalSeconds)
                return false;
            at = TimeSpan.FromSeconds((double)(state.AudioPosition / plan.FrameBytes) / plan.Rate);
            if (!IsNear(at, (double)conversation.Ticks / Conversation.Rate))
                return false;
        }
        if (state.NewestFrame < 0 || state.NewestFrame > Longest.TotalMicroseconds)
            return false;
        return state.Channels.Index().All(channel => IsSound(channel.Item, plan)
            && (!plan.Channels[channel.Index].Emotion || IsNear(
                plan.Channels[channel.Index].HasAudio ? at : TimeSpan.FromMicroseconds(state.NewestFrame),
                (double)channel.Item.NextWindow * plan.Hop / FeatureExtractor.SampleRate)));
    }

    private static bool IsNear(TimeSpan at, double seconds) => Math.Abs(seconds - at.TotalSeconds) <= MaxReach.TotalSeconds;

    private static bool IsSound(ChannelState channel, CallPlan plan) =>
        channel.NextWindow >= 0
        && channel.Segments.Count % 2 == 0
        && channel.Segments.Append(channel.Open).All(sample => sample >= -1 && sample <= Longest.TotalSeconds * Math.Max(1, plan.Rate))
        && channel.Timeline is { } timeline
        && IsSum(timeline.Belief.Select(value => (double)value), timeline.Belief.Count)
        && IsSum(timeline.Sum, timeline.Sum.Count)
        && timeline.Time >= 0 && timeline.Time <= Longest.TotalMicroseconds
        && timeline.Arc.Count <= EmotionTimeline.MaxStretches
        && (timeline.Stretch > 0 || timeline.Arc.Count == 0) && timeline.Stretch <= Longest.TotalMicroseconds
        && timeline.Arc.All(part => part.Count == 0 || (part.Sum.Count == EmotionLabels.Count && IsSum(part.Sum.Select(value => (double)value), part.Sum.Count)))
        && timeline.Peaks.All(peak => peak.Time is not null)
        && timeline.Alerts.Values.SelectMany(rule => rule.Run.Concat(rule.Span)).All(seen => seen.Start is not null && seen.End is not null);

    /// <summary>Nothing yet, or seven numbers that scores can be made of.</summary>
    private static bool IsSum(IEnumerable<double> values, int count) =>
        count == 0 || (count == EmotionLabels.Count && values.All(value => double.IsFinite(value) && value >= 0) && values.Sum() > 0);
}
