using System.Runtime.CompilerServices;
using Affect.Features.V1;
using Affect.Fusion.Peers;
using Affect.Hosting;
using Affect.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace Affect.Fusion.Calls;

/// <summary>A response of features with its generation: a rewind starts a new generation and makes earlier responses void.</summary>
internal readonly record struct FeatureReport(ExtractCallResponse Response, int Generation);

/// <summary>
/// The stream of one call to features: sends the call's audio once, and again from the newest state on if features fails. The thread
/// that appends audio sends it; one other reads. If features fails for
/// <see cref="FusionOptions.WindowTimeout"/>, the windows are reported without features, so that the call proceeds.
/// </summary>
internal sealed class FeatureStream : IDisposable
{
    /// <summary>Audio is sent at least this often, and whenever a window is complete.</summary>
    private static readonly TimeSpan SendInterval = TimeSpan.FromSeconds(0.2);

    /// <summary>Audio beyond what windows and voice activity detection need (<see cref="CallPlan"/>) that may be kept unanswered.</summary>
    private static readonly TimeSpan MaxBacklog = TimeSpan.FromSeconds(10);

    private const int MaxMessageBytes = 1 << 18;

    private static readonly Backoff Backoff = new(First: TimeSpan.FromMilliseconds(50), Max: TimeSpan.FromSeconds(1));

    private readonly FeaturesService.FeaturesServiceClient _features;
    private readonly CallPlan _plan;
    private readonly string _tenant;
    private readonly CallAudio _audio;
    private readonly FusionOptions _options;
    private readonly TimeProvider _time;
    private readonly CancellationToken _caller;

    /// <summary>Guards the fields below.</summary>
    private readonly Lock _lock = new();
    private CallAudioState _state;
    private ModelInput? _input;
    private int _generation;
    private CancellationTokenSource _connection = new();
    private TaskCompletionSource _progress = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Counts of samples received, with the time of their arrival.</summary>
    private readonly Queue<(long Received, long Timestamp)> _arrivals = new();

    /// <summary>Held while audio is written. Guards the fields below.</summary>
    private readonly SemaphoreSlim _sending = new(1);
    private IClientStreamWriter<ExtractCallRequest>? _requests;
    private long _sent;
    private bool _halfClosed;

    private long _nextDue;
    private volatile bool _complete;

    public FeatureStream(
        FeaturesService.FeaturesServiceClient features, CallPlan plan, string tenant, CallAudio audio, CallAudioState state,
        FusionOptions options, TimeProvider time, CancellationToken caller)
    {
        (_features, _plan, _tenant, _audio, _state, _options, _time, _caller) = (features, plan, tenant, audio, state, options, time, caller);
        _input = plan.Speech?.Input;
        _nextDue = plan.Channels.Index().Where(channel => channel.Item is { HasAudio: true, Emotion: true })
            .Select(channel => state.Channels[channel.Index].NextWindow).DefaultIfEmpty(0).Min();
    }

    /// <summary>Features and window that are extracted.</summary>
    public ModelInput? Input
    {
        get
        {
            lock (_lock)
                return _input;
        }
    }

    /// <summary>Sends appended audio: immediately if it completes a window, otherwise every <see cref="SendInterval"/>.</summary>
    /// <remarks>Waits while features or fusion lag behind, so that the client is read no faster than its call is analyzed.</remarks>
    public async ValueTask SendAsync()
    {
        var received = _audio.Received;
        var due = false;
        for (; received >= _plan.SamplesAt((_nextDue * _plan.Hop) + _plan.Window); _nextDue++)
            due = true;
        if (!due && received - Volatile.Read(ref _sent) < SendInterval.TotalSeconds * _plan.Rate)
            return;
        lock (_lock)
            _arrivals.Enqueue((received, _time.GetTimestamp()));
        await WriteAsync();
        while (_audio.Kept > _plan.SamplesKept + (MaxBacklog.TotalSeconds * _plan.Rate))
        {
            Task progress;
            lock (_lock)
                progress = _progress.Task;
            if (_audio.Kept > _plan.SamplesKept + (MaxBacklog.TotalSeconds * _plan.Rate))
                await progress.WaitAsync(_caller);
        }
    }

    /// <summary>Completes the audio.</summary>
    public async ValueTask CompleteAsync()
    {
        lock (_lock)
            _arrivals.Enqueue((long.MaxValue, _time.GetTimestamp()));
        _complete = true;
        await WriteAsync();
    }

    /// <summary>Timestamp at which a window became complete.</summary>
    /// <param name="end">End of the window at 22,050 Hz.</param>
    public long CompleteSince(long end)
    {
        lock (_lock)
        {
            var needed = Math.Min(_plan.SamplesAt(end), _audio.Received);
            while (_arrivals.Count > 1 && _arrivals.Peek().Received < needed)
                _arrivals.Dequeue();
            return _arrivals.TryPeek(out var arrival) ? arrival.Timestamp : _time.GetTimestamp();
        }
    }

