namespace Affect.Features;

/// <summary>As many pieces of work at once as there are cores, a bounded number that waits, and no more.</summary>
internal sealed class WorkGate(int concurrency, int waiting) : IDisposable
{
    private readonly SemaphoreSlim _slots = new(concurrency);
    private int _inside;

    /// <summary>Runs the work on the thread pool as soon as it is its turn.</summary>
    /// <exception cref="BusyException">Too many wait already.</exception>
    public async Task<T> RunAsync<T>(Func<Task<T>> work, CancellationToken cancellationToken)
    {
        try
        {
            if (Interlocked.Increment(ref _inside) > concurrency + waiting)
                throw new BusyException();
            await _slots.WaitAsync(cancellationToken);
            try
            {
                return await Task.Run(work, cancellationToken);
            }
            finally
            {
                _slots.Release();
            }
        }
        finally
        {
            Interlocked.Decrement(ref _inside);
        }
    }

    public void Dispose() => _slots.Dispose();
}

/// <summary>There is more to do than can be done in time; another try after a while may go through.</summary>
internal sealed class BusyException : Exception;
