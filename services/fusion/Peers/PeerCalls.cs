using Affect.Hosting;
using Grpc.Core;

namespace Affect.Fusion.Peers;

/// <summary>What calls that belong together may take.</summary>
/// <param name="Time">All of them.</param>
/// <param name="AtOnce">How many run at the same time.</param>
/// <param name="RetriesPerCall">How often one is repeated.</param>
/// <param name="RetriesInAll">How often all of them together are.</param>
internal readonly record struct CallBudget(TimeSpan Time, int AtOnce, int RetriesPerCall, int RetriesInAll);

/// <summary>
/// The calls of one modality of one clip, or of one window of a call: so many at once, all before one deadline, repeated
/// from one budget. What was lost (UNAVAILABLE) or met a full queue (RESOURCE_EXHAUSTED with RetryInfo) is
/// repeated after the peer's own delay or a growing, jittered one; never where the delay would pass the deadline.
/// </summary>
internal sealed class PeerCalls : IDisposable
{
    private static readonly Backoff Backoff = new(First: TimeSpan.FromMilliseconds(50), Max: TimeSpan.FromSeconds(1));

    private readonly TimeProvider _time;
    private readonly DateTimeOffset _deadline;
    private readonly CancellationTokenSource _timeout;
    private readonly CancellationTokenSource _linked;
    private readonly SemaphoreSlim _gate;
    private readonly int _retriesPerCall;
    private int _retriesLeft;

    /// <param name="allowed">What the calls may take.</param>
    /// <param name="time">The clock.</param>
    /// <param name="callerDeadline">When the caller stops waiting; <see cref="DateTimeOffset.MaxValue"/> for never.</param>
    /// <param name="cancellation">Fires when the caller went away.</param>
    public PeerCalls(CallBudget allowed, TimeProvider time, DateTimeOffset callerDeadline, CancellationToken cancellation)
    {
        _time = time;
        var now = time.GetUtcNow();
        var budget = Budget(allowed.Time, callerDeadline - now);
        _deadline = now + budget;
        _timeout = new CancellationTokenSource(budget, time);
        _linked = CancellationTokenSource.CreateLinkedTokenSource(_timeout.Token, cancellation);
        Caller = cancellation;
        _gate = new SemaphoreSlim(allowed.AtOnce);
        _retriesPerCall = allowed.RetriesPerCall;
        _retriesLeft = allowed.RetriesInAll;
    }

    /// <summary>Fires when the modality's time is up or the caller went away.</summary>
    public CancellationToken Token => _linked.Token;

    /// <summary>Fires only when the caller went away.</summary>
    public CancellationToken Caller { get; }

    /// <summary>What every call of the modality carries.</summary>
    public CallOptions Options => new(deadline: _deadline.UtcDateTime, cancellationToken: Token);

    /// <summary>
    /// A tenth of what the caller still waits, half a second at the most, is kept back: the rest of
    /// the answer has to reach the caller.
    /// </summary>
    internal static TimeSpan Budget(TimeSpan modality, TimeSpan caller)
    {
        var reserve = caller / 10;
        if (reserve > TimeSpan.FromSeconds(0.5))
            reserve = TimeSpan.FromSeconds(0.5);
        var left = caller - reserve;
        return left < TimeSpan.Zero ? TimeSpan.Zero : left < modality ? left : modality;
    }

    /// <summary>Makes a unary call, repeated within the budget.</summary>
    /// <exception cref="RpcException">What the last attempt came to.</exception>
    /// <exception cref="OperationCanceledException">The time was up before the call was made.</exception>
    public async Task<T> CallAsync<T>(Func<CallOptions, AsyncUnaryCall<T>> call)
    {
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                return await CallOnceAsync(call);
            }
            catch (RpcException exception) when (MayRepeat(exception, attempt, out var delay))
            {
                await DelayAsync(delay);
            }
        }
    }

    private async Task<T> CallOnceAsync<T>(Func<CallOptions, AsyncUnaryCall<T>> call)
    {
        await _gate.WaitAsync(Token);
        try
        {
            using var running = call(Options);
            return await running;
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Whether a failed call may be made again, which takes from the budget, and after which delay.</summary>
    public bool MayRepeat(RpcException exception, int attempt, out TimeSpan delay)
    {
        var retryAfter = exception.RetryAfter();
        delay = Backoff.Delay(attempt, retryAfter);
        // A connection that breaks in the midst of a call shows in several ways; what a peer says has no exception behind it.
        var lost = exception.StatusCode == StatusCode.Unavailable
            || (exception.StatusCode != StatusCode.DeadlineExceeded && exception.Status.DebugException is not null)
            || (exception.StatusCode == StatusCode.ResourceExhausted && retryAfter is not null);
        return lost
            && attempt < _retriesPerCall
            && !Token.IsCancellationRequested
            && _time.GetUtcNow() + delay < _deadline
            && Interlocked.Decrement(ref _retriesLeft) >= 0;
    }

    /// <summary>
    /// Whether an exception means that a peer did not answer, so that the modality does without; not
    /// where the caller itself went away.
    /// </summary>
    public bool IsOutage(Exception exception) =>
        exception is RpcException or OperationCanceledException && !Caller.IsCancellationRequested;

    /// <summary>Waits before a call is repeated.</summary>
    public Task DelayAsync(TimeSpan delay) => Task.Delay(delay, _time, Token);

    public void Dispose()
    {
        _linked.Dispose();
        _timeout.Dispose();
        _gate.Dispose();
    }
}

internal static class PeerErrors
{
    /// <summary>Whether speech or face says that what it was sent does not fit its model, or that it has no such model.</summary>
    public static bool IsMisfit(this Exception exception) =>
        exception is RpcException { StatusCode: StatusCode.InvalidArgument or StatusCode.NotFound };

    /// <summary>The status for the log; what was cancelled here was cancelled because time was up.</summary>
    public static StatusCode Code(this Exception exception) =>
        exception is RpcException { StatusCode: not StatusCode.Cancelled } rpc ? rpc.StatusCode : StatusCode.DeadlineExceeded;
}
