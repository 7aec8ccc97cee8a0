using Affect.Audio;
using Affect.Emotions;
using Affect.Features.V1;
using Affect.Fusion.Timeline;
using Affect.Fusion.V1;
using Google.Protobuf;

namespace Affect.Fusion.Calls;

/// <summary>Creates and validates the state of calls.</summary>
/// <remarks>
/// A state that is resumed comes from a client. One that this service could not have written is rejected, so that no other code has to
/// expect it. A client that changes numbers within their bounds affects only its call.
/// </remarks>
internal static class CallStates
{
    /// <summary>Version of <see cref="CallState"/>.</summary>
    public const int Format = 2;

    /// <summary>Largest distance between the position of a checkpoint and its newest tick or window.</summary>
    private static readonly TimeSpan MaxDistance = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan MaxDuration = TimeSpan.FromDays(60);

    /// <summary>The state of a call that starts.</summary>
    public static CallState Create(CallPlan plan)
    {
        var state = new CallState { Format = Format, Configuration = plan.Digest, Conversation = Conversation.CreateState(plan.AudioChannels) };
        foreach (var channel in plan.Channels)
        {
            state.Timelines.Add(new TimelineState());
            if (channel.HasAudio)
                (state.Audio ??= new()).Channels.Add(new ChannelAudioState());
        }

        return state;
    }

    /// <summary>The state in a checkpoint; null if it is not one of a call with this configuration.</summary>
    public static CallState? Parse(ByteString checkpoint, CallPlan plan)
    {
        try
        {
            var state = CallState.Parser.ParseFrom(checkpoint);
            return IsValid(state, plan) ? state : null;
        }
        catch (InvalidProtocolBufferException)
        {
            return null;
        }
    }

    private static bool IsValid(CallState state, CallPlan plan)
    {
        if (state.Format != Format || !state.Configuration.Equals(plan.Digest) || state.Timelines.Count != plan.Channels.Count
            || state.Conversation is not { } conversation || conversation.Speakers.Count != plan.AudioChannels
            || state.Missing is < 0 or > AudioLimits.MaxCallSample
            || state.NewestFrame < 0 || state.NewestFrame > MaxDuration.TotalMicroseconds)
            return false;
        if (plan.AudioChannels > 0 && (state.Audio is not { } audio || !IsValid(audio, plan) || conversation.Ticks != audio.Ticks))
            return false;
        if (plan.Channels is [.., { HasAudio: false }]
            && !IsNear(state.NextVideoWindow, plan.Hop, FeatureExtractor.SampleRate, TimeSpan.FromMicroseconds(state.NewestFrame)))
            return false;
        return state.Timelines.All(IsValid);
    }

    private static bool IsValid(CallAudioState audio, CallPlan plan)
    {
        if (audio.Channels.Count != plan.AudioChannels || !IsSample(audio.Position))
            return false;
        var at = plan.TimeOf(audio.Position);
        return IsNear(audio.Ticks, 1, CallTiming.TickRate, at)
            && audio.Channels.Index().All(channel =>
                channel.Item.Segments.Count % 2 == 0
                && channel.Item.Segments.All(IsSample) && IsSample(channel.Item.Open) && IsSample(channel.Item.ReportedUntil)
                && (plan.Channels[channel.Index].Emotion
                    ? IsNear(channel.Item.NextWindow, plan.Hop, FeatureExtractor.SampleRate, at)
                    : channel.Item.NextWindow == 0));
    }

    private static bool IsSample(long sample) => sample is >= 0 and <= AudioLimits.MaxCallSample;

    private static bool IsNear(long count, int unit, int rate, TimeSpan at) =>
        count >= 0 && Math.Abs(((double)count * unit / rate) - at.TotalSeconds) <= MaxDistance.TotalSeconds;

    private static bool IsValid(TimelineState timeline) =>
        IsSum(timeline.Belief.Select(value => (double)value), timeline.Belief.Count)
        && IsSum(timeline.Sum, timeline.Sum.Count)
        && timeline.Time >= 0 && timeline.Time <= MaxDuration.TotalMicroseconds
        && timeline.Arc.Count <= EmotionTimeline.MaxStretches
        && (timeline.Stretch > 0 || timeline.Arc.Count == 0) && timeline.Stretch <= MaxDuration.TotalMicroseconds
        && timeline.Arc.All(part => part.Count == 0 || (part.Sum.Count == EmotionLabels.Count && IsSum(part.Sum.Select(value => (double)value), part.Sum.Count)))
        && timeline.Peaks.All(peak => peak.Time is not null)
        && timeline.Alerts.Values.SelectMany(rule => rule.Run.Concat(rule.Span)).All(evidence => evidence.Start is not null && evidence.End is not null);

    /// <summary>Empty, or seven weights of which at least one is positive.</summary>
    private static bool IsSum(IEnumerable<double> values, int count) =>
        count == 0 || (count == EmotionLabels.Count && values.All(value => double.IsFinite(value) && value >= 0) && values.Sum() > 0);
}
