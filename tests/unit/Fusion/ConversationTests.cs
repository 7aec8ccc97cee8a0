using Affect.Audio;
using Affect.Fusion.Calls;

namespace Affect.UnitTests.Fusion;

public sealed class ConversationTests
{
    private readonly Conversation _conversation = new(Conversation.CreateState(2));

    [Fact]
    public void Summarize_TwoSpeakers_CountsTalkOverlapAndInterruptions()
    {
        Add(3.0, "x."); // channel 0 speaks
        Add(1.0, "xx"); // channel 1 interrupts
        Add(2.0, ".x");
        Add(1.0, "..");
        Add(1.0, "x.");

        var (first, second) = (_conversation.Summarize(0), _conversation.Summarize(1));
        Assert.Equal((5, 3), (Seconds(first.Talk), Seconds(first.Silence)));
        Assert.Equal((3, 5), (Seconds(second.Talk), Seconds(second.Silence)));
        Assert.Equal(1, _conversation.Overlap.ToTimeSpan().TotalSeconds);
        Assert.Equal((0, 1), (first.Interruptions, second.Interruptions));
    }

    [Fact]
    public void Summarize_Monologue_SpansShortPausesAndEndsWithTheOtherSpeaker()
    {
        Add(2, "x.");
        Add(1.5, "..");
        Add(2, "x."); // 5.5 s so far
        Add(3, "..");
        Add(1, "x."); // too long a pause
        Add(0.5, ".x");
        Add(4, "x.");
        Assert.Equal(5.5, Seconds(_conversation.Summarize(0).LongestMonologue));
        Assert.Equal(0.5, Seconds(_conversation.Summarize(1).LongestMonologue));
    }

    [Fact]
    public void Summarize_RisingVoice_HasItsLoudnessAndTrend()
    {
        // One dB louder each second; the pauses between are louder and are not counted.
        for (var second = 0; second < 30; second++)
        {
            Add(1, "x.", Math.Pow(10, (-40 + second) / 10.0));
            Add(1, "..", 1);
        }
        var loudness = _conversation.Summarize(0).Loudness;
        Assert.Equal(30, loudness.TrendDbPerMinute, 0.2);
        Assert.Equal(-11, loudness.PeakDbfs, 1e-3);
        var mean = Enumerable.Range(0, 30).Average(second => Math.Pow(10, (-40 + second) / 10.0));
        Assert.Equal(10 * Math.Log10(mean), loudness.MeanDbfs, 1e-3);
        Assert.Null(_conversation.Summarize(1).Loudness);
    }

    private static double Seconds(Google.Protobuf.WellKnownTypes.Duration duration) => duration.ToTimeSpan().TotalSeconds;

    private void Add(double seconds, string speaking, double power = 0.01)
    {
        for (var tick = 0; tick < (int)(seconds * CallTiming.TickRate); tick++)
            _conversation.Add([.. speaking.Select(channel => (byte)(channel == 'x' ? 1 : 0))], [(float)power, (float)power]);
    }
}
