using System.Runtime.InteropServices;
using Affect.Audio;
using Affect.Features.Audio;
using Affect.Features.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using CallAudioState = Affect.Features.Audio.CallAudioState;
using ChannelAudioState = Affect.Features.Audio.ChannelAudioState;
using SpeechSegment = Affect.Audio.SpeechSegment;

namespace Affect.Features;

/// <summary>Maps the messages of ExtractCall to the domain and back.</summary>
internal static class CallMessages
{
    /// <summary>The state in which a call continues; null, with a violation, if it is not consistent.</summary>
    public static CallAudioState? ToDomain(this V1.CallAudioState state, CallFormat format, ICollection<(string Field, string Description)> violations)
    {
        if (IsCount(state.Position) && IsCount(state.Ticks) && state.Channels.Count == format.Windows.Count && state.Channels.All(IsConsistent))
            return new(state.Position, state.Ticks, [.. state.Channels.Select(channel => new ChannelAudioState(
                [.. channel.Segments.Chunk(2).Select(bounds => new SpeechSegment(bounds[0], bounds[1]))],
                channel.HasOpen ? channel.Open : null, channel.ReportedUntil, channel.NextWindow))]);
        violations.Add(("config.resume", "must be the state of a response of a call with this configuration"));
        return null;

        static bool IsConsistent(V1.ChannelAudioState channel) =>
            channel.Segments.Count % 2 == 0 && channel.Segments.All(IsCount)
            && (!channel.HasOpen || IsCount(channel.Open)) && IsCount(channel.ReportedUntil) && IsCount(channel.NextWindow);

        static bool IsCount(long value) => value is >= 0 and <= AudioLimits.MaxCallSample;
    }

    /// <summary>The results since the last response, and the state after them.</summary>
    public static ExtractCallResponse ToProto(this CallAudio audio, CallFormat format)
    {
        var state = audio.Save();
        var response = new ExtractCallResponse
        {
            Speech = ByteString.CopyFrom(CollectionsMarshal.AsSpan(audio.Speech)),
            State = new() { Position = state.Position, Ticks = state.Ticks },
        };
        response.Power.AddRange(audio.Power);
        foreach (var (channel, segment) in audio.Segments)
            response.Segments.Add(new CallSegment
            {
                Channel = channel,
                Segment = new() { Start = Duration.FromTimeSpan(segment.StartTime(format.Rate)), End = Duration.FromTimeSpan(segment.EndTime(format.Rate)), Channel = channel },
            });
        foreach (var window in audio.Windows)
            response.Windows.Add(new CallFeatureWindow
            {
                Channel = window.Channel,
                Index = window.Index,
                Window = new()
                {
                    Start = ToDuration(window.Start),
                    End = ToDuration(window.Start + window.Length),
                    HasSpeech = window.Features is not null,
                    Features = window.Features is { } features ? UnsafeByteOperations.UnsafeWrap(features) : ByteString.Empty,
                },
            });
        foreach (var channel in state.Channels)
        {
            var proto = new V1.ChannelAudioState { ReportedUntil = channel.ReportedUntil, NextWindow = channel.NextWindow };
            if (channel.Open is { } open)
                proto.Open = open;
            foreach (var segment in channel.Segments)
                proto.Segments.Add([segment.Start, segment.End]);
            response.State.Channels.Add(proto);
        }

        return response;
    }

    /// <summary>Time of a sample at 22,050 Hz.</summary>
    public static Duration ToDuration(long sample) => Duration.FromTimeSpan(SpeechClip.Time(sample));

    /// <summary>float32 in the byte order of the machine: OpenCV's native library runs on little-endian machines only.</summary>
    public static ByteString ToBytes(float[] values) => ByteString.CopyFrom(MemoryMarshal.AsBytes<float>(values));
}
