using Affect.Audio;

namespace Affect.UnitTests.Audio;

public sealed class WindowingTests
{
    private const int Second = FeatureExtractor.SampleRate;

    [Fact]
    public void Over_LongSignal_StartsWindowsOnTheFrameGridAtEachHop() =>
        Assert.Equal([0, 43 * 512, 2 * Second], Windowing.Over(5 * Second).Select(window => window.Start));

    [Theory]
    [InlineData(2205)]
    [InlineData(Second)]
    [InlineData(10 * Second)]
    public void Start_AnyHop_IsAtMostOneFrameHopBeforeItsNominalStart(int hop)
    {
        for (var index = 0L; index < 1000; index++)
        {
            var start = Windowing.Start(index, hop);
            Assert.Equal(0, start % FeatureExtractor.HopLength);
            Assert.InRange((index * hop) - start, 0, FeatureExtractor.HopLength - 1);
        }
    }

    [Fact]
    public void At_GrowingSignal_ReturnsTheWindowsOfTheWholeSignal()
    {
        const int total = (7 * Second) + 1234;
        var windows = new List<Window>();
        for (var samples = 0; samples <= total; samples += 100)
            while (Windowing.At(windows.Count, samples, complete: false, Windowing.Length, Second) is { } window)
                windows.Add(new((int)window.Start, window.Length));
        while (Windowing.At(windows.Count, total, complete: true, Windowing.Length, Second) is { } window)
            windows.Add(new((int)window.Start, window.Length));
        Assert.Equal(Windowing.Over(total), windows);
    }

    [Fact]
    public void Over_SignalWithTail_EndsTheLastWindowWithTheSignal()
    {
        var windows = Windowing.Over((4 * Second) + 100, hop: 2 * Second);
        Assert.Equal([new Window(0, Windowing.Length), new Window(Second + 100, Windowing.Length)], windows);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(Second)]
    [InlineData(3 * Second)]
    public void Over_ShortSignal_IsOneWindow(int samples) =>
        Assert.Equal([new Window(0, samples)], Windowing.Over(samples));

    [Fact]
    public void Over_EmptySignal_HasNoWindow() => Assert.Empty(Windowing.Over(0));

    [Fact]
    public void Over_AnySignal_CoversEverySample()
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
    public void Over_InvalidArgument_Throws(int samples, int length, int hop) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => Windowing.Over(samples, length, hop));
}
