using System.Diagnostics;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace Affect.Inference;

/// <summary>Computes a batch: one result per input, null if the model gives no finite output for it.</summary>
public delegate void RunBatch(ReadOnlySpan<ReadOnlyMemory<byte>> inputs, Span<Classification?> results);

/// <summary>
/// Batches single inputs. The queue is bounded; a dedicated thread dequeues inputs and computes, so that computing never
/// blocks the thread pool. While one batch is computed the next one forms; a single input does not wait for others
/// unless <see cref="InferenceOptions.MaxDelay"/> is set. Expired and canceled inputs are dropped when dequeued, and a failed
/// batch fails its own inputs only. Thread-safe.
/// </summary>
public sealed class Batcher : IAsyncDisposable
{
    // Weight of the latest batch in the moving average.
    private const double Smoothing = 0.1;

    private static readonly TimeSpan ShortestRetry = TimeSpan.FromMilliseconds(10);

    private readonly Channel<Pending> _queue;
    private readonly RunBatch _run;
    private readonly int _maxBatchSize;
    private readonly TimeSpan _maxDelay;
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
    private volatile bool _stopping;

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
        _tags = new() { { "model", name }, { "version", version } };
        _queue = Channel.CreateBounded<Pending>(new BoundedChannelOptions(options.QueueCapacity) { SingleReader = true });
        _batch = new List<Pending>(_maxBatchSize);
        _inputs = new ReadOnlyMemory<byte>[_maxBatchSize];
        _results = new Classification?[_maxBatchSize];
        new Thread(Work) { IsBackground = true, Name = $"{name} {version}" }.Start();
    }

    /// <summary>Enqueues one input and waits for its result.</summary>
    /// <param name="input">Must not change until the task completes.</param>
    /// <param name="deadline">UTC; an input that is still queued then is dropped.</param>
    /// <param name="cancellationToken">Drops the input if it is still queued.</param>
    /// <returns>The result; null if the model gives no finite output for this input.</returns>
    /// <exception cref="QueueFullException">The queue is full.</exception>
    /// <exception cref="DeadlinePassedException">The deadline expired in the queue.</exception>
    /// <exception cref="BatchFailedException">The batch failed.</exception>
    /// <exception cref="NotServingException">The batcher has been stopped.</exception>
    public Task<Classification?> RunAsync(ReadOnlyMemory<byte> input, DateTime deadline, CancellationToken cancellationToken)
    {
        var pending = new Pending(input, deadline, _time.GetTimestamp(), cancellationToken);
        if (_queue.Writer.TryWrite(pending))
            return pending.Task;
        if (_stopping)
            throw new NotServingException("the model is shutting down");
        _metrics.Rejected("full", 1, _tags);
        throw new QueueFullException(TimeToEmpty());
    }

    /// <summary>Rejects further inputs, computes the queued ones, and stops the worker.</summary>
    public async ValueTask DisposeAsync()
    {
        _stopping = true;
        _queue.Writer.TryComplete();
        await _stopped.Task;
    }

    private TimeSpan TimeToEmpty()
    {
        var estimate = TimeSpan.FromSeconds(_queue.Reader.Count * Volatile.Read(ref _secondsPerInput));
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

    /// <summary>Fills the batch with at least one input; false once the queue is completed and empty.</summary>
    private bool Gather()
    {
        while (_batch.Count == 0)
        {
            if (!Wait(_queue.Reader.WaitToReadAsync(CancellationToken.None)))
                return false;
            DequeueAll();
        }
        if (_maxDelay > TimeSpan.Zero && _batch.Count < _maxBatchSize)
            GatherUntil(_batch[0].Arrived);
        return true;
    }

    private void GatherUntil(long arrived)
    {
        var rest = _maxDelay - _time.GetElapsedTime(arrived);
        if (rest <= TimeSpan.Zero)
            return;
        using var late = new CancellationTokenSource(rest, _time);
        try
        {
            while (_batch.Count < _maxBatchSize && Wait(_queue.Reader.WaitToReadAsync(late.Token)))
                DequeueAll();
        }
        catch (OperationCanceledException)
        {
            // The delay has elapsed.
        }
        _batch.RemoveAll(TryDrop);
    }

    private void DequeueAll()
    {
        while (_batch.Count < _maxBatchSize && _queue.Reader.TryRead(out var pending))
            if (!TryDrop(pending))
                _batch.Add(pending);
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

    private static bool Wait(ValueTask<bool> ready) =>
        ready.IsCompleted ? ready.Result : ready.AsTask().GetAwaiter().GetResult();

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
