using System.Threading.Channels;
using Affect.Hosting;
using Affect.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace Affect.Client;

/// <summary>
/// A call that is analyzed while it lasts. Media are written as they are recorded, and results are read as they become
/// available. A lost connection is replaced without effect on either.
/// </summary>
/// <remarks>
/// Audio, frames and results may each be used by one task concurrently. Results are buffered until they are read.
/// Disposing the call before <see cref="CompleteAsync"/> cancels it, without a summary.
/// </remarks>
public sealed class AffectCall : IAsyncDisposable
{
    // The server accepts 1 MiB; smaller messages let other streams of the connection interleave.
    private const int MaxChunkBytes = 256 * 1024;

    private readonly Func<CallOptions, AsyncDuplexStreamingCall<AnalyzeStreamRequest, AnalyzeStreamResponse>> _open;
    private readonly Metadata _headers;
    private readonly StreamOptions _options;
    private readonly int _maxAttempts;
    private readonly StreamConfig _config;
    private readonly MediaBuffer _media;
    private readonly Channel<CallResult> _results = Channel.CreateUnbounded<CallResult>(new() { SingleWriter = true });
    private readonly CancellationTokenSource _stop;
    private readonly Task _run;

    // The fields below belong to _run.
    private readonly Dictionary<int, long> _nextWindow = [];
    private readonly Dictionary<int, TimeSpan> _lastActivity = [];
    private readonly Dictionary<(string Rule, int Channel), (TimeSpan Time, V1.AlertState State)> _lastAlert = [];
    private readonly List<TimeSpan> _frames = [];
    private List<TimeSpan> _repeatedFrames = [];
    private Checkpoint _checkpoint = new();
    private bool _started, _ended;
    private bool _streamStarted, _progress; // of the open stream

    internal AffectCall(
        Func<CallOptions, AsyncDuplexStreamingCall<AnalyzeStreamRequest, AnalyzeStreamResponse>> open,
        Metadata headers, StreamOptions options, int maxAttempts, CancellationToken cancellation)
    {
        _open = open;
        _headers = headers;
        _options = options;
        _maxAttempts = maxAttempts;
        _config = options.ToProto();
        _media = new MediaBuffer(options.MaxBufferedBytes);
        _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        _run = Task.Run(RunAsync, CancellationToken.None);
    }

    /// <summary>
    /// The results, each once and in order, up to the <see cref="CallSummary"/>. Can be enumerated once.
    /// Throws <see cref="AffectException"/> if the server rejects the call or is unreachable for
    /// <see cref="StreamOptions.ResumeTimeout"/>.
    /// </summary>
    public IAsyncEnumerable<CallResult> Results => _results.Reader.ReadAllAsync();

