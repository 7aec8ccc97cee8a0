using Affect.Hosting;
using Affect.Scheduling;
using Grpc.Core;

namespace Affect.Fusion.Peers;

/// <summary>Limits of requests that belong together.</summary>
/// <param name="Time">Longest time without progress.</param>
/// <param name="MaxConcurrency">Largest number of concurrent requests.</param>
/// <param name="RetriesPerRequest">Retries of one request.</param>
/// <param name="TotalRetries">Retries of all requests together.</param>
internal readonly record struct RequestBudget(TimeSpan Time, int MaxConcurrency, int RetriesPerRequest, int TotalRetries);

/// <summary>
/// The requests of one modality of a clip, or of one window of a call, within one <see cref="RequestBudget"/>. Requests that were
/// lost (<see cref="LostRequests"/>) or met a full queue (RESOURCE_EXHAUSTED with RetryInfo) are retried after a
/// <see cref="Backoff"/>, unless that would exceed the deadline. Thread-safe.
/// </summary>
internal sealed class PeerRequests : IDisposable
{
    private static readonly Backoff Backoff = new(First: TimeSpan.FromMilliseconds(50), Max: TimeSpan.FromSeconds(1));
    private static readonly TimeSpan MaxReserve = TimeSpan.FromSeconds(0.5);

    private readonly TimeProvider _time;
    private readonly TimeSpan _budget;
    private readonly DateTimeOffset _latest;
    private long _deadline; // UTC ticks
    private readonly CancellationTokenSource _timeout;
    private readonly CancellationTokenSource _linked;
    private readonly SemaphoreSlim _slots;
    private readonly int _retriesPerRequest;
    private readonly string _tenant;
    private int _retriesLeft;

    /// <param name="tenant">Tenant of the clip or call, passed on to the peers.</param>
    /// <param name="budget">Limits of the requests.</param>
    /// <param name="time">The clock.</param>
    /// <param name="callerDeadline">Deadline of the caller; <see cref="DateTimeOffset.MaxValue"/> for none.</param>
    /// <param name="cancellation">Fires when the caller disconnects.</param>
    public PeerRequests(string tenant, RequestBudget budget, TimeProvider time, DateTimeOffset callerDeadline, CancellationToken cancellation)
    {
        (_tenant, _time) = (tenant, time);
        _budget = budget.Time;
        var now = time.GetUtcNow();
        _latest = callerDeadline == DateTimeOffset.MaxValue ? callerDeadline : now + AvailableTime(TimeSpan.MaxValue, callerDeadline - now);
        var available = AvailableTime(budget.Time, callerDeadline - now);
        _deadline = (now + available).UtcTicks;
        _timeout = new CancellationTokenSource(available, time);
        _linked = CancellationTokenSource.CreateLinkedTokenSource(_timeout.Token, cancellation);
        Caller = cancellation;
        _slots = new SemaphoreSlim(budget.MaxConcurrency);
        _retriesPerRequest = budget.RetriesPerRequest;
        _retriesLeft = budget.TotalRetries;
    }

    /// <summary>Fires when the time of the budget has elapsed without progress, the caller's time has elapsed, or the caller disconnects.</summary>
    public CancellationToken Token => _linked.Token;

    /// <summary>Fires when the caller disconnects.</summary>
    public CancellationToken Caller { get; }

    /// <summary>Deadline, cancellation and tenant of each request.</summary>
    public CallOptions Options => new CallOptions(deadline: Deadline.UtcDateTime, cancellationToken: Token).WithTenant(_tenant);

    /// <summary>As <see cref="Options"/>, for a stream, which lasts while there is progress.</summary>
    public CallOptions StreamOptions =>
        new CallOptions(deadline: _latest == DateTimeOffset.MaxValue ? null : _latest.UtcDateTime, cancellationToken: Token).WithTenant(_tenant);

    /// <summary>Time until the caller expects the answer.</summary>
    public TimeSpan CallerTime => _latest == DateTimeOffset.MaxValue ? TimeSpan.MaxValue : _latest - _time.GetUtcNow();

    private DateTimeOffset Deadline => new(Volatile.Read(ref _deadline), TimeSpan.Zero);

