using Affect.Features.V1;
using Affect.Fusion.Timeline;
using Affect.Fusion.V1;
using Affect.V1;
using Google.Protobuf.WellKnownTypes;

namespace Affect.Fusion.Calls;

/// <summary>
/// The results of a call so far: its conversation, its timelines, and the state from which any server resumes it. Belongs to the task
/// that concludes windows.
/// </summary>
internal sealed class CallRecord
{
    private readonly CallPlan _plan;
    private readonly CallState _state;
    private readonly Conversation _conversation;
    private readonly EmotionTimeline[] _timelines;

    /// <summary>Takes ownership of <paramref name="state"/>.</summary>
    public CallRecord(CallPlan plan, CallState state, FusionOptions options)
    {
        (_plan, _state) = (plan, state);
        _conversation = new(state.Conversation);
        _timelines = [.. state.Timelines.Select(timeline => new EmotionTimeline(timeline, options, plan.WindowTime, plan.HopTime))];
    }

    /// <summary>State of the audio after everything concluded. Only for calls with audio.</summary>
    public CallAudioState Audio => _state.Audio;

    /// <summary>Position from which a resuming client sends the audio, in bytes.</summary>
    public long AudioPosition => (_state.Audio?.Position ?? 0) * _plan.FrameBytes;

    /// <summary>Adds the ticks of a response; those that were added before a rewind are skipped.</summary>
    public void Add(ExtractCallResponse response)
    {
        var channels = _plan.AudioChannels;
        Span<float> power = stackalloc float[channels];
        var count = response.Speech.Length / channels;
        for (var i = (int)Math.Max(0, _conversation.Ticks - (response.State.Ticks - count)); i < count; i++)
        {
            for (var channel = 0; channel < channels; channel++)
                power[channel] = response.Power[(i * channels) + channel];
            _conversation.Add(response.Speech.Span.Slice(i * channels, channels), power);
        }

        foreach (var (index, channel) in response.State.Channels.Index())
            _state.Audio.Channels[index].ReportedUntil = channel.ReportedUntil;
    }

    /// <summary>Adds a window to its timeline, which completes it, and returns the alerts that it raised or cleared.</summary>
    public IReadOnlyList<Alert> Conclude(StreamWindow window)
    {
        if (_plan.Channels[window.Channel].HasAudio)
            _state.Audio.Channels[window.Channel].NextWindow = window.Index + 1;
        else
            _state.NextVideoWindow = window.Index + 1;
        return _timelines[window.Channel].Append(window);
    }

    /// <summary>Records that everything up to this state of the audio is concluded.</summary>
    public void Conclude(CallAudioState audio) => _state.Audio = audio;

    /// <summary>Creates the checkpoint from which any server resumes the call.</summary>
    public Checkpoint CreateCheckpoint(TimeSpan newestFrame, CallAudio? audio, CheckpointSigner signer)
    {
        _state.NewestFrame = (long)newestFrame.TotalMicroseconds;
        _state.Missing = audio?.Missing ?? 0;
        _state.Skipped = audio?.Repeated ?? 0;
        var firstFrame = TimeSpan.Zero;
        foreach (var (index, channel) in _plan.Channels.Index())
            if (channel.Video)
                firstFrame = _plan.HopTime * Math.Max(0, (channel.HasAudio ? _state.Audio.Channels[index].NextWindow : _state.NextVideoWindow) - 1);
        return new() { AudioPosition = AudioPosition, VideoTime = Duration.FromTimeSpan(firstFrame), State = signer.Sign(_state) };
    }

    public CallSummary Summarize(CallEnd end, TimeSpan duration, CallAudio? audio)
    {
        var summary = new CallSummary
        {
            End = end,
            Duration = Duration.FromTimeSpan(duration),
            Overlap = _conversation.Overlap,
            MissingAudio = Duration.FromTimeSpan(audio is null ? TimeSpan.Zero : _plan.TimeOf(audio.Missing)),
            SkippedBytes = audio is null ? 0 : audio.Repeated + audio.Incomplete,
        };
        foreach (var (index, planned) in _plan.Channels.Index())
        {
            var channel = planned.HasAudio ? _conversation.Summarize(index) : new ChannelSummary { Channel = index };
            channel.Role = planned.Role;
            if (planned.Emotion)
                channel.Emotion = _timelines[index].Summarize(
                    !planned.HasAudio ? Outcome.NoFace : _state.Timelines[index].Windows == 0 ? Outcome.TooShort : Outcome.NoSpeech);
            summary.Channels.Add(channel);
        }

        return summary;
    }
}
