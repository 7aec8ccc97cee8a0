using Affect.Fusion.Calls;

namespace Affect.UnitTests.Fusion;

public sealed class ConversationTests
{
    private readonly Conversation _conversation = new(Conversation.NewState(2));

    [Fact]
    public void Talk_overlap_and_interruptions_are_counted()
    {
        Take(3.0, "x."); // 0 speaks
        Take(1.0, "xx"); // 1 falls in
        Take(2.0, ".x");
        Take(1.0, "..");
        Take(1.0, "x.");

        var (first, second) = (_conversation.Summarise(0), _conversation.Summarise(1));
        Assert.Equal((5, 3), (Seconds(first.Talk), Seconds(first.Silence)));
        Assert.Equal((3, 5), (Seconds(second.Talk), Seconds(second.Silence)));
        Assert.Equal(1, _conversation.Overlap.ToTimeSpan().TotalSeconds);
        Assert.Equal((0, 1), (first.Interruptions, second.Interruptions));
    }

    [Fact]
    public void A_monologue_goes_on_over_short_pauses_and_ends_with_the_others_voice()
    {
        Take(2, "x.");
        Take(1.5, "..");
        Take(2, "x."); // 5.5 s by now
        Take(3, "..");
        Take(1, "x."); // too long a pause
        Take(0.5, ".x");
        Take(4, "x.");
        Assert.Equal(5.5, Seconds(_conversation.Summarise(0).LongestMonologue));
        Assert.Equal(0.5, Seconds(_conversation.Summarise(1).LongestMonologue));
    }

    [Fact]
    public void Loudness_is_that_of_voice_and_its_trend_a_line()
    {
        // One dB louder each second, between pauses that are louder still and count for nothing.
        for (var second = 0; second < 30; second++)
        {
            Take(1, "x.", Math.Pow(10, (-40 + second) / 10.0));
            Take(1, "..", 1);
        }
        var loudness = _conversation.Summarise(0).Loudness;
        Assert.Equal(30, loudness.TrendDbPerMinute, 0.2);
        Assert.Equal(-11, loudness.PeakDbfs, 1e-3);
        var mean = Enumerable.Range(0, 30).Average(second => Math.Pow(10, (-40 + second) / 10.0));
        Assert.Equal(10 * Math.Log10(mean), loudness.MeanDbfs, 1e-3);
        Assert.Null(_conversation.Summarise(1).Loudness);
    }

    private static double Seconds(Google.Protobuf.WellKnownTypes.Duration duration) => duration.ToTimeSpan().TotalSeconds;

    private void Take(double seconds, string speaking, double power = 0.01)
    {
        for (var tick = 0; tick < (int)(seconds * Conversation.Rate); tick++)
            _conversation.Take([speaking[0] == 'x', speaking[1] == 'x'], [power, power]);
    }
}