    /// <summary>Reports progress: the time of the budget starts again.</summary>
    public void ReportProgress()
    {
        var now = _time.GetUtcNow();
        var available = _latest - now < _budget ? _latest - now : _budget;
        if (available <= TimeSpan.Zero)
            return;
        Volatile.Write(ref _deadline, (now + available).UtcTicks);
        _timeout.CancelAfter(available);
    }

    /// <summary>
    /// The time of the budget, or the caller's remaining time if that is shorter, less a tenth of it (at most 0.5 s) for
    /// returning the rest of the answer.
    /// </summary>
    internal static TimeSpan AvailableTime(TimeSpan budget, TimeSpan caller)
    {
        var reserve = caller / 10;
        if (reserve > MaxReserve)
            reserve = MaxReserve;
        var left = caller - reserve;
        return left < TimeSpan.Zero ? TimeSpan.Zero : left < budget ? left : budget;
    }

    /// <summary>Sends a unary request; retries it within the budget.</summary>
    /// <param name="request">Sends it.</param>
    /// <param name="limiter">Each attempt waits for its turn; null if the requests are not limited.</param>
    /// <exception cref="RpcException">The status of the last attempt.</exception>
    /// <exception cref="OperationCanceledException">The time elapsed before the request was sent.</exception>
    public async Task<T> SendAsync<T>(Func<CallOptions, AsyncUnaryCall<T>> request, FairLimiter? limiter = null)
    {
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                return await SendOnceAsync(request, limiter);
            }
            catch (RpcException exception) when (ShouldRetry(exception, attempt, out var delay))
            {
                await DelayAsync(delay);
            }
        }
    }

    private async Task<T> SendOnceAsync<T>(Func<CallOptions, AsyncUnaryCall<T>> request, FairLimiter? limiter)
    {
        await _slots.WaitAsync(Token);
        try
        {
            using var permit = limiter is null ? default : await limiter.AcquireAsync(_tenant, Token);
            using var running = request(Options);
            return await running;
        }
        finally
        {
            _slots.Release();
        }
    }

    /// <summary>True if a failed request should be retried after the delay; takes the retry from the budget.</summary>
    public bool ShouldRetry(RpcException exception, int attempt, out TimeSpan delay)
    {
        var retryAfter = exception.RetryAfter();
        delay = Backoff.Delay(attempt, retryAfter);
        return (exception.IsLost() || (exception.StatusCode == StatusCode.ResourceExhausted && retryAfter is not null))
            && attempt < _retriesPerRequest
            && !Token.IsCancellationRequested
            && _time.GetUtcNow() + delay < Deadline
            && Interlocked.Decrement(ref _retriesLeft) >= 0;
    }

    /// <summary>True if the exception means that a peer did not answer, and not that the caller disconnected.</summary>
    public bool IsOutage(Exception exception) =>
        exception is RpcException or OperationCanceledException && !Caller.IsCancellationRequested;

    /// <summary>Waits before a retry.</summary>
    public Task DelayAsync(TimeSpan delay) => Task.Delay(delay, _time, Token);

    public void Dispose()
    {
        _linked.Dispose();
        _timeout.Dispose();
        _slots.Dispose();
    }
}

internal static class PeerErrors
{
    /// <summary>The description of the violation of a field in an INVALID_ARGUMENT; null if absent.</summary>
    public static string? Violation(this RpcException exception, string field) =>
        exception.StatusCode != StatusCode.InvalidArgument ? null
        : exception.GetRpcStatus()?.GetDetail<Google.Rpc.BadRequest>()?.FieldViolations.FirstOrDefault(violation => violation.Field == field)?.Description;

    /// <summary>True if speech or face reports that the input does not fit the model, or that the model does not exist.</summary>
    public static bool IsModelMismatch(this Exception exception) =>
        exception is RpcException { StatusCode: StatusCode.InvalidArgument or StatusCode.NotFound };

    /// <summary>The status for the log; a canceled request is one whose time has elapsed.</summary>
    public static StatusCode Code(this Exception exception) =>
        exception is RpcException { StatusCode: not StatusCode.Cancelled } rpc ? rpc.StatusCode : StatusCode.DeadlineExceeded;
}
