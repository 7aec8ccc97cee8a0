using Affect.Fusion;
using Affect.Fusion.Peers;
using Affect.Hosting;
using Grpc.Core;
using Microsoft.Extensions.Time.Testing;

namespace Affect.UnitTests.Fusion;

public sealed class PeerCallsTests
{
    private static readonly RpcException Lost = RpcErrors.Status(StatusCode.Unavailable, "gone");

    private readonly FakeTimeProvider _time = new();
    private readonly FusionOptions _options = new() { ModalityTimeout = TimeSpan.FromSeconds(20), RetriesPerCall = 2, RetriesPerModality = 3 };

    [Fact]
    public async Task A_lost_call_is_repeated()
    {
        using var calls = Calls();
        var peer = new Peer(Lost, Lost);

        var answer = await RunAsync(calls.CallAsync(peer.Call));

        Assert.Equal("answer", answer);
        Assert.Equal(3, peer.Attempts);
    }

    [Fact]
    public async Task One_call_is_not_repeated_for_ever()
    {
        using var calls = Calls();
        var peer = new Peer(Lost, Lost, Lost, Lost);

        var exception = await Assert.ThrowsAsync<RpcException>(() => RunAsync(calls.CallAsync(peer.Call)));

        Assert.Equal(StatusCode.Unavailable, exception.StatusCode);
        Assert.Equal(3, peer.Attempts);
    }

    [Fact]
    public async Task All_calls_share_one_budget()
    {
        using var calls = Calls();
        var first = new Peer(Lost, Lost);
        var second = new Peer(Lost, Lost);

        await RunAsync(calls.CallAsync(first.Call));
        await Assert.ThrowsAsync<RpcException>(() => RunAsync(calls.CallAsync(second.Call)));

        Assert.Equal(3, first.Attempts);
        Assert.Equal(2, second.Attempts);
    }

    [Fact]
    public async Task A_full_queue_is_left_alone_for_as_long_as_it_asks()
    {
        using var calls = Calls();
        var peer = new Peer(RpcErrors.ResourceExhausted("full", TimeSpan.FromSeconds(2)));

        var call = calls.CallAsync(peer.Call);
        _time.Advance(TimeSpan.FromSeconds(1.9));
        await Task.Yield();
        Assert.Equal(1, peer.Attempts);

        Assert.Equal("answer", await RunAsync(call));
    }

    [Fact]
    public async Task A_delay_beyond_the_deadline_is_not_waited_for()
    {
        using var calls = Calls();
        var peer = new Peer(RpcErrors.ResourceExhausted("full", TimeSpan.FromSeconds(21)));

        await Assert.ThrowsAsync<RpcException>(() => calls.CallAsync(peer.Call));

        Assert.Equal(1, peer.Attempts);
    }

    [Theory]
    [InlineData(StatusCode.InvalidArgument)]
    [InlineData(StatusCode.Internal)]
    [InlineData(StatusCode.DeadlineExceeded)]
    [InlineData(StatusCode.ResourceExhausted)] // without RetryInfo: a size, not a queue
    public async Task What_would_fail_again_is_not_repeated(StatusCode code)
    {
        using var calls = Calls();
        var peer = new Peer(RpcErrors.Status(code, "no"));

        await Assert.ThrowsAsync<RpcException>(() => calls.CallAsync(peer.Call));

        Assert.Equal(1, peer.Attempts);
    }

    [Fact]
    public void The_token_fires_when_the_time_is_up()
    {
        using var calls = Calls();

        _time.Advance(TimeSpan.FromSeconds(19.9));
        Assert.False(calls.Token.IsCancellationRequested);
        _time.Advance(TimeSpan.FromSeconds(0.2));

        Assert.True(calls.Token.IsCancellationRequested);
        Assert.False(calls.Caller.IsCancellationRequested);
        Assert.True(calls.IsOutage(new OperationCanceledException()));
    }

    [Fact]
    public void A_caller_that_went_away_is_no_outage()
    {
        using var caller = new CancellationTokenSource();
        using var calls = new PeerCalls(_options.ClipBudget, _time, DateTimeOffset.MaxValue, caller.Token);

        caller.Cancel();

        Assert.True(calls.Token.IsCancellationRequested);
        Assert.False(calls.IsOutage(new OperationCanceledException()));
        Assert.False(calls.IsOutage(Lost));
    }

    [Theory]
    [InlineData(20, 60, 20)] // the modality's own
    [InlineData(20, 10, 9.5)] // half a second is kept back
    [InlineData(20, 1, 0.9)] // or a tenth
    [InlineData(20, -1, 0)]
    public void A_nearer_deadline_shortens_the_budget(double modality, double caller, double expected) =>
        Assert.Equal(expected, PeerCalls.Budget(TimeSpan.FromSeconds(modality), TimeSpan.FromSeconds(caller)).TotalSeconds, 1e-6);

    private PeerCalls Calls() => new(_options.ClipBudget, _time, DateTimeOffset.MaxValue, CancellationToken.None);

    /// <summary>Moves the clock until a call is through.</summary>
    private async Task<T> RunAsync<T>(Task<T> call)
    {
        while (!call.IsCompleted)
        {
            _time.Advance(TimeSpan.FromMilliseconds(10));
            await Task.Yield();
        }
        return await call;
    }

    /// <summary>Fails as told, then answers.</summary>
    private sealed class Peer(params RpcException[] failures)
    {
        public int Attempts { get; private set; }

        public AsyncUnaryCall<string> Call(CallOptions options) => new(
            Attempts++ < failures.Length ? Task.FromException<string>(failures[Attempts - 1]) : Task.FromResult("answer"),
            Task.FromResult(new Metadata()), () => Status.DefaultSuccess, () => [], () => { });
    }
}
