using Affect.Fusion.Clips;
using Affect.Hosting;
using Affect.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Affect.Fusion.Calls;

/// <summary>
/// The video frames of a call: each is analyzed separately, reported as soon as its result is known, and kept until the windows that
/// contain it are concluded. One thread adds frames; another collects windows.
/// </summary>
internal sealed class CallFrames(
    CallPlan plan, Func<ByteString, Task<ImageResult>> analyze, Func<FrameResult, Task> report, FusionOptions options, TimeProvider time)
    : IDisposable
{
    public const int MaxImageBytes = 1 << 20;

    private const int MaxConcurrency = 8;

    /// <summary>Largest distance of a frame ahead of the call; equals the largest gap in the audio.</summary>
    private static readonly TimeSpan MaxGap = TimeSpan.FromSeconds(60);

    private readonly SemaphoreSlim _slots = new(MaxConcurrency);
    private readonly List<(TimeSpan Time, Task<ImageResult> Image)> _frames = [];
    private readonly List<Task> _running = [];
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _ended;

    /// <summary>Time of the newest frame.</summary>
    public TimeSpan Newest { get; set; }

    /// <summary>Adds a frame; waits while <see cref="MaxConcurrency"/> frames are being analyzed.</summary>
    /// <param name="frame">The frame.</param>
    /// <param name="now">Current time of the call.</param>
    /// <param name="cancellation">Canceled when the session ends.</param>
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT: its time or size is out of range.</exception>
    public async Task AddAsync(VideoFrame frame, TimeSpan now, CancellationToken cancellation)
    {
        if (!frame.Time.TryToTimeSpan(TimeSpan.Zero, now + MaxGap, out var at))
            throw RpcErrors.InvalidArgument("frame.time", $"must not be negative, and must be at most {MaxGap.TotalSeconds} s ahead of the call");
        if (frame.Image.IsEmpty)
            throw RpcErrors.InvalidArgument("frame.image", "must not be empty");
        if (frame.Image.Length > MaxImageBytes)
            throw RpcErrors.InvalidArgument("frame.image", $"must be at most {MaxImageBytes} bytes; it has {frame.Image.Length}");
        if (plan.Face is null)
            return;

        await _slots.WaitAsync(cancellation);
        var image = AnalyzeAsync(frame.Image);
        lock (_frames)
        {
            _frames.Add((at, image));
            _running.RemoveAll(task => task.IsCompletedSuccessfully);
            _running.Add(ReportAsync(frame.Time, image));
            Newest = at > Newest ? at : Newest;
        }
        Changed();
    }

    /// <summary>Completes the frames; returns when all have been reported.</summary>
    public Task EndAsync()
    {
        _ended = true;
        Changed();
        lock (_frames)
            return Task.WhenAll(_running);
    }

    /// <summary>Judges the frames between two times. Waits for their results, and up to <see cref="FusionOptions.MaxVideoLag"/> for late frames.</summary>
    /// <param name="start">Start of the window.</param>
    /// <param name="end">End of the window.</param>
    /// <param name="since">Timestamp at which the window became complete.</param>
    /// <param name="cancellation">Canceled when the session ends.</param>
    public async Task<FaceWindow> CollectAsync(TimeSpan start, TimeSpan end, long since, CancellationToken cancellation)
    {
        var remaining = options.MaxVideoLag - time.GetElapsedTime(since);
        var lag = Task.Delay(remaining > TimeSpan.Zero ? remaining : TimeSpan.Zero, time, cancellation);
        while (true)
        {
            Task changed;
            bool pending, expected;
            lock (_frames)
            {
                changed = _changed.Task;
                pending = _frames.Any(frame => frame.Time >= start && frame.Time < end && !frame.Image.IsCompleted);
                expected = !_ended && Newest < end && !lag.IsCompleted;
            }
            if (!pending && !expected)
                break;
            await (expected ? Task.WhenAny(changed, lag) : changed).WaitAsync(cancellation);
        }

        List<ImageResult> images;
        lock (_frames)
            images = [.. _frames.Where(frame => frame.Time >= start && frame.Time < end).Select(frame => frame.Image.Result)];
        return new FaceWindow { Judgement = FaceAnalysis.CreateJudgement(images, plan.Face!.AbstainBelow), Frames = images.Count };
    }

    /// <summary>Forgets the frames before a time.</summary>
    public void Forget(TimeSpan before)
    {
        lock (_frames)
            _frames.RemoveAll(frame => frame.Time < before && frame.Image.IsCompleted);
    }

    public void Dispose() => _slots.Dispose();

    private async Task<ImageResult> AnalyzeAsync(ByteString image)
    {
        try
        {
            return await analyze(image);
        }
        finally
        {
            _slots.Release();
        }
    }

    private async Task ReportAsync(Duration at, Task<ImageResult> image)
    {
        var result = await image;
        Changed();
        await report(new FrameResult { Time = at, Image = result });
    }

    private void Changed()
    {
        lock (_frames)
        {
            _changed.TrySetResult();
            _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }
}
