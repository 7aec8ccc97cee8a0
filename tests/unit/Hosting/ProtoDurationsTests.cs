using Affect.Hosting;
using Google.Protobuf.WellKnownTypes;

namespace Affect.UnitTests.Hosting;

public sealed class ProtoDurationsTests
{
    private static readonly TimeSpan Min = TimeSpan.FromSeconds(0.1), Max = TimeSpan.FromSeconds(10);

    [Theory]
    [InlineData(0, 100_000_000, 0.1)]
    [InlineData(1, 0, 1)]
    [InlineData(4, 350_000_000, 4.35)]
    [InlineData(10, 0, 10)]
    public void TryToTimeSpan_WithinBounds_Converts(long seconds, int nanos, double expected)
    {
        Assert.True(new Duration { Seconds = seconds, Nanos = nanos }.TryToTimeSpan(Min, Max, out var time));
        Assert.Equal(TimeSpan.FromSeconds(expected), time);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(0, 99_999_999)]
    [InlineData(10, 1)]
    [InlineData(10, 100)]
    public void TryToTimeSpan_OutOfBounds_IsRejected(long seconds, int nanos) =>
        Assert.False(new Duration { Seconds = seconds, Nanos = nanos }.TryToTimeSpan(Min, Max, out _));

    [Theory]
    [InlineData(-1, 0)]
    [InlineData(0, -1)]
    [InlineData(1, -1)]
    [InlineData(1, 1_000_000_000)]
    [InlineData(1, int.MaxValue)]
    [InlineData(long.MaxValue, 0)]
    [InlineData(long.MinValue, 0)]
    public void TryToTimeSpan_Malformed_IsRejected(long seconds, int nanos) =>
        Assert.False(new Duration { Seconds = seconds, Nanos = nanos }.TryToTimeSpan(TimeSpan.Zero, TimeSpan.MaxValue, out _));

    [Fact]
    public void TryToTimeSpan_Absent_IsRejected() => Assert.False(((Duration?)null).TryToTimeSpan(TimeSpan.Zero, Max, out _));
}
