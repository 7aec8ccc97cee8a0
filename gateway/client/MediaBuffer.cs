using Affect.V1;
using Google.Protobuf;

namespace Affect.Client;

/// <summary>
/// The media of a call since its newest checkpoint, in the order in which they were written: what has to
/// be sent again where the call breaks off, and behind it what was not sent yet. Writers add at the end,
/// the sender of the one stream that is open takes in order, the receiver lets go of what is safe.
/// </summary>
/// <param name="limit">Bytes beyond which writers wait.</param>
internal sealed class MediaBuffer(long limit)
{
    private readonly Lock _lock = new();
    private readonly List<AnalyzeStreamRequest> _media = [];
    private int _taken; // of _media, by the stream that is open
    private long _bytes;
    private long _audioPosition;
    private bool _completed;
    private Exception? _end;
    private TaskCompletionSource? _arrival; // the sender waits for media
    private TaskCompletionSource? _room; // writers wait for a checkpoint

    /// <summary>Adds a chunk, whose position is counted here, or a frame; waits for room first.</summary>
    public async ValueTask AddAsync(AnalyzeStreamRequest message, CancellationToken cancellation)
    {
        while (true)
        {
            Task room;
            lock (_lock)
            {
                ThrowIfOver();
                if (_bytes <= limit)
                {
                    if (message.Audio is { } audio)
                    {
                        audio.Position = _audioPosition;
                        _audioPosition += audio.Data.Length;
                    }
                    _media.Add(message);
                    _bytes += Size(message);
                    Signal(ref _arrival);
                    return;
                }
                room = Wait(ref _room);
            }
            await room.WaitAsync(cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>Nothing is added any more.</summary>
    public void Complete()
    {
        lock (_lock)
        {
            ThrowIfOver();
            _completed = true;
            Signal(ref _arrival);
        }
    }

    /// <summary>The call is over: writers get <paramref name="error"/>, or are told that it is.</summary>
    public void End(Exception? error)
    {
        lock (_lock)
        {
            _end = error ?? new InvalidOperationException("The call has ended.");
            _media.Clear();
            _taken = 0;
            _bytes = 0;
            Signal(ref _room);
        }
    }

    /// <summary>The next message of the open stream; null behind the last.</summary>
    public async ValueTask<AnalyzeStreamRequest?> TakeAsync(CancellationToken cancellation)
    {
        while (true)
        {
            Task arrival;
            lock (_lock)
            {
                if (_taken < _media.Count)
                    return _media[_taken++];
                if (_completed)
                    return null;
                arrival = Wait(ref _arrival);
            }
            await arrival.WaitAsync(cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>A new stream takes all from the checkpoint on.</summary>
    public void Rewind()
    {
        lock (_lock)
            _taken = 0;
    }

    /// <summary>Lets go of what was sent and lies before a checkpoint.</summary>
    public void Release(Checkpoint checkpoint)
    {
        var videoTime = checkpoint.VideoTime?.ToTimeSpan() ?? TimeSpan.Zero;
        lock (_lock)
        {
            var kept = 0;
            for (var i = 0; i < _taken; i++)
            {
                var message = _media[i];
                var before = Size(message);
                if (message.Audio is { } audio && audio.Position < checkpoint.AudioPosition)
                    message = From(checkpoint.AudioPosition, audio);
                else if (message.Frame is { } frame && frame.Time.ToTimeSpan() < videoTime)
                    message = null;
                if (message is not null)
                    _media[kept++] = message;
                _bytes -= before - (message is null ? 0 : Size(message));
            }
            _media.RemoveRange(kept, _taken - kept);
            _taken = kept;
            if (_bytes <= limit)
                Signal(ref _room);
        }
    }

    private static AnalyzeStreamRequest? From(long position, AudioChunk audio)
    {
        var skip = position - audio.Position;
        return skip >= audio.Data.Length ? null : new AnalyzeStreamRequest
        {
            Audio = new AudioChunk { Position = position, Data = UnsafeByteOperations.UnsafeWrap(audio.Data.Memory[(int)skip..]) },
        };
    }

    private static long Size(AnalyzeStreamRequest message) => message.Audio?.Data.Length ?? message.Frame.Image.Length;

    private void ThrowIfOver()
    {
        // A new exception for each writer would hide what the call ended with.
        if (_end is not null)
            throw _end;
        if (_completed)
            throw new InvalidOperationException("The call is complete: nothing can be written any more.");
    }

    // Under the lock. Who waits goes on elsewhere, never inside of it.
    private static Task Wait(ref TaskCompletionSource? signal) =>
        (signal ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    private static void Signal(ref TaskCompletionSource? signal)
    {
        signal?.TrySetResult();
        signal = null;
    }
}
