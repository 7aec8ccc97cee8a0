using Affect.Fusion.V1;
using Affect.V1;
using Google.Protobuf.WellKnownTypes;

namespace Affect.Fusion.Calls;

/// <summary>
/// Who speaks when, and how loud: the metrics of a call that need no emotion, counted in ticks of 10 ms. All it knows is
/// in its state.
/// </summary>
internal sealed class Conversation(ConversationState state)
{
    /// <summary>Ticks in a second.</summary>
    public const int Rate = 100;

    /// <summary>Ticks of which a level is taken.</summary>
    private const int Block = 10;

    /// <summary>Pauses up to 2 s belong to a monologue.</summary>
    private const int MaxPause = 2 * Rate;

    public static ConversationState NewState(int channels)
    {
        var state = new ConversationState { MonologueChannel = -1 };
        for (var i = 0; i < channels; i++)
            state.Speakers.Add(new SpeakerState());
        return state;
    }

    /// <summary>Ticks so far.</summary>
    public long Ticks => state.Ticks;

    /// <summary>Takes the next tick.</summary>
    /// <param name="speaking">Who speaks in it.</param>
    /// <param name="power">Mean square of each channel's samples in it.</param>
    public void Take(ReadOnlySpan<bool> speaking, ReadOnlySpan<double> power)
    {
        var (together, before) = (0, 0);
        for (var i = 0; i < speaking.Length; i++)
        {
            together += speaking[i] ? 1 : 0;
            before += state.Speakers[i].Speaking ? 1 : 0;
        }

        if (together > 1)
            state.Overlap++;
        for (var i = 0; i < speaking.Length; i++)
        {
            var speaker = state.Speakers[i];
            if (speaking[i])
            {
                speaker.Talk++;
                Hear(speaker, power[i]);
                if (!speaker.Speaking && before > 0)
                    speaker.Interruptions++;
                Follow(i, alone: together == 1);
            }
            speaker.Speaking = speaking[i];
        }
        state.Ticks++;
    }

    /// <summary>Fills in what is known of one channel.</summary>
    public ChannelSummary Summarise(int channel)
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

    /// <summary>Time in which more than one spoke.</summary>
    public Duration Overlap => Time(state.Overlap);

    private void Hear(SpeakerState speaker, double power)
    {
        speaker.Power += power;
        speaker.BlockPower += power;
        if (++speaker.BlockTicks < Block)
            return;
        var level = Db(speaker.BlockPower / Block);
        var minutes = (state.Ticks + 1.0) / Rate / 60;
        speaker.Peak = speaker.Blocks == 0 ? level : Math.Max(speaker.Peak, level);
        speaker.Blocks++;
        speaker.SumTime += minutes;
        speaker.SumLevel += level;
        speaker.SumTimeTime += minutes * minutes;
        speaker.SumTimeLevel += minutes * level;
        (speaker.BlockPower, speaker.BlockTicks) = (0, 0);
    }

    private void Follow(int channel, bool alone)
    {
        if (!alone)
        {
            state.MonologueChannel = -1;
            return;
        }
        if (state.MonologueChannel != channel || state.Ticks - state.MonologueEnd > MaxPause)
            (state.MonologueChannel, state.MonologueStart) = (channel, state.Ticks);
        state.MonologueEnd = state.Ticks;
        var speaker = state.Speakers[channel];
        speaker.LongestMonologue = Math.Max(speaker.LongestMonologue, state.Ticks + 1 - state.MonologueStart);
    }

    // A full-scale square wave has a mean square of 1.
    private static float Db(double power) => (float)(10 * Math.Log10(Math.Max(power, 1e-12)));

    /// <summary>Of the least-squares line; 0 where one level is all there is.</summary>
    private static float Slope(SpeakerState speaker)
    {
        var spread = (speaker.Blocks * speaker.SumTimeTime) - (speaker.SumTime * speaker.SumTime);
        return spread < 1e-12 ? 0 : (float)(((speaker.Blocks * speaker.SumTimeLevel) - (speaker.SumTime * speaker.SumLevel)) / spread);
    }

    private static Duration Time(long ticks) => Duration.FromTimeSpan(TimeSpan.FromSeconds((double)ticks / Rate));
}
