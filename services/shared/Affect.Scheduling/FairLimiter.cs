namespace Affect.Scheduling;

/// <summary>
/// Limits concurrent work, as a whole and per tenant. Work beyond it waits in a <see cref="FairQueue{T}"/>: each permit goes to the next
/// tenant, so that a tenant waits behind its own work and at most one item of each other tenant. Thread-safe.
/// </summary>
public sealed class FairLimiter
{
    private readonly Lock _lock = new();
    private readonly int? _permitsPerTenant;

    // Guarded by _lock. Permits are counted by tenant only if these are limited.
    private readonly FairQueue<Waiter> _waiting;
    private readonly Dictionary<string, int> _held = [];
    private int _free;

    /// <param name="permits">Maximum amount of concurrent work.</param>
    /// <param name="permitsPerTenant">Maximum amount of concurrent work of one tenant.</param>
    /// <param name="queueLimit">Maximum amount of waiting work.</param>
    public FairLimiter(int permits, int permitsPerTenant = int.MaxValue, int queueLimit = int.MaxValue)
    {
        _free = permits;
        _permitsPerTenant = permitsPerTenant < permits ? permitsPerTenant : null;
        _waiting = new(queueLimit);
    }

    /// <summary>Acquires a permit; completes synchronously if one is free. Dispose the permit to release it.</summary>
    /// <returns>A permit that is not acquired if the queue is full: immediately, or while waiting, if work of another tenant takes the place.</returns>
    /// <exception cref="OperationCanceledException">Canceled while waiting.</exception>
    public ValueTask<FairPermit> AcquireAsync(string tenant, CancellationToken cancellation)
    {
        if (cancellation.IsCancellationRequested)
            return ValueTask.FromCanceled<FairPermit>(cancellation);
        Waiter waiter;
        Waiter? rejected;
        lock (_lock)
        {
            if (_free > 0 && MayTake(tenant))
            {
                Take(tenant);
                return new(new FairPermit(this, tenant));
            }

            rejected = _waiting.Enqueue(tenant, waiter = new(tenant));
        }

        rejected?.SetResult(default);
        return rejected == waiter ? default : WaitAsync(waiter, cancellation);
    }

    internal void Release(string tenant)
    {
        Waiter? next = null;
        lock (_lock)
        {
            _free++;
            if (_permitsPerTenant is not null && --_held[tenant] == 0)
                _held.Remove(tenant);
            if (_waiting.TryDequeue(out next, MayTake))
                Take(next.Tenant);
        }

        next?.SetResult(new(this, next.Tenant));
    }

    private async ValueTask<FairPermit> WaitAsync(Waiter waiter, CancellationToken cancellation)
    {
        using var registration = cancellation.UnsafeRegister(_ => Cancel(waiter, cancellation), null);
        return await waiter.Task;
    }

    private void Cancel(Waiter waiter, CancellationToken cancellation)
    {
        bool waiting;
        lock (_lock)
            waiting = _waiting.Remove(waiter.Tenant, waiter);
        if (waiting)
            waiter.SetCanceled(cancellation);
    }

    private bool MayTake(string tenant) => _permitsPerTenant is not { } limit || _held.GetValueOrDefault(tenant) < limit;

    private void Take(string tenant)
    {
        _free--;
        if (_permitsPerTenant is not null)
            _held[tenant] = _held.GetValueOrDefault(tenant) + 1;
    }

    /// <summary>Completed by the one that removes it from the queue. Its continuation never runs on that one's thread.</summary>
    private sealed class Waiter(string tenant) : TaskCompletionSource<FairPermit>(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        public string Tenant => tenant;
    }
}

/// <summary>A permit of a <see cref="FairLimiter"/>. Dispose it once.</summary>
public readonly struct FairPermit : IDisposable
{
    private readonly FairLimiter? _limiter;
    private readonly string _tenant;

    internal FairPermit(FairLimiter limiter, string tenant) => (_limiter, _tenant) = (limiter, tenant);

    /// <summary>False if the queue of the limiter was full.</summary>
    public bool IsAcquired => _limiter is not null;

    /// <summary>Releases the permit.</summary>
    public void Dispose() => _limiter?.Release(_tenant);
}
