using Affect.Features;
using Affect.Features.Pictures;

namespace Affect.UnitTests.Features;

public sealed class WorkGateTests
{
    [Fact]
    public async Task Some_work_some_wait_and_no_more()
    {
        using var gate = new WorkGate(concurrency: 2, waiting: 1);
        var finish = new TaskCompletionSource();
        var started = new SemaphoreSlim(0);
        var first = Work();
        var second = Work();
        await started.WaitAsync(TestContext.Current.CancellationToken);
        await started.WaitAsync(TestContext.Current.CancellationToken);
        var third = Work(); // waits
        await Assert.ThrowsAsync<BusyException>(Work);

        finish.SetResult();
        int[] done = await Task.WhenAll(first, second, third);
        Assert.Equal(3, done.Sum());
        Assert.Equal(1, await Work());

        Task<int> Work() => gate.RunAsync(
            async () =>
            {
                started.Release();
                await finish.Task;
                return 1;
            },
            TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Who_gives_up_waiting_leaves_his_place()
    {
        using var gate = new WorkGate(concurrency: 1, waiting: 1);
        var finish = new TaskCompletionSource<int>();
        var first = gate.RunAsync(() => finish.Task, TestContext.Current.CancellationToken);

        using var patience = new CancellationTokenSource();
        var second = gate.RunAsync(() => Task.FromResult(2), patience.Token);
        await patience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);

        var third = gate.RunAsync(() => Task.FromResult(3), TestContext.Current.CancellationToken);
        finish.SetResult(1);
        Assert.Equal((1, 3), (await first, await third));
    }

    [Fact]
    public async Task Work_that_fails_frees_its_place()
    {
        using var gate = new WorkGate(concurrency: 1, waiting: 0);
        for (var i = 0; i < 3; i++)
        {
            await Assert.ThrowsAsync<PictureFormatException>(() => gate.RunAsync<int>(
                () => throw new PictureFormatException("no"), TestContext.Current.CancellationToken));
        }
    }
}