    /// <summary>Writes the next bytes of the audio. Any number is valid: a sample may span two writes.</summary>
    /// <param name="audio">Interleaved samples in the call's <see cref="AudioFormat"/>.</param>
    /// <param name="cancellation">Cancels the wait for space in the buffer; bytes written before it remain.</param>
    /// <exception cref="AffectException">The call has failed.</exception>
    /// <exception cref="InvalidOperationException">The call is complete or has ended.</exception>
    public async ValueTask WriteAudioAsync(ReadOnlyMemory<byte> audio, CancellationToken cancellation = default)
    {
        for (var rest = audio; !rest.IsEmpty; rest = rest[Math.Min(rest.Length, MaxChunkBytes)..])
        {
            var chunk = rest[..Math.Min(rest.Length, MaxChunkBytes)];
            var data = _options.CopyAudio ? ByteString.CopyFrom(chunk.Span) : UnsafeByteOperations.UnsafeWrap(chunk);
            await _media.AddAsync(new AnalyzeStreamRequest { Audio = new AudioChunk { Data = data } }, cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Leaves out audio that was not recorded, for example during a hold: the server analyzes silence in its place. At most 4 h at a time.
    /// </summary>
    /// <param name="duration">Length of the audio, rounded down to whole samples.</param>
    /// <param name="cancellation">Cancels the wait for space in the buffer.</param>
    /// <exception cref="AffectException">The call has failed.</exception>
    /// <exception cref="InvalidOperationException">
    /// The call is complete or has ended, has no audio, or the audio written so far ends within a sample.
    /// </exception>
    public ValueTask SkipAudioAsync(TimeSpan duration, CancellationToken cancellation = default)
    {
        var format = _options.Audio ?? throw new InvalidOperationException("The call has no audio.");
        ArgumentOutOfRangeException.ThrowIfLessThan(duration, TimeSpan.Zero);
        return _media.SkipAsync((long)(duration.TotalSeconds * format.SampleRate) * format.BlockSize, format.BlockSize, cancellation);
    }

    /// <summary>Writes a picture, at most some hundred milliseconds after the audio of the same time.</summary>
    /// <param name="time">Time of the picture since the start of the call, on the clock of the audio.</param>
    /// <param name="image">JPEG, PNG, WebP, BMP, GIF, TIFF, HEIC or AVIF, at most 1 MiB.</param>
    /// <param name="cancellation">Cancels the wait for space in the buffer.</param>
    /// <exception cref="AffectException">The call has failed.</exception>
    /// <exception cref="InvalidOperationException">The call is complete or has ended.</exception>
    /// <exception cref="IOException">The picture could not be read.</exception>
    public async ValueTask WriteFrameAsync(TimeSpan time, Media image, CancellationToken cancellation = default)
    {
        var frame = new VideoFrame { Time = Duration.FromTimeSpan(time), Image = await image.ReadAsync(cancellation).ConfigureAwait(false) };
        await _media.AddAsync(new AnalyzeStreamRequest { Frame = frame }, cancellation).ConfigureAwait(false);
    }

    /// <summary>Ends the media. The remaining results and the summary follow in <see cref="Results"/>.</summary>
    /// <exception cref="AffectException">The call has failed.</exception>
    /// <exception cref="InvalidOperationException">The call is already complete or has ended.</exception>
    public ValueTask CompleteAsync()
    {
        _media.Complete();
        return ValueTask.CompletedTask;
    }

    /// <summary>Cancels the call, unless it has ended.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _run.ConfigureAwait(false);
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        Exception? error = null;
        try
        {
            await ResumeAsync().ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            // Reported to the reader and the writers.
            error = exception;
        }
        _media.End(error);
        _results.Writer.Complete(error);
    }

    /// <summary>Opens streams until one of them ends with the summary.</summary>
    private async Task ResumeAsync()
    {
        var attempt = 0;
        var since = TimeProvider.System.GetTimestamp();
        while (true)
            try
            {
                await StreamAsync().ConfigureAwait(false);
                return;
            }
            catch (RpcException exception)
            {
                if (_ended)
                    return; // nothing follows the summary
                _stop.Token.ThrowIfCancellationRequested();
                if (_progress || attempt == 0)
                    (attempt, since) = (0, TimeProvider.System.GetTimestamp());
                attempt++;

                var error = new AffectException(exception);
                var pause = Backoff.GetCallDelay(attempt);
                if (!_streamStarted && error is { StatusCode: StatusCode.ResourceExhausted, RetryAfter: { } wait })
                    pause = wait > pause ? wait : pause;
                else if (!exception.IsLost())
                    throw error;
                // A call that never started is retried like any request; one that started is resumed until the timeout.
                if ((!_started && attempt >= _maxAttempts) ||
                    TimeProvider.System.GetElapsedTime(since) + pause >= _options.ResumeTimeout)
                    throw error;
                await Task.Delay(pause, _stop.Token).ConfigureAwait(false);
            }
    }

    /// <summary>Runs one stream from the latest checkpoint to the summary.</summary>
    /// <exception cref="RpcException">The stream failed.</exception>
    private async Task StreamAsync()
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        _streamStarted = _progress = false;
        _repeatedFrames = [.. _frames];
        _media.Rewind();
        using var stream = _open(new CallOptions(_headers, cancellationToken: stop.Token));
        var sending = SendAsync(stream.RequestStream, stop.Token);
        try
        {
            while (await stream.ResponseStream.MoveNext(stop.Token).ConfigureAwait(false))
                Receive(stream.ResponseStream.Current);
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await sending.ConfigureAwait(false);
        }
        if (!_ended)
            throw new AffectException(
                new Google.Rpc.Status { Code = (int)StatusCode.Internal, Message = "The server ended the call without a summary." }.ToRpcException());
    }

    private async Task SendAsync(IClientStreamWriter<AnalyzeStreamRequest> stream, CancellationToken cancellation)
    {
        try
        {
            var config = _config.Clone();
            config.Resume = _checkpoint.State;
            await stream.WriteAsync(new AnalyzeStreamRequest { Config = config }, cancellation).ConfigureAwait(false);
            while (await _media.ReadAsync(cancellation).ConfigureAwait(false) is { } message)
                await stream.WriteAsync(message, cancellation).ConfigureAwait(false);
            await stream.CompleteAsync().ConfigureAwait(false);
        }
        catch (Exception)
        {
            // The stream has ended; reading it reports the error.
        }
    }

    private void Receive(AnalyzeStreamResponse message)
    {
        switch (message.MessageCase)
        {
            case AnalyzeStreamResponse.MessageOneofCase.Started:
                _streamStarted = true;
                break;
            case AnalyzeStreamResponse.MessageOneofCase.Checkpoint:
                var checkpoint = message.Checkpoint;
                _progress |= checkpoint.AudioPosition > _checkpoint.AudioPosition || checkpoint.VideoTime.ToOffset() > _checkpoint.VideoTime.ToOffset();
                _checkpoint = checkpoint;
                _media.Release(checkpoint);
                _frames.RemoveAll(time => time < checkpoint.VideoTime.ToOffset());
                return;
            case AnalyzeStreamResponse.MessageOneofCase.Summary:
                _ended = true;
                break;
        }
        if (IsRepeated(message) || message.ToResult() is not { } result)
            return;
        _progress |= result is not CallStarted;
        _results.Writer.TryWrite(result);
    }

    /// <summary>
    /// True if the result was delivered before the call was resumed. A failed stream delivered a prefix of the server's
    /// results, so that the repetition of each kind ends at its latest result. Windows have an index; speech segments of a
    /// channel do not overlap; frames are unordered, so that those after the checkpoint are remembered individually.
    /// An alert follows its window and may be lost although the window was delivered, so that the latest window does not
    /// tell; a rule decides once per window, and its alerts alternate between raised and cleared.
    /// </summary>
    private bool IsRepeated(AnalyzeStreamResponse message)
    {
        switch (message.MessageCase)
        {
            case AnalyzeStreamResponse.MessageOneofCase.Started:
                var repeated = _started;
                _started = true;
                return repeated;
            case AnalyzeStreamResponse.MessageOneofCase.Window:
                var window = message.Window;
                if (window.Index < _nextWindow.GetValueOrDefault(window.Channel))
                    return true;
                _nextWindow[window.Channel] = window.Index + 1;
                return false;
            case AnalyzeStreamResponse.MessageOneofCase.Activity:
                var (channel, segment) = (message.Activity.Channel, message.Activity.Segment);
                if (segment.Start.ToOffset() < _lastActivity.GetValueOrDefault(channel))
                    return true;
                _lastActivity[channel] = segment.End.ToOffset();
                return false;
            case AnalyzeStreamResponse.MessageOneofCase.Alert:
                var alert = message.Alert;
                if (_lastAlert.TryGetValue((alert.Rule, alert.Channel), out var last) &&
                    (alert.Time.ToOffset() <= last.Time || alert.State == last.State))
                    return true;
                _lastAlert[(alert.Rule, alert.Channel)] = (alert.Time.ToOffset(), alert.State);
                return false;
            case AnalyzeStreamResponse.MessageOneofCase.Frame:
                var time = message.Frame.Time.ToOffset();
                if (_repeatedFrames.Remove(time))
                    return true;
                _frames.Add(time);
                return false;
            default:
                return false;
        }
    }
}
