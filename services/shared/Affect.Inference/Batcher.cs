using System.Diagnostics;
using Affect.Scheduling;
using Microsoft.Extensions.Logging;

namespace Affect.Inference;

/// <summary>Computes a batch: one result per input, null if the model gives no finite output for it.</summary>
public delegate void RunBatch(ReadOnlySpan<ReadOnlyMemory<byte>> inputs, Span<Classification?> results);

/// <summary>
/// Batches single inputs. The queue is bounded and fair between tenants; a dedicated thread dequeues inputs and computes, so that
/// computing never blocks the thread pool. While one batch is computed the next one forms; a single input does not wait for others
/// unless <see cref="InferenceOptions.MaxDelay"/> is set. A batch is limited in size and in its expected duration, because an input
/// that arrives meanwhile waits for its end. Expired and canceled inputs are dropped when dequeued, and a failed
/// batch fails its own inputs only. Thread-safe.
/// </summary>
public sealed class Batcher : IAsyncDisposable
{
    // Weight of the latest batch in the moving average.
    private const double Smoothing = 0.1;

    private static readonly TimeSpan ShortestRetry = TimeSpan.FromMilliseconds(10);

    private readonly object _lock = new();
    private readonly FairQueue<Pending> _queue; // guarded by _lock, which is pulsed when the worker must look at it
    private readonly RunBatch _run;
    private readonly int _maxBatchSize;
    private readonly TimeSpan _maxDelay, _maxBatchDuration;
    private readonly TagList _tags;
    private readonly InferenceMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Used by the worker alone.
    private readonly List<Pending> _batch;
    private readonly ReadOnlyMemory<byte>[] _inputs;
    private readonly Classification?[] _results;

    private double _secondsPerInput; // written by the worker, read by callers
    private bool _stopping; // guarded by _lock

    /// <summary>Starts the worker.</summary>
    /// <param name="name">Name of the model in thread name, log and metrics.</param>
    /// <param name="version">Version of the model in log and metrics.</param>
    /// <param name="run">Computes a batch; called by the worker alone.</param>
    /// <param name="options">Batch size, delay, queue capacity.</param>
    /// <param name="metrics">Records durations and sizes.</param>
    /// <param name="time">Clock of deadlines and durations.</param>
    /// <param name="logger">Receives failed batches.</param>
    public Batcher(
        string name, string version, RunBatch run, InferenceOptions options,
        InferenceMetrics metrics, TimeProvider time, ILogger logger)
    {
        _run = run;
        _metrics = metrics;
        _time = time;
        _logger = logger;
        _maxBatchSize = options.MaxBatchSize;
        _maxDelay = options.MaxDelay;
        _maxBatchDuration = options.MaxBatchDuration;
        _tags = new() { { "model", name }, { "version", version } };
        _queue = new(options.QueueCapacity);
        _batch = new List<Pending>(_maxBatchSize);
        _inputs = new ReadOnlyMemory<byte>[_maxBatchSize];
        _results = new Classification?[_maxBatchSize];
        new Thread(Work) { IsBackground = true, Name = $"{name} {version}" }.Start();
    }

    /// <summary>Enqueues one input and waits for its result.</summary>
    /// <param name="tenant">Tenants take turns; the inputs of one are computed in the order of their arrival.</param>
    /// <param name="input">Must not change until the task completes.</param>
    /// <param name="deadline">UTC; an input that is still queued then is dropped.</param>
    /// <param name="cancellationToken">Drops the input if it is still queued.</param>
    /// <returns>The result; null if the model gives no finite output for this input.</returns>
    /// <exception cref="QueueFullException">The queue is full, and no other tenant has more inputs in it.</exception>
    /// <exception cref="DeadlinePassedException">The deadline expired in the queue.</exception>
    /// <exception cref="BatchFailedException">The batch failed.</exception>
    /// <exception cref="NotServingException">The batcher has been stopped.</exception>
    public Task<Classification?> RunAsync(string tenant, ReadOnlyMemory<byte> input, DateTime deadline, CancellationToken cancellationToken)
    {
        var pending = new Pending(input, deadline, _time.GetTimestamp(), cancellationToken);
        Pending? rejected;
        lock (_lock)
        {
            if (_stopping)
                throw new NotServingException("the model is shutting down");
            rejected = _queue.Enqueue(tenant, pending);
            Monitor.Pulse(_lock);
        }

        if (rejected is not null)
        {
            _metrics.Rejected("full", 1, _tags);
            rejected.TrySetException(new QueueFullException(TimeToEmpty()));
        }

        return pending.Task;
    }

    /// <summary>Rejects further inputs, computes the queued ones, and stops the worker.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_lock)
        {
            _stopping = true;
            Monitor.Pulse(_lock);
        }

