using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Affect.Emotions;
using Affect.Inference;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;

namespace Affect.UnitTests.Inference;

/// <summary>
/// The model of these tests blocks until it is released: a test observes the start of each batch, acts while it is
/// computed, and then lets it finish.
/// </summary>
public sealed class BatcherTests : IDisposable
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30); // bounds a failing test

    private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly FakeLogCollector _logs = new();
    private readonly ILoggerFactory _loggers;
    private readonly InferenceMetrics _metrics;
    private readonly BlockingCollection<byte[]> _started = [];
    private readonly SemaphoreSlim _go = new(0);

    public BatcherTests()
    {
        _loggers = LoggerFactory.Create(logging => logging.AddProvider(new FakeLoggerProvider(_logs)));
        _metrics = new InferenceMetrics(_services.GetRequiredService<IMeterFactory>());
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _services.Dispose();
        _loggers.Dispose();
        _started.Dispose();
        _go.Dispose();
    }

    [Fact]
    public async Task RunAsync_SingleInput_IsComputedImmediately()
    {
        await using var batcher = Batcher(new TestOptions());

        var answer = Send(batcher, 7);

        Assert.Equal([7], Started());
        _go.Release();
        Assert.Equal(7, Number(await answer));
    }

    [Fact]
    public async Task RunAsync_InputsDuringABatch_FormTheNextBatch()
    {
        await using var batcher = Batcher(new TestOptions());
        var first = Send(batcher, 1);
        Assert.Equal([1], Started());

        var rest = Enumerable.Range(2, 5).Select(i => Send(batcher, (byte)i)).ToList();
        _go.Release();

        Assert.Equal([2, 3, 4, 5, 6], Started());
        _go.Release();
        Assert.Equal(1, Number(await first));
        Assert.Equal([2, 3, 4, 5, 6], (await Task.WhenAll(rest)).Select(Number));
    }

    [Fact]
    public async Task RunAsync_MoreInputsThanMaxBatchSize_AreSplit()
    {
        await using var batcher = Batcher(new TestOptions { MaxBatchSize = 3 });
        var answers = new List<Task<Classification?>> { Send(batcher, 0) };
        Assert.Equal([0], Started());

        answers.AddRange(Enumerable.Range(1, 7).Select(i => Send(batcher, (byte)i)));
        _go.Release(4);

        Assert.Equal([1, 2, 3], Started());
        Assert.Equal([4, 5, 6], Started());
        Assert.Equal([7], Started());
        Assert.Equal(Enumerable.Range(0, 8), (await Task.WhenAll(answers)).Select(Number));
    }

    [Fact]
    public async Task RunAsync_MaxDelay_WaitsForAFullBatch()
    {
        await using var batcher = Batcher(new TestOptions { MaxDelay = TimeSpan.FromMilliseconds(5), MaxBatchSize = 3 });

        var answers = new[] { Send(batcher, 1), Send(batcher, 2), Send(batcher, 3) };

        // The clock does not advance: only the full batch can have started it.
        Assert.Equal([1, 2, 3], Started());
        _go.Release();
        await Task.WhenAll(answers);
    }

    [Fact]
    public async Task RunAsync_MaxDelayElapsed_ComputesAPartialBatch()
    {
        await using var batcher = Batcher(new TestOptions { MaxDelay = TimeSpan.FromMilliseconds(5) });

        var answer = Send(batcher, 1);
        byte[]? batch;
        while (!_started.TryTake(out batch, TimeSpan.FromMilliseconds(1)))
            _time.Advance(TimeSpan.FromMilliseconds(5)); // repeated, because the worker may set its timer later

        Assert.Equal([1], batch);
        _go.Release();
        await answer;
    }

    [Fact]
    public async Task RunAsync_FullQueue_ThrowsWithEstimatedRetryAfter()
    {
        await using var batcher = Batcher(new TestOptions { QueueCapacity = 2, MaxBatchSize = 1 });
        using var refused = new Measured(_services, InferenceMetrics.Rejections);
        var answers = new List<Task<Classification?>> { Send(batcher, 0) };
        Assert.Equal([0], Started());
        _time.Advance(TimeSpan.FromSeconds(3)); // duration of one input
        answers.Add(Send(batcher, 1));
        _go.Release();
        Assert.Equal([1], Started());
        answers.AddRange([Send(batcher, 2), Send(batcher, 3)]);

        var full = await Assert.ThrowsAsync<QueueFullException>(() => Send(batcher, 4));

        Assert.Equal(TimeSpan.FromSeconds(6), full.RetryAfter);
        Assert.Equal(["full"], refused.Tags("reason"));
        _go.Release(3);
        Assert.Equal([0, 1, 2, 3], (await Task.WhenAll(answers)).Select(Number));
    }

    [Fact]
    public async Task RunAsync_TenantBehindThousandInputsOfAnother_IsInTheNextBatch()
    {
        await using var batcher = Batcher(new TestOptions { QueueCapacity = 2_000, MaxBatchSize = 4 });
        var answers = new List<Task<Classification?>> { Send(batcher, 0, tenant: "a") };
        Assert.Equal([0], Started());
        answers.AddRange(Enumerable.Range(0, 1_000).Select(_ => Send(batcher, 1, tenant: "a")));
        answers.Add(Send(batcher, 2, tenant: "b"));
        answers.Add(Send(batcher, 3, tenant: "c"));
        _go.Release(answers.Count);

        Assert.Equal((byte[])[1, 1, 2, 3], Started().Order());
        await Task.WhenAll(answers);
    }

    [Fact]
    public async Task RunAsync_FullQueue_RejectsTheNewestInputOfTheTenantWithTheMost()
    {
        await using var batcher = Batcher(new TestOptions { QueueCapacity = 3, MaxBatchSize = 8 });
        var first = Send(batcher, 0, tenant: "a");
        Assert.Equal([0], Started());
        var flood = Enumerable.Range(1, 3).Select(i => Send(batcher, (byte)i, tenant: "a")).ToList();

        var late = Send(batcher, 9, tenant: "b");

        await Assert.ThrowsAsync<QueueFullException>(() => flood[2]);
        await Assert.ThrowsAsync<QueueFullException>(() => Send(batcher, 4, tenant: "a"));
        _go.Release(2);
        Assert.Equal((byte[])[1, 2, 9], Started().Order());
        Assert.Equal([0, 1, 2, 9], (await Task.WhenAll(first, flood[0], flood[1], late)).Select(Number));
    }

    [Fact]
    public async Task RunAsync_SlowModel_LimitsTheDurationOfABatch()
    {
        await using var batcher = Batcher(new TestOptions { MaxBatchDuration = TimeSpan.FromSeconds(6) });
        var answers = new List<Task<Classification?>> { Send(batcher, 0) };
        Assert.Equal([0], Started());
        answers.AddRange(Enumerable.Range(1, 5).Select(i => Send(batcher, (byte)i)));
        _time.Advance(TimeSpan.FromSeconds(2)); // duration of one input
        _go.Release(3);

        Assert.Equal([1, 2, 3], Started());
        await Task.WhenAll(answers);
    }

    [Fact]
    public async Task RunAsync_CanceledWhileQueued_IsNotComputed()
    {
        await using var batcher = Batcher(new TestOptions());
        using var cancellation = new CancellationTokenSource();
        var first = Send(batcher, 1);
        Assert.Equal([1], Started());

        var canceled = SendCancellable(batcher, 2, cancellation.Token);
        var third = Send(batcher, 3);
        await cancellation.CancelAsync();
        _go.Release(2);

        Assert.Equal([3], Started());
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => canceled);
        Assert.Equal([1, 3], (await Task.WhenAll(first, third)).Select(Number));
    }

    [Fact]
    public async Task RunAsync_DeadlineExpiredWhileQueued_IsNotComputed()
    {
        await using var batcher = Batcher(new TestOptions());
        using var refused = new Measured(_services, InferenceMetrics.Rejections);
        var first = Send(batcher, 1);
        Assert.Equal([1], Started());

        var late = Send(batcher, 2, deadline: _time.GetUtcNow().UtcDateTime.AddMilliseconds(100));
        var inTime = Send(batcher, 3, deadline: _time.GetUtcNow().UtcDateTime.AddMilliseconds(101));
        _time.Advance(TimeSpan.FromMilliseconds(100));
        _go.Release(2);

        Assert.Equal([3], Started());
        await Assert.ThrowsAsync<DeadlinePassedException>(() => late);
        Assert.Equal([1, 3], (await Task.WhenAll(first, inTime)).Select(Number));
        Assert.Equal(["expired"], refused.Tags("reason"));
    }

    [Fact]
    public async Task RunAsync_OnlyCanceledInputsQueued_StartsNoBatch()
    {
        await using var batcher = Batcher(new TestOptions());
        using var cancellation = new CancellationTokenSource();
        var first = Send(batcher, 1);
        Assert.Equal([1], Started());
        var canceled = Enumerable.Range(2, 10).Select(i => SendCancellable(batcher, (byte)i, cancellation.Token)).ToList();
        await cancellation.CancelAsync();
        _go.Release();
        await first;
        foreach (var answer in canceled)
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => answer);

        var next = Send(batcher, 99);

        Assert.Equal([99], Started());
        _go.Release();
        Assert.Equal(99, Number(await next));
    }

    [Fact]
    public async Task RunAsync_FailingBatch_FailsItsOwnInputsOnly()
    {
        await using var batcher = Batcher(new TestOptions());
        var first = Send(batcher, 1);
        Assert.Equal([1], Started());
        var failing = new[] { Send(batcher, Poison), Send(batcher, 3) };
        _go.Release();
        Assert.Equal([Poison, 3], Started());
        var next = Send(batcher, 4);
        _go.Release(2);

        foreach (var answer in failing)
            Assert.IsType<InvalidOperationException>((await Assert.ThrowsAsync<BatchFailedException>(() => answer)).InnerException);
        Assert.Equal([1, 4], (await Task.WhenAll(first, next)).Select(Number));
        Assert.Equal("batch.failed", Assert.Single(_logs.GetSnapshot()).Id.Name);
    }

    [Fact]
    public async Task DisposeAsync_QueuedInputs_AreComputedAndFurtherOnesRejected()
    {
        var batcher = Batcher(new TestOptions());
        var first = Send(batcher, 1);
        Assert.Equal([1], Started());
        var second = Send(batcher, 2);

        var stopped = batcher.DisposeAsync().AsTask();
        await Assert.ThrowsAsync<NotServingException>(() => Send(batcher, 3));
        Assert.False(stopped.IsCompleted);
        _go.Release(2);

        await stopped.WaitAsync(Timeout, Cancel);
        Assert.Equal([1, 2], (await Task.WhenAll(first, second)).Select(Number));
    }

    [Fact]
    public async Task RunAsync_Batches_RecordQueueTimeRunTimeAndSize()
    {
        using var queue = new Measured(_services, InferenceMetrics.QueueDuration);
        using var run = new Measured(_services, InferenceMetrics.RunDuration);
        using var size = new Measured(_services, InferenceMetrics.BatchSize);
        await using (var batcher = Batcher(new TestOptions()))
        {
            var answers = new List<Task<Classification?>> { Send(batcher, 1) };
            Started();
            answers.AddRange([Send(batcher, 2), Send(batcher, 3)]);
            _time.Advance(TimeSpan.FromSeconds(2));
            _go.Release();
            Started();
            _time.Advance(TimeSpan.FromSeconds(1));
            _go.Release();
            await Task.WhenAll(answers);
        }

        Assert.Equal([0, 2, 2], queue.Values);
        Assert.Equal([2, 1], run.Values);
        Assert.Equal([1, 2], size.Values);
        Assert.Equal(["tiny", "tiny"], size.Tags("model"));
    }

    [Fact]
    public async Task RunAsync_ConcurrentCallers_GetTheirOwnResults()
    {
        await using var batcher = Batcher(new TestOptions { MaxBatchSize = 8 });
        _go.Release(10_000);

        await Parallel.ForEachAsync(Enumerable.Range(0, 5_000), new ParallelOptions { MaxDegreeOfParallelism = 64, CancellationToken = Cancel },
            async (i, cancellationToken) =>
            {
                var number = (byte)(i % 200);
                Assert.Equal(number, Number(await SendCancellable(batcher, number, cancellationToken)));
            });
    }

    private const byte Poison = 255;

    private Batcher Batcher(InferenceOptions options) =>
        new("tiny", "1", Run, options, _metrics, _time, _loggers.CreateLogger("test"));

    private void Run(ReadOnlySpan<ReadOnlyMemory<byte>> inputs, Span<Classification?> results)
    {
        var numbers = new byte[inputs.Length];
        for (var i = 0; i < inputs.Length; i++)
            numbers[i] = inputs[i].Span[0];
        _started.Add(numbers);
        Assert.True(_go.Wait(Timeout));
        if (numbers.Contains(Poison))
            throw new InvalidOperationException("poison");
        for (var i = 0; i < inputs.Length; i++)
            results[i] = new Classification(Outcome.Ok, default, [numbers[i]]);
    }

    /// <summary>Waits for the next batch and returns its numbers.</summary>
    private byte[] Started()
    {
        Assert.True(_started.TryTake(out var batch, (int)Timeout.TotalMilliseconds, Cancel));
        return batch;
    }

    private static async Task<Classification?> Send(Batcher batcher, byte number, DateTime? deadline = null, string tenant = "") =>
        await batcher.RunAsync(tenant, new[] { number }, deadline ?? DateTime.MaxValue, Cancel).WaitAsync(Timeout, Cancel);

    private static async Task<Classification?> SendCancellable(Batcher batcher, byte number, CancellationToken cancellationToken) =>
        await batcher.RunAsync("", new[] { number }, DateTime.MaxValue, cancellationToken).WaitAsync(Timeout, Cancel);

    private static int Number(Classification? classification) => (int)Assert.Single(classification!.Embedding);

    /// <summary>Longer batches than by default: the clock of these tests advances by seconds.</summary>
    private sealed class TestOptions : InferenceOptions
    {
        public TestOptions() => MaxBatchDuration = TimeSpan.FromSeconds(10);
    }

    /// <summary>Measurements of one instrument.</summary>
    private sealed class Measured : IDisposable
    {
        private readonly ConcurrentQueue<(double Value, KeyValuePair<string, object?>[] Tags)> _measured = new();
        private readonly MeterListener _listener = new();

        public Measured(ServiceProvider services, string instrument)
        {
            var factory = services.GetRequiredService<IMeterFactory>();
            _listener.InstrumentPublished = (published, listener) =>
            {
                if (published.Name == instrument && published.Meter.Scope == factory)
                    listener.EnableMeasurementEvents(published);
            };
            _listener.SetMeasurementEventCallback<double>((_, value, tags, _) => _measured.Enqueue((value, tags.ToArray())));
            _listener.SetMeasurementEventCallback<int>((_, value, tags, _) => _measured.Enqueue((value, tags.ToArray())));
            _listener.SetMeasurementEventCallback<long>((_, value, tags, _) => _measured.Enqueue((value, tags.ToArray())));
            _listener.Start();
        }

        public IEnumerable<double> Values => _measured.Select(measured => measured.Value);

        public IEnumerable<object?> Tags(string name) =>
            _measured.Select(measured => measured.Tags.Single(tag => tag.Key == name).Value);

        public void Dispose() => _listener.Dispose();
    }
}