    /// <summary>Releases the audio that is not needed after this state.</summary>
    public void Forget(CallAudioState concluded)
    {
        _audio.Forget(concluded.Position);
        lock (_lock)
        {
            _progress.TrySetResult();
            _progress = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    /// <summary>Restarts from an earlier state with another input; starts a new generation.</summary>
    public void Rewind(CallAudioState concluded, ModelInput input)
    {
        lock (_lock)
        {
            (_state, _input) = (concluded, input);
            _generation++;
            _connection.Cancel();
        }
    }

    /// <summary>Reads the responses of the whole call, in order.</summary>
    /// <exception cref="RpcException">INVALID_ARGUMENT naming audio.data.</exception>
    public async IAsyncEnumerable<FeatureReport> ReadAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        var attempt = 0;
        while (true)
        {
            int generation;
            CancellationTokenSource connection;
            CallAudioState state;
            lock (_lock)
            {
                _connection.Dispose();
                _connection = connection = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
                (generation, state) = (_generation, _state);
            }

            using var call = _features.ExtractCall(new CallOptions(cancellationToken: connection.Token).WithTenant(_tenant));
            var resending = OpenAsync(call.RequestStream, state, connection.Token);
            TimeSpan delay;
            while (true)
            {
                try
                {
                    if (!await call.ResponseStream.MoveNext(connection.Token))
                        yield break;
                }
                catch (Exception exception) when (exception is RpcException or OperationCanceledException && !cancellation.IsCancellationRequested)
                {
                    if (exception is RpcException rpc && rpc.Violation("audio") is { } violation)
                        throw RpcErrors.InvalidArgument("audio.data", violation);
                    delay = Backoff.Delay(attempt++, (exception as RpcException)?.RetryAfter());
                    break;
                }

                attempt = 0;
                if (Accept(call.ResponseStream.Current, generation) is { } report)
                    yield return report;
            }

            await connection.CancelAsync();
            await resending;
            await DetachAsync();
            lock (_lock)
                if (generation != _generation)
                    continue;
            if (SkipOverdue(generation) is { } skipped)
            {
                yield return skipped.Report;
                if (skipped.Ended)
                    yield break;
            }

            await Task.Delay(delay, _time, cancellation);
        }
    }

    public void Dispose()
    {
        _connection.Cancel();
        _connection.Dispose();
        _sending.Dispose();
    }

    private FeatureReport? Accept(ExtractCallResponse response, int generation)
    {
        lock (_lock)
        {
            if (generation != _generation)
                return null;
            _state = response.State;
            // Calls without windows never ask for arrivals: those before the audio that is still needed are dropped here.
            while (_arrivals.TryPeek(out var arrival) && arrival.Received < _state.Position)
                _arrivals.Dequeue();
            return new(response, generation);
        }
    }

    private async Task OpenAsync(IClientStreamWriter<ExtractCallRequest> requests, CallAudioState state, CancellationToken cancellation)
    {
        try
        {
            await _sending.WaitAsync(cancellation);
            try
            {
                var config = new CallConfig
                {
                    Encoding = _plan.ProtoEncoding,
                    SampleRate = _plan.Rate,
                    Input = Input,
                    Window = Duration.FromTimeSpan(_plan.WindowTime),
                    Hop = Duration.FromTimeSpan(_plan.HopTime),
                    Resume = state,
                };
                foreach (var channel in _plan.Channels.Where(channel => channel.HasAudio))
                    config.Windows.Add(channel.Emotion);
                (_requests, _sent, _halfClosed) = (requests, state.Position, false);
                await requests.WriteAsync(new() { Config = config }, cancellation);
            }
            finally
            {
                _sending.Release();
            }

            await WriteAsync();
        }
        catch (Exception exception) when (exception is RpcException or OperationCanceledException or InvalidOperationException)
        {
            // ReadAsync gets the same failure and opens another stream.
        }
    }

    /// <summary>Keeps audio from being written to a stream that failed: what was sent to it may be forgotten from now on.</summary>
    private async Task DetachAsync()
    {
        await _sending.WaitAsync(_caller);
        _requests = null;
        _sending.Release();
    }

    /// <summary>Writes the audio that has not been sent. Without a stream it stays in <see cref="CallAudio"/>.</summary>
    private async Task WriteAsync()
    {
        await _sending.WaitAsync(_caller);
        try
        {
            if (_requests is not { } requests || _halfClosed)
                return;
            while (_audio.Read(_sent, MaxMessageBytes) is { IsEmpty: false } piece)
            {
                await requests.WriteAsync(
                    piece.Silence > 0 ? new() { Silence = piece.Silence } : new() { Audio = UnsafeByteOperations.UnsafeWrap(piece.Bytes) }, _caller);
                _sent += piece.Silence + (piece.Bytes.Length / _plan.FrameBytes);
            }

            if (_complete)
            {
                _halfClosed = true;
                await requests.CompleteAsync();
            }
        }
        catch (Exception exception) when (exception is RpcException or InvalidOperationException or IOException && !_caller.IsCancellationRequested)
        {
            // The stream is broken; ReadAsync opens another.
            _requests = null;
        }
        finally
        {
            _sending.Release();
        }
    }

    /// <summary>Skips windows that have been complete for <see cref="FusionOptions.WindowTimeout"/>: reports them without features.</summary>
    private (FeatureReport Report, bool Ended)? SkipOverdue(int generation)
    {
        lock (_lock)
        {
            long? overdue = null;
            while (_arrivals.TryPeek(out var arrival) && _time.GetElapsedTime(arrival.Timestamp) >= _options.WindowTimeout)
                overdue = _arrivals.Dequeue().Received;
            if (overdue is not { } received)
                return null;
            var ended = received == long.MaxValue;
            var response = _plan.Skip(_state, Math.Min(received, _audio.Received), ended);
            _state = response.State;
            return (new(response, generation), ended);
        }
    }
}
