using System.Threading.Channels;
using Affect.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace Affect.Client;

/// <summary>
/// A call that is analysed while it is spoken. Media go in as they come, results come out as they are
/// known; a connection that is lost in between is replaced, and neither side notices.
/// </summary>
/// <remarks>
/// One task may write audio, another one frames, a third read the results; two must not do the same.
/// Results wait in memory until they are read. A call that is disposed of before <see cref="CompleteAsync"/>
/// is given up: there is no summary then.
/// </remarks>
public sealed class AffectCall : IAsyncDisposable
{
    // A message may have 1 MiB of audio; smaller ones let results of the same connection pass.
    private const int LargestChunk = 256 * 1024;

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100), LongestPause = TimeSpan.FromSeconds(2);

    private readonly Func<CallOptions, AsyncDuplexStreamingCall<AnalyzeStreamRequest, AnalyzeStreamResponse>> _open;
    private readonly Metadata _headers;
    private readonly StreamOptions _options;
    private readonly int _maxAttempts;
    private readonly StreamConfig _config;
    private readonly MediaBuffer _media;
    private readonly Channel<CallResult> _results = Channel.CreateUnbounded<CallResult>(new() { SingleWriter = true });
    private readonly CancellationTokenSource _stop;
    private readonly Task _run;

    // What follows belongs to _run.
    private readonly Dictionary<int, long> _nextWindow = [];
    private readonly Dictionary<int, TimeSpan> _lastActivity = [];
    private readonly Dictionary<(string Rule, int Channel), (TimeSpan Time, V1.AlertState State)> _lastAlert = [];
    private readonly List<TimeSpan> _frames = [];
    private List<TimeSpan> _repeatedFrames = [];
    private Checkpoint _checkpoint = new();
    private bool _started, _ended;
    private bool _streamStarted, _progress; // of the stream that is open

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
    /// What is found, as it is found, once and in order, up to the <see cref="CallSummary"/>. To be read once.
    /// Throws <see cref="AffectException"/> where the server refused the call or could not be reached for
    /// <see cref="StreamOptions.ResumeTimeout"/>.
    /// </summary>
    public IAsyncEnumerable<CallResult> Results => _results.Reader.ReadAllAsync();

    /// <summary>The next bytes of the audio, any number: samples may lie across two writes.</summary>
    /// <param name="audio">Interleaved samples as <see cref="AudioFormat"/> says.</param>
    /// <param name="cancellation">Ends the wait for room in the buffer; what was written before stays.</param>
    /// <exception cref="AffectException">The call has failed.</exception>
    /// <exception cref="InvalidOperationException">The call is complete or has ended.</exception>
    public async ValueTask WriteAudioAsync(ReadOnlyMemory<byte> audio, CancellationToken cancellation = default)
    {
        for (var rest = audio; !rest.IsEmpty; rest = rest[Math.Min(rest.Length, LargestChunk)..])
        {
            var chunk = rest[..Math.Min(rest.Length, LargestChunk)];
            var data = _options.CopyAudio ? ByteString.CopyFrom(chunk.Span) : UnsafeByteOperations.UnsafeWrap(chunk);
            await _media.AddAsync(new AnalyzeStreamRequest { Audio = new AudioChunk { Data = data } }, cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>A picture. It may come some hundred milliseconds behind the audio of its time.</summary>
    /// <param name="time">When it was taken, from the start of the call: the same clock as the audio's.</param>
    /// <param name="image">JPEG, PNG, WebP or BMP, at most 1 MiB.</param>
    /// <param name="cancellation">Ends the wait for room in the buffer.</param>
    /// <exception cref="AffectException">The call has failed.</exception>
    /// <exception cref="InvalidOperationException">The call is complete or has ended.</exception>
    /// <exception cref="IOException">The picture could not be read.</exception>
    public async ValueTask WriteFrameAsync(TimeSpan time, Media image, CancellationToken cancellation = default)
    {
        var frame = new VideoFrame { Time = Duration.FromTimeSpan(time), Image = await image.ReadAsync(cancellation).ConfigureAwait(false) };
        await _media.AddAsync(new AnalyzeStreamRequest { Frame = frame }, cancellation).ConfigureAwait(false);
    }

    /// <summary>Says that nothing more comes. What is left, and the summary, are in <see cref="Results"/> then.</summary>
    /// <exception cref="AffectException">The call has failed.</exception>
    /// <exception cref="InvalidOperationException">The call is complete already or has ended.</exception>
    public ValueTask CompleteAsync()
    {
        _media.Complete();
        return ValueTask.CompletedTask;
    }

    /// <summary>Gives the call up, unless it has ended.</summary>
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
            // Whatever it is, who reads and who writes have to know.
            error = exception;
        }
        _media.End(error);
        _results.Writer.Complete(error);
    }

    /// <summary>Opens one stream after the other until one comes to its end.</summary>
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
                    return; // the summary was the last that could come
                _stop.Token.ThrowIfCancellationRequested();
                if (_progress || attempt == 0)
                    (attempt, since) = (0, TimeProvider.System.GetTimestamp());
                attempt++;

                var error = new AffectException(exception);
                var pause = Pause(attempt);
                if (!_streamStarted && error is { StatusCode: StatusCode.ResourceExhausted, RetryAfter: { } wait })
                    pause = wait > pause ? wait : pause;
                else if (!BrokeOff(exception.Status))
                    throw error;
                // A call that never began is tried as often as any other; one that did has something to lose.
                if ((!_started && attempt >= _maxAttempts) ||
                    TimeProvider.System.GetElapsedTime(since) + pause >= _options.ResumeTimeout)
                    throw error;
                await Task.Delay(pause, _stop.Token).ConfigureAwait(false);
            }
    }

    private static TimeSpan Pause(int attempt)
    {
        var pause = Math.Min(FirstPause.TotalSeconds * Math.Pow(2, attempt - 1), LongestPause.TotalSeconds);
        // Jitter, so that the calls of a server that went away do not all come back at once.
        return TimeSpan.FromSeconds(pause * (0.5 + Random.Shared.NextDouble() / 2));
    }

    // Any other code is a lost connection where the transport has a reason for it (a reset becomes INTERNAL or
    // RESOURCE_EXHAUSTED), and otherwise what a server says; CANCELLED is not ours, or nobody would ask.
    private static bool BrokeOff(Grpc.Core.Status status) =>
        status.StatusCode is StatusCode.Unavailable or StatusCode.Cancelled || status.DebugException is not null;

    /// <summary>One stream from the newest checkpoint to the summary.</summary>
    /// <exception cref="RpcException">It broke off.</exception>
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
            throw new AffectException(new RpcException(new Grpc.Core.Status(StatusCode.Internal, "the server ended the call without a summary")));
    }

    private async Task SendAsync(IClientStreamWriter<AnalyzeStreamRequest> stream, CancellationToken cancellation)
    {
        try
        {
            var config = _config.Clone();
            config.Resume = _checkpoint.State;
            await stream.WriteAsync(new AnalyzeStreamRequest { Config = config }, cancellation).ConfigureAwait(false);
            while (await _media.TakeAsync(cancellation).ConfigureAwait(false) is { } message)
                await stream.WriteAsync(message, cancellation).ConfigureAwait(false);
            await stream.CompleteAsync().ConfigureAwait(false);
        }
        catch (Exception)
        {
            // The stream is over; what it ended with is told to the side that reads.
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
    /// Whether the user has it already. What came before a stream broke off is the beginning of what the
    /// server had to say, so that the repetition of each kind ends where its newest stands:
    /// windows have an index; the stretches of voice of a channel do not overlap; frames have no order, so
    /// that those behind the checkpoint are remembered one by one.
    /// An alert comes behind its window and may have been lost where the window was not: the newest window
    /// says nothing of it. A rule decides once in a window, and begins and ceases in turn.
    /// </summary>
    private bool IsRepeated(AnalyzeStreamResponse message)
    {
        switch (message.MessageCase)
        {
            case AnalyzeStreamResponse.MessageOneofCase.Started:
                var again = _started;
                _started = true;
                return again;
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
