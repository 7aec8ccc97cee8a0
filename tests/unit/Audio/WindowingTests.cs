using Affect.Audio;

namespace Affect.UnitTests.Audio;

public sealed class WindowingTests
{
    private const int Second = FeatureExtractor.SampleRate;

    [Fact]
    public void Windows_follow_each_other_by_the_hop() =>
        Assert.Equal([0, Second, 2 * Second], Windowing.Over(5 * Second).Select(window => window.Start));

    [Fact]
    public void The_last_window_is_moved_back_to_hold_the_tail()
    {
        var windows = Windowing.Over((4 * Second) + 100, hop: 2 * Second);
        Assert.Equal([new Window(0, Windowing.Length), new Window(Second + 100, Windowing.Length)], windows);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(Second)]
    [InlineData(3 * Second)]
    public void A_short_signal_is_one_window(int samples) =>
        Assert.Equal([new Window(0, samples)], Windowing.Over(samples));

    [Fact]
    public void Nothing_has_no_window() => Assert.Empty(Windowing.Over(0));

    [Fact]
    public void Every_sample_is_in_some_window()
    {
        for (var samples = 1; samples < 10 * Second; samples += 997)
        {
            var covered = 0;
            foreach (var window in Windowing.Over(samples, hop: 1234))
            {
                Assert.InRange(window.Start, 0, covered);
                covered = window.Start + window.Length;
            }

            Assert.Equal(samples, covered);
        }
    }

    [Theory]
    [InlineData(-1, Second, Second)]
    [InlineData(Second, 0, Second)]
    [InlineData(Second, Second, 0)]
    public void Wrong_arguments_are_refused(int samples, int length, int hop) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => Windowing.Over(samples, length, hop));
}
