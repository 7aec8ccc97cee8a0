using Affect.Features;
using Affect.Features.Pictures;
using Affect.Scheduling;
using Google.Rpc;
using Grpc.Core;

namespace Affect.UnitTests.Features;

public sealed class FairLimiterExtensionsTests
{
    [Fact]
    public async Task RunAsync_FullQueue_IsResourceExhaustedWithRetryInfo()
    {
        var limiter = new FairLimiter(permits: 2, queueLimit: 1);
        var finish = new TaskCompletionSource();
        using var started = new SemaphoreSlim(0);
        var first = Work();
        var second = Work();
        await started.WaitAsync(TestContext.Current.CancellationToken);
        await started.WaitAsync(TestContext.Current.CancellationToken);
        var third = Work(); // waits

        var rejection = await Assert.ThrowsAsync<RpcException>(Work);
        Assert.Equal(StatusCode.ResourceExhausted, rejection.StatusCode);
        Assert.True(rejection.GetRpcStatus()!.GetDetail<RetryInfo>().RetryDelay.ToTimeSpan() > TimeSpan.Zero);

        finish.SetResult();
        int[] done = await Task.WhenAll(first, second, third);
        Assert.Equal(3, done.Sum());
        Assert.Equal(1, await Work());

        Task<int> Work() => limiter.RunAsync(
            "", "audio",
            async () =>
            {
                started.Release();
                await finish.Task;
                return 1;
            },
            TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task RunAsync_CanceledWhileQueued_FreesItsPlaceInTheQueue()
    {
        var limiter = new FairLimiter(permits: 1, queueLimit: 1);
        var finish = new TaskCompletionSource<int>();
        var first = limiter.RunAsync("", "audio", () => finish.Task, TestContext.Current.CancellationToken);

        using var cancellation = new CancellationTokenSource();
        var second = limiter.RunAsync("", "audio", () => Task.FromResult(2), cancellation.Token);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);

        var third = limiter.RunAsync("", "audio", () => Task.FromResult(3), TestContext.Current.CancellationToken);
        finish.SetResult(1);
        Assert.Equal((1, 3), (await first, await third));
    }

    [Fact]
    public async Task RunAsync_UndecodablePicture_IsInvalidArgumentAndFreesItsPermit()
    {
        var limiter = new FairLimiter(permits: 1, queueLimit: 0);
        for (var i = 0; i < 3; i++)
        {
            var rejection = await Assert.ThrowsAsync<RpcException>(() => limiter.RunAsync<int>(
                "", "image", () => throw new PictureFormatException("no"), TestContext.Current.CancellationToken));
            Assert.Equal(StatusCode.InvalidArgument, rejection.StatusCode);
            Assert.Equal("image", Assert.Single(rejection.GetRpcStatus()!.GetDetail<BadRequest>().FieldViolations).Field);
        }
    }
}
