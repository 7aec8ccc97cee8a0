using Affect.Audio;
using Affect.Emotions;
using Affect.Features.V1;
using Affect.Fusion.Timeline;
using Affect.Fusion.V1;
using Affect.Hosting;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Affect.Fusion.Calls;

/// <summary>Creates and validates the state of calls.</summary>
/// <remarks>
/// A state that is resumed comes from a client: <see cref="CheckpointSigner"/> has verified that fusion wrote it. Its values are checked
/// nevertheless, so that no other code has to expect one of another version or from a holder of the key.
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
    /// <param name="content">The verified bytes of the checkpoint; empty if they could not be verified.</param>
    /// <param name="plan">The configuration.</param>
    public static CallState? Parse(ReadOnlySpan<byte> content, CallPlan plan)
    {
        try
        {
            var state = CallState.Parser.ParseFrom(content);
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
            || state.Conversation is not { } conversation || !IsValid(conversation, plan)
            || !IsSample(state.Missing) || state.Skipped < 0 || !IsTime(state.NewestFrame))
            return false;
        if (plan.AudioChannels > 0
            ? state.Audio is not { } audio || !IsValid(audio, plan) || conversation.Ticks != audio.Ticks
            : state.Audio is not null || state.Missing != 0 || state.Skipped != 0 || conversation.Ticks != 0)
            return false;
        if (plan.Channels is [.., { HasAudio: false }]
            && !IsNear(state.NextVideoWindow, plan.Hop, FeatureExtractor.SampleRate, TimeSpan.FromMicroseconds(state.NewestFrame)))
            return false;
        return state.Timelines.All(timeline => IsValid(timeline, plan));
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
                        // The client sends the audio from the position on: all of the next window.
                        && audio.Position <= CallTiming.FirstNeeded(Windowing.Start(Math.Max(0, channel.Item.NextWindow - 1), plan.Hop), plan.Rate)
                    : channel.Item.NextWindow == 0));
    }

    private static bool IsValid(ConversationState conversation, CallPlan plan)
    {
        var ticks = conversation.Ticks;
        return conversation.Speakers.Count == plan.AudioChannels
            && IsPart(conversation.Overlap) && IsPart(conversation.MonologueStart) && IsPart(conversation.MonologueEnd)
            && (!conversation.HasMonologueChannel || (conversation.MonologueChannel >= 0 && conversation.MonologueChannel < plan.AudioChannels))
            && conversation.Speakers.All(speaker =>
                IsPart(speaker.Talk) && IsPart(speaker.LongestMonologue) && IsPart(speaker.Interruptions)
                && IsPart(speaker.BlockTicks) && IsPart(speaker.Blocks) && speaker.Blocks <= speaker.Talk
                && double.IsFinite(speaker.Power) && double.IsFinite(speaker.BlockPower) && float.IsFinite(speaker.Peak)
                && double.IsFinite(speaker.SumTime) && double.IsFinite(speaker.SumLevel)
                && double.IsFinite(speaker.SumTimeTime) && double.IsFinite(speaker.SumTimeLevel));

        bool IsPart(long value) => value >= 0 && value <= ticks;
    }

    private static bool IsSample(long sample) => sample is >= 0 and <= AudioLimits.MaxCallSample;

    private static bool IsTime(long microseconds) => microseconds >= 0 && microseconds <= MaxDuration.TotalMicroseconds;

    private static bool IsTime(Duration? time) => time is not null && time.TryToTimeSpan(TimeSpan.Zero, MaxDuration, out _);

    private static bool IsNear(long count, int unit, int rate, TimeSpan at) =>
        count >= 0 && Math.Abs(((double)count * unit / rate) - at.TotalSeconds) <= MaxDistance.TotalSeconds;

    private static bool IsValid(TimelineState timeline, CallPlan plan) =>
        IsSum(timeline.Belief.Select(value => (double)value), timeline.Belief.Count)
        && IsSum(timeline.Sum, timeline.Sum.Count)
        && timeline is { Windows: >= 0, Scored: >= 0, Empty: >= 0, Lost: >= 0 }
        && (timeline.Scored == 0 || timeline.Sum.Count == EmotionLabels.Count)
        && IsTime(timeline.Time) && IsTime(timeline.Stretch)
        && timeline.Arc.Count <= EmotionTimeline.MaxStretches
        && (timeline.Stretch == 0 ? timeline.Arc.Count == 0 : timeline.Stretch >= (long)plan.HopTime.TotalMicroseconds)
        && timeline.Arc.All(part => part.Count == 0
            ? part.Sum.Count == 0
            : part.Count > 0 && part.Sum.Count == EmotionLabels.Count && IsSum(part.Sum.Select(value => (double)value), part.Sum.Count))
        && timeline.Peaks.Count <= EmotionLabels.Count
        && timeline.Peaks.All(peak => peak.Emotion != Affect.V1.Emotion.Unspecified && System.Enum.IsDefined(peak.Emotion) && float.IsFinite(peak.Score) && IsTime(peak.Time))
        && timeline.Alerts.Values.All(rule =>
            rule.Run.Count <= AlertRule.MaxEvidence && rule.Span.Count <= AlertRule.MaxSpan
            && rule.Run.Concat(rule.Span).All(evidence => IsTime(evidence.Start) && IsTime(evidence.End) && float.IsFinite(evidence.Score)));

    /// <summary>Empty, or seven weights of which at least one is positive.</summary>
    private static bool IsSum(IEnumerable<double> values, int count) =>
        count == 0 || (count == EmotionLabels.Count && values.All(value => double.IsFinite(value) && value >= 0) && values.Sum() > 0);
}
