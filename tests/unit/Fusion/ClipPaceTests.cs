using Affect.Fusion.Clips;
using Microsoft.Extensions.Time.Testing;

namespace Affect.UnitTests.Fusion;

public sealed class ClipPaceTests
{
    private const int Windows = 6_000;

    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void Check_OwnPaceTooSlow_GivesUpOneClipAtATime()
    {
        var pace = new ClipPace(_time);

        Assert.Throws<ClipTooLongException>(() => Measure(pace, seconds: 2, available: 60));
        Measure(pace, seconds: 2, available: 60); // another clip was given up at the same moment
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Throws<ClipTooLongException>(() => Measure(pace, seconds: 2, available: 60));
        Measure(pace, seconds: 1, available: 60); // 59 s to go
    }

    [Fact]
    public void Check_PaceOfOtherClipsTooSlow_RejectsBeforeTheFirstWindow()
    {
        var pace = new ClipPace(_time);
        pace.Check(Windows, TimeSpan.FromSeconds(1)); // nothing is known yet
        Measure(pace, seconds: 1, available: 60);

        Assert.Throws<ClipTooLongException>(() => pace.Check(Windows, TimeSpan.FromSeconds(50)));
        pace.Check(Windows, TimeSpan.FromSeconds(61));
        pace.Check(100, TimeSpan.FromSeconds(0.5)); // a short clip
        _time.Advance(TimeSpan.FromSeconds(10));
        pace.Check(Windows, TimeSpan.FromSeconds(50)); // the pace is no longer current
    }

    private static void Measure(ClipPace pace, double seconds, double available) =>
        pace.Check(ClipPace.Step, Windows, TimeSpan.FromSeconds(seconds), TimeSpan.FromSeconds(available));
}
