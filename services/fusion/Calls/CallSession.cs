using System.Threading.Channels;
using Affect.Audio;
using Affect.Classifier.V1;
using Affect.Features.V1;
using Affect.Fusion.Peers;
using Affect.Hosting;
using Affect.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace Affect.Fusion.Calls;

/// <summary>
/// One call after its configuration. One task reads the client, one reads features, and one concludes windows in the order in which
/// they became complete, while several are being scored.
/// </summary>
internal sealed class CallSession : IDisposable
{
    private readonly CallPlan _plan;
    private readonly string _tenant;
    private readonly CallAnalysis _services;
    private readonly CallRequests _requests;
    private readonly CallResponses _responses;
    private readonly CallRecord _record;
    private readonly CallFrames _frames;
    private readonly CancellationToken _cancellation;

    /// <summary>Canceled when the session ends or fails.</summary>
    private readonly CancellationTokenSource _ended;

    // Null without audio.
    private readonly CallAudio? _audio;
    private readonly FeatureStream? _features;

    /// <summary>Steps in the order of their conclusion. While it is full, neither features nor, eventually, the client is read.</summary>
    private readonly Channel<Func<Task>> _queue;

    // Owned by the task that reads the client: the channel that has video but no audio, and its next window.
    private readonly int? _videoChannel;
    private long _nextVideoWindow;

    // Owned by the task that concludes windows.
    private TimeSpan _lastCheckpoint;
    private int _generation;

    /// <param name="plan">The validated configuration.</param>
    /// <param name="state">The state from which the call starts; the session owns it.</param>
    /// <param name="tenant">Tenant of the call, passed on to the peers.</param>
    /// <param name="services">Peers and settings.</param>
    /// <param name="requests">Messages of the client.</param>
    /// <param name="responses">Messages to the client.</param>
    /// <param name="cancellation">Canceled when the client disconnects or the server shuts down.</param>
    public CallSession(
        CallPlan plan, V1.CallState state, string tenant, CallAnalysis services, CallRequests requests, CallResponses responses,
        CancellationToken cancellation)
    {
        (_plan, _tenant, _services, _requests, _responses, _cancellation) = (plan, tenant, services, requests, responses, cancellation);
        _ended = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        _record = new(plan, state, services.Options);
        _frames = new(plan, AnalyzeFrameAsync, frame => responses.WriteAsync(new() { Frame = frame }), services.Options, services.Time)
        {
            Newest = TimeSpan.FromMicroseconds(state.NewestFrame),
        };
        _queue = Channel.CreateBounded<Func<Task>>(services.Options.MaxConcurrentWindows);
        if (plan.AudioChannels > 0)
        {
            _audio = new(plan, state);
            _features = new(services.Features, plan, tenant, _audio, state.Audio.Clone(), services.Options, services.Time, _ended.Token);
        }

        if (plan.Channels is [.., { HasAudio: false, Emotion: true }])
            (_videoChannel, _nextVideoWindow) = (plan.Channels.Count - 1, state.NextVideoWindow);
        _lastCheckpoint = CallTime;
    }

