using Affect.Audio;
using Affect.Fusion.V1;
using Affect.V1;
using Google.Protobuf.WellKnownTypes;

namespace Affect.Fusion.Calls;

/// <summary>
/// The metrics of a call that need no emotion: talk, overlap, interruptions, monologues and loudness, counted in ticks of 10 ms.
/// Its whole state is in <see cref="ConversationState"/>.
/// </summary>
internal sealed class Conversation(ConversationState state)
{
    /// <summary>Ticks of a block, whose mean power is one level.</summary>
    private const int Block = 10;

    /// <summary>Longest pause within a monologue: 2 s.</summary>
    private const int MaxPause = 2 * CallTiming.TickRate;

    public static ConversationState CreateState(int channels)
    {
        var state = new ConversationState();
        for (var i = 0; i < channels; i++)
            state.Speakers.Add(new SpeakerState());
        return state;
    }

    /// <summary>Ticks so far.</summary>
    public long Ticks => state.Ticks;

    /// <summary>Adds the next tick.</summary>
    /// <param name="speech">For each channel: 1 if its speaker speaks.</param>
    /// <param name="power">Mean square of the samples of each channel.</param>
    public void Add(ReadOnlySpan<byte> speech, ReadOnlySpan<float> power)
    {
        var (speaking, speakingBefore) = (0, 0);
        for (var i = 0; i < speech.Length; i++)
        {
            speaking += speech[i];
            speakingBefore += state.Speakers[i].Speaking ? 1 : 0;
        }

        if (speaking > 1)
            state.Overlap++;
        for (var i = 0; i < speech.Length; i++)
        {
            var speaker = state.Speakers[i];
            if (speech[i] != 0)
            {
                speaker.Talk++;
                AddLevel(speaker, power[i]);
                if (!speaker.Speaking && speakingBefore > 0)
                    speaker.Interruptions++;
                TrackMonologue(i, alone: speaking == 1);
            }
            speaker.Speaking = speech[i] != 0;
        }
        state.Ticks++;
    }

    /// <summary>The summary of one channel, without its role and emotion.</summary>
    public ChannelSummary Summarize(int channel)
    {
        var speaker = state.Speakers[channel];
        var summary = new ChannelSummary
        {
            Channel = channel,
            Talk = Time(speaker.Talk),
            Silence = Time(state.Ticks - speaker.Talk),
            Interruptions = speaker.Interruptions,
            LongestMonologue = Time(speaker.LongestMonologue),
        };
        if (speaker.Blocks > 0)
            summary.Loudness = new Loudness
            {
                MeanDbfs = Db(speaker.Power / speaker.Talk),
                PeakDbfs = speaker.Peak,
                TrendDbPerMinute = Slope(speaker),
            };
        return summary;
    }

    /// <summary>Time in which several channels spoke.</summary>
    public Duration Overlap => Time(state.Overlap);

    private void AddLevel(SpeakerState speaker, double power)
    {
        speaker.Power += power;
        speaker.BlockPower += power;
        if (++speaker.BlockTicks < Block)
            return;
        var level = Db(speaker.BlockPower / Block);
        var minutes = (state.Ticks + 1.0) / CallTiming.TickRate / 60;
        speaker.Peak = speaker.Blocks == 0 ? level : Math.Max(speaker.Peak, level);
        speaker.Blocks++;
        speaker.SumTime += minutes;
        speaker.SumLevel += level;
        speaker.SumTimeTime += minutes * minutes;
        speaker.SumTimeLevel += minutes * level;
        (speaker.BlockPower, speaker.BlockTicks) = (0, 0);
    }

    private void TrackMonologue(int channel, bool alone)
    {
        if (!alone)
        {
            state.ClearMonologueChannel();
            return;
        }
        if (!state.HasMonologueChannel || state.MonologueChannel != channel || state.Ticks - state.MonologueEnd > MaxPause)
            (state.MonologueChannel, state.MonologueStart) = (channel, state.Ticks);
        state.MonologueEnd = state.Ticks;
        var speaker = state.Speakers[channel];
        speaker.LongestMonologue = Math.Max(speaker.LongestMonologue, state.Ticks + 1 - state.MonologueStart);
    }

    // A full-scale square wave has a mean square of 1.
    private static float Db(double power) => (float)(10 * Math.Log10(Math.Max(power, 1e-12)));

    /// <summary>Slope of the least-squares line; 0 for a single level.</summary>
    private static float Slope(SpeakerState speaker)
    {
        var spread = (speaker.Blocks * speaker.SumTimeTime) - (speaker.SumTime * speaker.SumTime);
        return spread < 1e-12 ? 0 : (float)(((speaker.Blocks * speaker.SumTimeLevel) - (speaker.SumTime * speaker.SumLevel)) / spread);
    }

    private static Duration Time(long ticks) => Duration.FromTimeSpan(TimeSpan.FromSeconds((double)ticks / CallTiming.TickRate));
}
