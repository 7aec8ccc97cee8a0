using Affect.V1;
using Google.Protobuf;

namespace Affect.Client;

/// <summary>
/// The media of a call since its latest checkpoint, in the order of writing: first those that must be sent again if the
/// stream fails, then those not sent yet. Writers append, the sender of the open stream reads in order, and the receiver
/// releases what precedes a checkpoint.
/// </summary>
/// <param name="limit">Number of bytes above which writers wait.</param>
internal sealed class MediaBuffer(long limit)
{
    private readonly Lock _lock = new();
    private readonly List<AnalyzeStreamRequest> _media = [];
    private int _read; // messages of _media that the open stream has read
    private long _bytes;
    private long _audioPosition;
    private bool _completed;
    private Exception? _end;
    private TaskCompletionSource? _arrival; // awaited by the sender
    private TaskCompletionSource? _space; // awaited by writers

    /// <summary>Appends a chunk, whose position is set here, or a frame; waits for space first.</summary>
    public ValueTask AddAsync(AnalyzeStreamRequest message, CancellationToken cancellation) => AddAsync(message, skip: 0, blockSize: 1, cancellation);

    /// <summary>Advances the position of the audio by whole samples; an empty chunk reports it.</summary>
    /// <exception cref="InvalidOperationException">The audio so far ends within a sample.</exception>
    public ValueTask SkipAsync(long bytes, int blockSize, CancellationToken cancellation) =>
        AddAsync(new AnalyzeStreamRequest { Audio = new AudioChunk() }, bytes, blockSize, cancellation);

    private async ValueTask AddAsync(AnalyzeStreamRequest message, long skip, int blockSize, CancellationToken cancellation)
    {
        while (true)
        {
            Task space;
            lock (_lock)
            {
                ThrowIfEnded();
                if (_bytes <= limit)
                {
                    if (message.Audio is { } audio)
                    {
                        if (_audioPosition % blockSize != 0)
                            throw new InvalidOperationException("The audio written so far ends within a sample.");
                        _audioPosition += skip;
                        audio.Position = _audioPosition;
                        _audioPosition += audio.Data.Length;
                    }
                    _media.Add(message);
                    _bytes += Size(message);
                    Signal(ref _arrival);
                    return;
                }
                space = Wait(ref _space);
            }
            await space.WaitAsync(cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>Ends the media.</summary>
    public void Complete()
    {
        lock (_lock)
        {
            ThrowIfEnded();
            _completed = true;
            Signal(ref _arrival);
        }
    }

    /// <summary>Ends the call: writers get <paramref name="error"/>, or an error that the call has ended.</summary>
    public void End(Exception? error)
    {
        lock (_lock)
        {
            _end = error ?? new InvalidOperationException("The call has ended.");
            _media.Clear();
            _read = 0;
            _bytes = 0;
            Signal(ref _space);
        }
    }

    /// <summary>Reads the next message of the open stream; null after the last.</summary>
    public async ValueTask<AnalyzeStreamRequest?> ReadAsync(CancellationToken cancellation)
    {
        while (true)
        {
            Task arrival;
            lock (_lock)
            {
                if (_read < _media.Count)
                    return _media[_read++];
                if (_completed)
                    return null;
                arrival = Wait(ref _arrival);
            }
            await arrival.WaitAsync(cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>Starts a new stream, which reads everything since the checkpoint.</summary>
    public void Rewind()
    {
        lock (_lock)
            _read = 0;
    }

    /// <summary>Releases messages that were sent and precede a checkpoint.</summary>
    public void Release(Checkpoint checkpoint)
    {
        var videoTime = checkpoint.VideoTime.ToOffset();
        lock (_lock)
        {
            var kept = 0;
            for (var i = 0; i < _read; i++)
            {
                var message = _media[i];
                var before = Size(message);
                if (message.Audio is { } audio && audio.Position < checkpoint.AudioPosition)
                    message = Skip(checkpoint.AudioPosition, audio);
                else if (message.Frame is { } frame && frame.Time.ToOffset() < videoTime)
                    message = null;
                if (message is not null)
                    _media[kept++] = message;
                _bytes -= before - (message is null ? 0 : Size(message));
            }
            _media.RemoveRange(kept, _read - kept);
            _read = kept;
            if (_bytes <= limit)
                Signal(ref _space);
        }
    }

    private static AnalyzeStreamRequest? Skip(long position, AudioChunk audio)
    {
        var skip = position - audio.Position;
        return skip >= audio.Data.Length ? null : new AnalyzeStreamRequest
        {
            Audio = new AudioChunk { Position = position, Data = UnsafeByteOperations.UnsafeWrap(audio.Data.Memory[(int)skip..]) },
        };
    }

    private static long Size(AnalyzeStreamRequest message) => message.Audio?.Data.Length ?? message.Frame.Image.Length;

    private void ThrowIfEnded()
    {
        // The same exception for every writer: the one that ended the call.
        if (_end is not null)
            throw _end;
        if (_completed)
            throw new InvalidOperationException("The call is complete; writing is no longer possible.");
    }

    // Called under the lock; continuations run outside it.
    private static Task Wait(ref TaskCompletionSource? signal) =>
        (signal ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    private static void Signal(ref TaskCompletionSource? signal)
    {
        signal?.TrySetResult();
        signal = null;
    }
}