    /// <exception cref="RpcException">The client broke the contract, after the results of what it had sent before.</exception>
    public async Task RunAsync()
    {
        await _responses.WriteAsync(new() { Started = _plan.Describe(_record.AudioPosition) });
        var concluding = ConcludeAsync();
        var receiving = ReceiveAsync();
        try
        {
            var end = CallEnd.Completed;
            try
            {
                while (await _requests.ReadAsync(_ended.Token) is { } request)
                    await HandleAsync(request);
            }
            catch (TimeoutException)
            {
                end = CallEnd.Stalled;
                Log.CallStalled(_services.Logger, _plan.SessionId);
            }
            catch (Exception exception) when (exception is ChannelClosedException or OperationCanceledException && !_cancellation.IsCancellationRequested)
            {
                // The receiving or concluding task failed; CompleteAsync throws its exception.
            }
            catch (RpcException exception) when (exception.StatusCode is StatusCode.InvalidArgument or StatusCode.FailedPrecondition)
            {
                await CompleteAsync();
                throw;
            }

            await CompleteAsync();
            await _responses.WriteAsync(new() { Summary = _record.Summarize(end, CallTime, _audio) });
        }
        finally
        {
            await _ended.CancelAsync();
            await Task.WhenAll(receiving, concluding).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        async Task CompleteAsync()
        {
            try
            {
                if (_features is not null)
                    await _features.CompleteAsync();
                await receiving;
                await PostLastVideoWindowsAsync();
            }
            finally
            {
                _queue.Writer.TryComplete();
                await concluding;
            }

            await _frames.EndAsync();
        }
    }

    public void Dispose()
    {
        _ended.Cancel();
        _features?.Dispose();
        _frames.Dispose();
        _ended.Dispose();
    }

    private async Task HandleAsync(AnalyzeStreamRequest request)
    {
        switch (request.MessageCase)
        {
            case AnalyzeStreamRequest.MessageOneofCase.Audio when _audio is not null && _features is not null:
                foreach (var piece in _audio.Split(request.Audio))
                {
                    _audio.Append(piece);
                    await _features.SendAsync();
                }

                break;
            case AnalyzeStreamRequest.MessageOneofCase.Frame when _plan.HasVideo:
                await _frames.AddAsync(request.Frame, CallTime, _ended.Token);
                await PostVideoWindowsAsync();
                break;
            case AnalyzeStreamRequest.MessageOneofCase.Config:
                throw RpcErrors.Status(StatusCode.FailedPrecondition, "a stream must have exactly one configuration");
            case AnalyzeStreamRequest.MessageOneofCase.Audio:
                throw RpcErrors.InvalidArgument("audio", "must be absent: the configuration has no audio");
            case AnalyzeStreamRequest.MessageOneofCase.Frame:
                throw RpcErrors.InvalidArgument("frame", "must be absent: the configuration has no video");
            default:
                throw RpcErrors.InvalidArgument("message", "must have audio or a frame");
        }
    }

    /// <summary>Reads features, starts to score its windows, and queues them.</summary>
    private async Task ReceiveAsync()
    {
        if (_features is null)
            return;
        try
        {
            await foreach (var (response, generation) in _features.ReadAsync(_ended.Token))
            {
                await PostAsync(generation, () => ReportAsync(response));
                foreach (var window in response.Windows)
                {
                    var scored = window.Window.HasSpeech ? ScoreAsync(window.Window) : Task.FromResult(new Judgement { Outcome = Outcome.NoSpeech });
                    var since = _features.CompleteSince((long)Math.Round(window.Window.End.ToTimeSpan().TotalSeconds * FeatureExtractor.SampleRate));
                    await PostAsync(generation, () => ConcludeAsync(window, scored, since));
                }

                await PostAsync(generation, () => CheckpointAsync(response.State));
            }
        }
        catch (Exception exception)
        {
            _queue.Writer.TryComplete(exception);
            throw;
        }
    }

    private ValueTask PostAsync(int generation, Func<Task> conclude) =>
        _queue.Writer.WriteAsync(() => generation == _generation ? conclude() : Task.CompletedTask, _ended.Token);

    private async Task ConcludeAsync()
    {
        try
        {
            await foreach (var conclude in _queue.Reader.ReadAllAsync(_ended.Token))
                await conclude();
        }
        catch (Exception exception)
        {
            _queue.Writer.TryComplete(exception);
            await _ended.CancelAsync();
            throw;
        }
    }

    private async Task ReportAsync(ExtractCallResponse response)
    {
        _record.Add(response);
        foreach (var segment in response.Segments)
            await _responses.WriteAsync(new() { Activity = new() { Channel = segment.Channel, Segment = segment.Segment } });
    }

    private async Task ConcludeAsync(CallFeatureWindow features, Task<Judgement> scored, long since)
    {
        Judgement judgement;
        try
        {
            judgement = await scored;
        }
        catch (RpcException exception) when (exception.IsModelMismatch())
        {
            if (await TryRewindAsync())
                return;
            Log.WindowLost(_services.Logger, _plan.SessionId, exception.StatusCode);
            judgement = new() { Outcome = Outcome.Unavailable };
        }

        var (start, end) = (features.Window.Start, features.Window.End);
        await ConcludeAsync(
            new() { Channel = features.Channel, Index = features.Index, Start = start, End = end, Voice = new() { Channel = features.Channel, Start = start, End = end, Judgement = judgement } },
            since);
    }

    private async Task ConcludeAsync(StreamWindow window, long since)
    {
        if (_plan.Face is not null && _plan.Channels[window.Channel].Video)
        {
            window.Face = await _frames.CollectAsync(window.Start.ToTimeSpan(), window.End.ToTimeSpan(), since, _ended.Token);
            _frames.Forget(window.Start.ToTimeSpan() - _plan.HopTime);
        }

        window.Fused = _services.Fuser.Fuse(window.Voice?.Judgement, window.Face?.Judgement);
        var alerts = _record.Conclude(window);
        await _responses.WriteAsync(new() { Window = window });
        _services.Metrics.WindowSent(_services.Time.GetElapsedTime(since), window.Fused.Judgement.Outcome);
        foreach (var alert in alerts)
        {
            await _responses.WriteAsync(new() { Alert = alert });
            _services.Metrics.AlertSent(alert);
        }
    }

    /// <summary>Records that everything before is concluded: releases its audio, and writes a checkpoint if one is due.</summary>
    private async Task CheckpointAsync(CallAudioState audio)
    {
        _record.Conclude(audio.Clone());
        _features!.Forget(audio);
        await CheckpointAsync(TimeSpan.FromSeconds((double)audio.Ticks / CallTiming.TickRate));
    }

    private async Task CheckpointAsync(TimeSpan time)
    {
        if (time - _lastCheckpoint < _services.Options.CheckpointInterval)
            return;
        _lastCheckpoint = time;
        await _responses.WriteAsync(new() { Checkpoint = _record.CreateCheckpoint(_frames.Newest, _audio, _services.Signer) });
    }

    /// <summary>Restarts feature extraction after the last concluded window if a newer version of the model has another input.</summary>
    private async Task<bool> TryRewindAsync()
    {
        var name = _plan.Speech!.Reference.Name;
        using var requests = _services.CreateRequests(_tenant, _ended.Token);
        _services.Models.Expire(Modality.Speech);
        if (await _services.Models.FindAsync(Modality.Speech, name, requests) is not { } model || model.Input.Equals(_features!.Input))
            return false;
        Log.ModelChanged(_services.Logger, "speech", name);
        _generation++;
        _features.Rewind(_record.Audio.Clone(), model.Input);
        return true;
    }

    /// <summary>Scores a window; UNAVAILABLE if its requests fail until <see cref="FusionOptions.WindowTimeout"/>.</summary>
    /// <exception cref="RpcException">The features do not fit the model.</exception>
    private async Task<Judgement> ScoreAsync(FeatureWindow window)
    {
        if (window.Features.IsEmpty)
            return new() { Outcome = Outcome.Unavailable };
        using var requests = _services.CreateRequests(_tenant, _ended.Token);
        var request = new ClassifyRequest { Modality = Modality.Speech, Model = _plan.Speech!.Reference.Name, Input = window.Features };
        try
        {
            return (await requests.SendAsync(options => _services.Speech.ClassifyAsync(request, options), _services.SpeechLimiter)).Judgement;
        }
        catch (Exception exception) when (requests.IsOutage(exception) && !exception.IsModelMismatch())
        {
            Log.WindowLost(_services.Logger, _plan.SessionId, exception.Code());
            return new() { Outcome = Outcome.Unavailable };
        }
    }

    private async Task<ImageResult> AnalyzeFrameAsync(ByteString image)
    {
        using var requests = _services.CreateRequests(_tenant, _ended.Token);
        try
        {
            return await _services.Faces.AnalyzeImageAsync(image, "frame.image", _plan.Face!, new FaceResult(), new Clips.Violations(), requests);
        }
        catch (RpcException exception) when (exception.IsModelMismatch())
        {
            _services.Models.Expire(Modality.Face);
            return new ImageResult { Outcome = Outcome.Unavailable };
        }
    }

    /// <summary>Posts the windows of the channel without audio that are complete. They wait for late frames in the time of the call.</summary>
    private async Task PostVideoWindowsAsync()
    {
        if (_videoChannel is not { } channel)
            return;
        while (CallPlan.Time((_nextVideoWindow * _plan.Hop) + _plan.Window) + _services.Options.MaxVideoLag <= _frames.Newest)
            await PostVideoWindowAsync(channel, Windowing.Start(_nextVideoWindow, _plan.Hop), _plan.Window);
    }

    /// <summary>Posts the remaining windows of the channel without audio: the last one ends with the last frame.</summary>
    private async Task PostLastVideoWindowsAsync()
    {
        if (_videoChannel is not { } channel)
            return;
        var total = (long)(_frames.Newest.TotalSeconds * FeatureExtractor.SampleRate);
        while (Windowing.At(_nextVideoWindow, total, complete: true, _plan.Window, _plan.Hop) is { } window)
            await PostVideoWindowAsync(channel, window.Start, window.Length);
    }

    private async Task PostVideoWindowAsync(int channel, long start, int length)
    {
        var window = new StreamWindow
        {
            Channel = channel,
            Index = _nextVideoWindow++,
            Start = Duration.FromTimeSpan(CallPlan.Time(start)),
            End = Duration.FromTimeSpan(CallPlan.Time(start + length)),
        };
        var since = _services.Time.GetTimestamp();
        await _queue.Writer.WriteAsync(() => ConcludeAsync(window, since), _ended.Token);
        if (_audio is null)
            await _queue.Writer.WriteAsync(() => CheckpointAsync(window.End.ToTimeSpan()), _ended.Token);
    }

    private TimeSpan CallTime => _audio?.Duration is { } duration && duration > _frames.Newest ? duration : _frames.Newest;
}
