using System.Diagnostics;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace Affect.Inference;

/// <summary>Computes a batch: one result for each input, null where there is none for it.</summary>
public delegate void RunBatch(ReadOnlySpan<ReadOnlyMemory<byte>> inputs, Span<Classification?> results);

/// <summary>
/// Gathers single inputs into batches. The queue is bounded; one thread of its own takes inputs from it and
/// computes, so that what runs never shares its thread with what waits. While one batch is computed
/// the next forms by itself; a lone input goes at once unless a delay is asked for. Inputs that have expired or been
/// cancelled are dropped when their turn comes, and a batch that fails fails its own inputs only.
/// </summary>
public sealed class Batcher : IAsyncDisposable
{
    // The latest batches count most: a tenth each.
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

    // Only the worker touches these.
    private readonly List<Pending> _batch;
    private readonly ReadOnlyMemory<byte>[] _inputs;
    private readonly Classification?[] _results;

    private double _secondsPerInput; // written by the worker, read by all
    private volatile bool _stopping;

    /// <summary>Starts the worker.</summary>
    /// <param name="name">Of the model, for thread, log and metrics.</param>
    /// <param name="version">Of the model, for log and metrics.</param>
    /// <param name="run">Computes a batch; called by one thread.</param>
    /// <param name="options">Batch size, delay, length of the queue.</param>
    /// <param name="metrics">Where durations and sizes go.</param>
    /// <param name="time">For deadlines and durations.</param>
    /// <param name="logger">Where batches that fail are told of.</param>
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

    /// <summary>Puts one input in the queue and waits for its turn.</summary>
    /// <param name="input">Bytes that stay as they are until the answer comes.</param>
    /// <param name="deadline">UTC; after it the input is not computed any more.</param>
    /// <param name="cancellationToken">Once cancelled the input is not computed any more.</param>
    /// <returns>The result; null where the model has none for this input.</returns>
    /// <exception cref="QueueFullException">Too many inputs wait already.</exception>
    /// <exception cref="DeadlinePassedException">The deadline came first.</exception>
    /// <exception cref="BatchFailedException">The batch failed.</exception>
    /// <exception cref="NotServingException">The batcher has been stopped.</exception>
    public Task<Classification?> RunAsync(ReadOnlyMemory<byte> input, DateTime deadline, CancellationToken cancellationToken)
    {
        var pending = new Pending(input, deadline, _time.GetTimestamp(), cancellationToken);
        if (_queue.Writer.TryWrite(pending))
            return pending.Task;
        if (_stopping)
            throw new NotServingException("the model is being taken down");
        _metrics.Refuse("full", 1, _tags);
        throw new QueueFullException(TimeToEmpty());
    }

    /// <summary>Takes no more inputs, computes those that wait, and stops the worker.</summary>
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

    /// <summary>Fills the batch with at least one input; false once there will be no more.</summary>
    private bool Gather()
    {
        while (_batch.Count == 0)
        {
            if (!Wait(_queue.Reader.WaitToReadAsync(CancellationToken.None)))
                return false;
            TakeWaiting();
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
                TakeWaiting();
        }
        catch (OperationCanceledException)
        {
            // The delay is over.
        }
        _batch.RemoveAll(Dropped);
    }

    private void TakeWaiting()
    {
        while (_batch.Count < _maxBatchSize && _queue.Reader.TryRead(out var pending))
            if (!Dropped(pending))
                _batch.Add(pending);
    }

    /// <summary>Tells the caller of an input that nobody waits for any more, and leaves it out.</summary>
    private bool Dropped(Pending pending)
    {
        if (pending.CancellationToken.IsCancellationRequested)
        {
            _metrics.Refuse("cancelled", 1, _tags);
            pending.TrySetCanceled(pending.CancellationToken);
            return true;
        }
        if (pending.Deadline <= _time.GetUtcNow().UtcDateTime)
        {
            _metrics.Refuse("expired", 1, _tags);
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
            // Whatever it was, the next batch may be well: the worker lives on.
            _metrics.Refuse("failed", count, _tags);
            Log.BatchFailed(_logger, Thread.CurrentThread.Name!, count, exception);
            foreach (var pending in _batch)
                pending.TrySetException(new BatchFailedException(exception));
        }
        Array.Clear(_inputs, 0, count);
        Array.Clear(_results, 0, count);
    }

    private static bool Wait(ValueTask<bool> ready) =>
        ready.IsCompleted ? ready.Result : ready.AsTask().GetAwaiter().GetResult();

    /// <summary>One input in the queue. Its caller's continuation never runs on the worker's thread.</summary>
    private sealed class Pending(ReadOnlyMemory<byte> input, DateTime deadline, long arrived, CancellationToken cancellationToken)
        : TaskCompletionSource<Classification?>(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        public ReadOnlyMemory<byte> Input { get; } = input;

        public DateTime Deadline { get; } = deadline;

        public long Arrived { get; } = arrived;

        public CancellationToken CancellationToken { get; } = cancellationToken;
    }
}
