using Affect.Fusion.Clips;
using Affect.Hosting;
using Affect.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Affect.Fusion.Calls;

/// <summary>
/// The camera's frames of a call: each is looked at by itself, told as soon as it is known, and kept until no window asks for
/// it any more. Frames come on one thread, windows are collected on another.
/// </summary>
internal sealed class CallFrames(
    CallPlan plan, Func<ByteString, Task<ImageResult>> analyze, Func<FrameResult, Task> report, FusionOptions options, TimeProvider time)
    : IDisposable
{
    public const int MaxImageBytes = 1 << 20;

    private const int AtOnce = 8;

    /// <summary>No frame may be further ahead of the call: as much audio may be missing.</summary>
    private static readonly TimeSpan MaxGap = TimeSpan.FromSeconds(60);

    private readonly SemaphoreSlim _slots = new(AtOnce);
    private readonly List<(TimeSpan Time, Task<ImageResult> Image)> _frames = [];
    private readonly List<Task> _running = [];
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _ended;

    /// <summary>Time of the newest frame.</summary>
    public TimeSpan Newest { get; set; }

    /// <summary>Takes the next frame; waits where too many are being looked at.</summary>
    /// <param name="frame">As the client sent it.</param>
    /// <param name="now">How far the call has come.</param>
    /// <param name="cancellation">Fires when the client went away.</param>
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT: its time cannot be, or it is no picture by its size.</exception>
    public async Task AddAsync(VideoFrame frame, TimeSpan now, CancellationToken cancellation)
    {
        if (!frame.Time.TryToTimeSpan(TimeSpan.Zero, now + MaxGap, out var at))
            throw RpcErrors.InvalidArgument("frame.time", $"It must not be negative, nor more than {MaxGap.TotalSeconds} s ahead of the call.");
        if (frame.Image.IsEmpty)
            throw RpcErrors.InvalidArgument("frame.image", "The file is empty.");
        if (frame.Image.Length > MaxImageBytes)
            throw RpcErrors.InvalidArgument("frame.image", $"There are {frame.Image.Length} bytes; at most {MaxImageBytes} go into one frame.");
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

    /// <summary>No more come; returns when all are told.</summary>
    public Task EndAsync()
    {
        _ended = true;
        Changed();
        lock (_frames)
            return Task.WhenAll(_running);
    }

    /// <summary>The mean over the frames between two times, once all of them are known that are going to come in time.</summary>
    public async Task<FaceWindow> CollectAsync(TimeSpan start, TimeSpan end, CancellationToken cancellation)
    {
        var patience = Task.Delay(options.MaxVideoLag, time, cancellation);
        while (true)
        {
            Task changed;
            bool unknown, expected;
            lock (_frames)
            {
                changed = _changed.Task;
                unknown = _frames.Any(frame => frame.Time >= start && frame.Time < end && !frame.Image.IsCompleted);
                expected = !_ended && Newest < end && !patience.IsCompleted;
            }
            if (!unknown && !expected)
                break;
            await (expected ? Task.WhenAny(changed, patience) : changed).WaitAsync(cancellation);
        }

        List<ImageResult> images;
        lock (_frames)
            images = [.. _frames.Where(frame => frame.Time >= start && frame.Time < end).Select(frame => frame.Image.Result)];
        return new FaceWindow { Judgement = FaceAnalysis.CreateJudgement(images, plan.Face!.AbstainBelow), Frames = images.Count };
    }

    /// <summary>No window asks for frames before this time any more.</summary>
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
        var seen = await image;
        Changed();
        await report(new FrameResult { Time = at, Image = seen });
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