        await _stopped.Task;
    }

    private TimeSpan TimeToEmpty()
    {
        int count;
        lock (_lock)
            count = _queue.Count;
        var estimate = TimeSpan.FromSeconds(count * Volatile.Read(ref _secondsPerInput));
        return estimate > ShortestRetry ? estimate : ShortestRetry;
    }

    private void Work()
    {
        while (Gather())
        {
            Run();
            _batch.Clear();
        }
        _stopped.SetResult();
    }

    /// <summary>Fills the batch with at least one input; false once the batcher is stopping and the queue is empty.</summary>
    private bool Gather()
    {
        var size = BatchSize();
        while (_batch.Count == 0)
        {
            if (!WaitForInput(CancellationToken.None))
                return false;
            DequeueAll(size);
        }
        if (_maxDelay > TimeSpan.Zero && _batch.Count < size)
            GatherUntil(_batch[0].Arrived, size);
        return true;
    }

    private void GatherUntil(long arrived, int size)
    {
        var rest = _maxDelay - _time.GetElapsedTime(arrived);
        if (rest <= TimeSpan.Zero)
            return;
        using var late = new CancellationTokenSource(rest, _time);
        using var wake = late.Token.UnsafeRegister(_ => Pulse(), null);
        while (_batch.Count < size && WaitForInput(late.Token))
            DequeueAll(size);
        _batch.RemoveAll(TryDrop);
    }

    /// <summary>Inputs that are expected to take no longer than <see cref="InferenceOptions.MaxBatchDuration"/>, at most the largest batch.</summary>
    private int BatchSize() => _secondsPerInput == 0
        ? _maxBatchSize
        : (int)Math.Clamp(_maxBatchDuration.TotalSeconds / _secondsPerInput, 1, _maxBatchSize);

    private void DequeueAll(int size)
    {
        lock (_lock)
            while (_batch.Count < size && _queue.TryDequeue(out var pending))
                if (!TryDrop(pending))
                    _batch.Add(pending);
    }

    /// <summary>True once an input is queued; false if the delay elapses before, or if the batcher is stopping.</summary>
    private bool WaitForInput(CancellationToken late)
    {
        lock (_lock)
        {
            while (_queue.Count == 0 && !_stopping && !late.IsCancellationRequested)
                Monitor.Wait(_lock);
            return _queue.Count > 0;
        }
    }

    private void Pulse()
    {
        lock (_lock)
            Monitor.Pulse(_lock);
    }

    /// <summary>Completes a canceled or expired input without computing it; false if it must be computed.</summary>
    private bool TryDrop(Pending pending)
    {
        if (pending.CancellationToken.IsCancellationRequested)
        {
            _metrics.Rejected("canceled", 1, _tags);
            pending.TrySetCanceled(pending.CancellationToken);
            return true;
        }
        if (pending.Deadline <= _time.GetUtcNow().UtcDateTime)
        {
            _metrics.Rejected("expired", 1, _tags);
            pending.TrySetException(new DeadlinePassedException());
            return true;
        }
        return false;
    }

    private void Run()
    {
        var count = _batch.Count;
        if (count == 0)
            return;
        var started = _time.GetTimestamp();
        for (var i = 0; i < count; i++)
        {
            _inputs[i] = _batch[i].Input;
            _metrics.Queued(_time.GetElapsedTime(_batch[i].Arrived, started), _tags);
        }
        try
        {
            _run(_inputs.AsSpan(0, count), _results.AsSpan(0, count));
            var duration = _time.GetElapsedTime(started);
            _metrics.Ran(duration, count, _tags);
            var secondsPerInput = duration.TotalSeconds / count;
            Volatile.Write(ref _secondsPerInput, _secondsPerInput == 0
                ? secondsPerInput
                : (1 - Smoothing) * _secondsPerInput + Smoothing * secondsPerInput);
            for (var i = 0; i < count; i++)
                _batch[i].TrySetResult(_results[i]);
        }
        catch (Exception exception)
        {
            // The next batch may succeed: the worker survives any exception.
            _metrics.Rejected("failed", count, _tags);
            Log.BatchFailed(_logger, Thread.CurrentThread.Name!, count, exception);
            foreach (var pending in _batch)
                pending.TrySetException(new BatchFailedException(exception));
        }
        Array.Clear(_inputs, 0, count);
        Array.Clear(_results, 0, count);
    }

    /// <summary>One queued input. Continuations of its caller never run on the worker's thread.</summary>
    private sealed class Pending(ReadOnlyMemory<byte> input, DateTime deadline, long arrived, CancellationToken cancellationToken)
        : TaskCompletionSource<Classification?>(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        public ReadOnlyMemory<byte> Input { get; } = input;

        public DateTime Deadline { get; } = deadline;

        public long Arrived { get; } = arrived;

        public CancellationToken CancellationToken { get; } = cancellationToken;
    }
}
