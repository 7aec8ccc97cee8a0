using Affect.Hosting;

namespace Affect.UnitTests.Hosting;

public sealed class BackoffTests
{
    private const int Draws = 1_000;

    private static readonly Backoff Backoff = new(First: TimeSpan.FromMilliseconds(50), Max: TimeSpan.FromSeconds(1));

    [Theory]
    [InlineData(0, 0.05)]
    [InlineData(1, 0.1)]
    [InlineData(4, 0.8)]
    [InlineData(5, 1)] // capped
    [InlineData(int.MaxValue, 1)]
    public void Delay_WithoutRetryAfter_IsExponentialCappedAndJittered(int attempt, double mean)
    {
        var delays = Draw(() => Backoff.Delay(attempt));

        Assert.All(delays, delay => Assert.InRange(delay, 0.5 * mean, 1.5 * mean));
        Assert.Equal(mean, delays.Average(), 0.1 * mean);
        Assert.True(delays.Distinct().Count() > Draws / 2);
    }

    [Fact]
    public void Delay_WithRetryAfter_IsNeverShorterThanTheServerAskedFor()
    {
        var delays = Draw(() => Backoff.Delay(0, TimeSpan.FromSeconds(3)));

        Assert.All(delays, delay => Assert.InRange(delay, 3, 3.75));
        Assert.True(delays.Distinct().Count() > Draws / 2);
    }

    [Fact]
    public void Delay_RetryAfterOfZero_IsExponential() =>
        Assert.All(Draw(() => Backoff.Delay(0, TimeSpan.Zero)), delay => Assert.InRange(delay, 0.025, 0.075));

    private static double[] Draw(Func<TimeSpan> delay) => [.. Enumerable.Range(0, Draws).Select(_ => delay().TotalSeconds)];
}
