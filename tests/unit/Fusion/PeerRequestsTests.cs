using Affect.Fusion;
using Affect.Fusion.Peers;
using Affect.Hosting;
using Grpc.Core;
using Microsoft.Extensions.Time.Testing;

namespace Affect.UnitTests.Fusion;

public sealed class PeerRequestsTests
{
    private static readonly RpcException Lost = RpcErrors.Status(StatusCode.Unavailable, "gone");

    private readonly FakeTimeProvider _time = new();
    private readonly FusionOptions _options = new() { ModalityTimeout = TimeSpan.FromSeconds(20), RetriesPerRequest = 2, RetriesPerModality = 3 };

    [Fact]
    public async Task SendAsync_LostRequest_IsRetried()
    {
        using var requests = Create();
        var peer = new Peer(Lost, Lost);

        var answer = await RunAsync(requests.SendAsync(peer.Respond));

        Assert.Equal("answer", answer);
        Assert.Equal(3, peer.Attempts);
    }

    [Fact]
    public async Task SendAsync_RetriesPerRequestUsed_Throws()
    {
        using var requests = Create();
        var peer = new Peer(Lost, Lost, Lost, Lost);

        var exception = await Assert.ThrowsAsync<RpcException>(() => RunAsync(requests.SendAsync(peer.Respond)));

        Assert.Equal(StatusCode.Unavailable, exception.StatusCode);
        Assert.Equal(3, peer.Attempts);
    }

    [Fact]
    public async Task SendAsync_SeveralRequests_ShareTheTotalRetries()
    {
        using var requests = Create();
        var first = new Peer(Lost, Lost);
        var second = new Peer(Lost, Lost);

        await RunAsync(requests.SendAsync(first.Respond));
        await Assert.ThrowsAsync<RpcException>(() => RunAsync(requests.SendAsync(second.Respond)));

        Assert.Equal(3, first.Attempts);
        Assert.Equal(2, second.Attempts);
    }

    [Fact]
    public async Task SendAsync_FullQueue_WaitsForRetryAfter()
    {
        using var requests = Create();
        var peer = new Peer(RpcErrors.ResourceExhausted("full", TimeSpan.FromSeconds(2)));

        var request = requests.SendAsync(peer.Respond);
        _time.Advance(TimeSpan.FromSeconds(1.9));
        await Task.Yield();
        Assert.Equal(1, peer.Attempts);

        Assert.Equal("answer", await RunAsync(request));
    }

    [Fact]
    public async Task SendAsync_RetryAfterBeyondTheDeadline_Throws()
    {
        using var requests = Create();
        var peer = new Peer(RpcErrors.ResourceExhausted("full", TimeSpan.FromSeconds(21)));

        await Assert.ThrowsAsync<RpcException>(() => requests.SendAsync(peer.Respond));

        Assert.Equal(1, peer.Attempts);
    }

    [Fact]
    public async Task SendAsync_AddressesChanged_IsRetried()
    {
        using var requests = Create();
        // Of Grpc.Net.Client's balancer: without an exception, and without the details of a peer.
        var peer = new Peer(new RpcException(new(StatusCode.Internal, "Unknown error.")));

        Assert.Equal("answer", await RunAsync(requests.SendAsync(peer.Respond)));
    }

    [Theory]
    [InlineData(StatusCode.InvalidArgument)]
    [InlineData(StatusCode.Internal)]
    [InlineData(StatusCode.DeadlineExceeded)]
    [InlineData(StatusCode.ResourceExhausted)] // without RetryInfo: a size limit, not a queue
    public async Task SendAsync_PermanentError_IsNotRetried(StatusCode code)
    {
        using var requests = Create();
        var peer = new Peer(RpcErrors.Status(code, "no"));

        await Assert.ThrowsAsync<RpcException>(() => requests.SendAsync(peer.Respond));

        Assert.Equal(1, peer.Attempts);
    }

    [Fact]
    public void Token_TimeElapsed_Fires()
    {
        using var requests = Create();

        _time.Advance(TimeSpan.FromSeconds(19.9));
        Assert.False(requests.Token.IsCancellationRequested);
        _time.Advance(TimeSpan.FromSeconds(0.2));

        Assert.True(requests.Token.IsCancellationRequested);
        Assert.False(requests.Caller.IsCancellationRequested);
        Assert.True(requests.IsOutage(new OperationCanceledException()));
    }

    [Fact]
    public void ReportProgress_BeforeTheTimeHasElapsed_StartsItAgain()
    {
        using var requests = new PeerRequests("", _options.ClipBudget, _time, _time.GetUtcNow() + TimeSpan.FromSeconds(30), CancellationToken.None);
        for (var i = 0; i < 2; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(12));
            requests.ReportProgress();
            Assert.False(requests.Token.IsCancellationRequested);
        }

        // The caller waits for 30 s, of which half a second is for the rest of the answer.
        Assert.Equal(5.5, requests.CallerTime.TotalSeconds, 1e-6);
        _time.Advance(TimeSpan.FromSeconds(5.5));
        Assert.True(requests.Token.IsCancellationRequested);
    }

    [Fact]
    public void IsOutage_CallerDisconnected_IsFalse()
    {
        using var caller = new CancellationTokenSource();
        using var requests = new PeerRequests("", _options.ClipBudget, _time, DateTimeOffset.MaxValue, caller.Token);

        caller.Cancel();

        Assert.True(requests.Token.IsCancellationRequested);
        Assert.False(requests.IsOutage(new OperationCanceledException()));
        Assert.False(requests.IsOutage(Lost));
    }

    [Theory]
    [InlineData(20, 60, 20)] // the budget
    [InlineData(20, 10, 9.5)] // less half a second
    [InlineData(20, 1, 0.9)] // less a tenth
    [InlineData(20, -1, 0)]
    public void AvailableTime_NearerDeadline_IsShorter(double budget, double caller, double expected) =>
        Assert.Equal(expected, PeerRequests.AvailableTime(TimeSpan.FromSeconds(budget), TimeSpan.FromSeconds(caller)).TotalSeconds, 1e-6);

    private PeerRequests Create() => new("", _options.ClipBudget, _time, DateTimeOffset.MaxValue, CancellationToken.None);

    /// <summary>Advances the clock until a request completes.</summary>
    private async Task<T> RunAsync<T>(Task<T> request)
    {
        while (!request.IsCompleted)
        {
            _time.Advance(TimeSpan.FromMilliseconds(10));
            await Task.Yield();
        }
        return await request;
    }

    /// <summary>Fails with the given statuses, then answers.</summary>
    private sealed class Peer(params RpcException[] failures)
    {
        public int Attempts { get; private set; }

        public AsyncUnaryCall<string> Respond(CallOptions options) => new(
            Attempts++ < failures.Length ? Task.FromException<string>(failures[Attempts - 1]) : Task.FromResult("answer"),
            Task.FromResult(new Metadata()), () => Status.DefaultSuccess, () => [], () => { });
    }
}
