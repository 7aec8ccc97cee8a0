using Affect.Scheduling;

namespace Affect.UnitTests.Scheduling;

public sealed class FairLimiterTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AcquireAsync_FreePermit_CompletesSynchronously()
    {
        var limiter = new FairLimiter(permits: 1);
        for (var i = 0; i < 3; i++)
        {
            var permit = limiter.AcquireAsync("a", Cancel);
            Assert.True(permit.IsCompletedSuccessfully);
            (await permit).Dispose();
        }
    }

    [Fact]
    public async Task AcquireAsync_LateTenant_IsNext()
    {
        var limiter = new FairLimiter(permits: 1);
        var running = await limiter.AcquireAsync("a", Cancel);
        var own = Enumerable.Range(0, 1_000).Select(_ => limiter.AcquireAsync("a", Cancel).AsTask()).ToList();
        var late = limiter.AcquireAsync("b", Cancel).AsTask();

        running.Dispose();
        (await own[0]).Dispose();

        Assert.True((await late).IsAcquired);
        Assert.False(own[1].IsCompleted);
    }

    [Fact]
    public async Task AcquireAsync_TenantAtItsLimit_LeavesPermitsToOthers()
    {
        var limiter = new FairLimiter(permits: 3, permitsPerTenant: 2);
        var first = await limiter.AcquireAsync("a", Cancel);
        await limiter.AcquireAsync("a", Cancel);
        var third = limiter.AcquireAsync("a", Cancel).AsTask();
        Assert.False(third.IsCompleted);

        var other = limiter.AcquireAsync("b", Cancel);

        Assert.True(other.IsCompletedSuccessfully);
        (await other).Dispose();
        Assert.False(third.IsCompleted);
        first.Dispose();
        Assert.True((await third).IsAcquired);
    }

    [Fact]
    public async Task AcquireAsync_FullQueue_IsNotAcquired()
    {
        var limiter = new FairLimiter(permits: 1, queueLimit: 2);
        var running = await limiter.AcquireAsync("a", Cancel);
        var second = limiter.AcquireAsync("a", Cancel).AsTask();
        var third = limiter.AcquireAsync("a", Cancel).AsTask();
        Assert.False((await limiter.AcquireAsync("a", Cancel)).IsAcquired);

        var late = limiter.AcquireAsync("b", Cancel).AsTask();

        Assert.False((await third).IsAcquired);
        running.Dispose();
        (await second).Dispose();
        Assert.True((await late).IsAcquired);
    }

    [Fact]
    public async Task AcquireAsync_CanceledWhileWaiting_LeavesTheQueue()
    {
        var limiter = new FairLimiter(permits: 1, queueLimit: 1);
        var running = await limiter.AcquireAsync("a", Cancel);
        using var cancellation = new CancellationTokenSource();
        var canceled = limiter.AcquireAsync("a", cancellation.Token).AsTask();
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => canceled);

        var next = limiter.AcquireAsync("a", Cancel).AsTask();
        running.Dispose();

        Assert.True((await next).IsAcquired);
    }

    [Fact]
    public async Task AcquireAsync_ConcurrentWork_NeverExceedsThePermits()
    {
        var limiter = new FairLimiter(permits: 3, permitsPerTenant: 2);
        var (running, most) = (0, 0);
        await Parallel.ForEachAsync(Enumerable.Range(0, 2_000), new ParallelOptions { MaxDegreeOfParallelism = 32, CancellationToken = Cancel }, async (i, cancellation) =>
        {
            using var permit = await limiter.AcquireAsync($"{i % 5}", cancellation);
            InterlockedMax(ref most, Interlocked.Increment(ref running));
            await Task.Yield();
            Interlocked.Decrement(ref running);
        });

        Assert.InRange(most, 1, 3);
    }

    private static void InterlockedMax(ref int most, int value)
    {
        for (var seen = Volatile.Read(ref most); value > seen; seen = Volatile.Read(ref most))
            Interlocked.CompareExchange(ref most, value, seen);
    }
}
