using System.Threading.Channels;
using Affect.Classifier.V1;
using Affect.Features.V1;
using Affect.Fusion.Clips;
using Affect.Fusion.Peers;
using Affect.Fusion.Pooling;
using Affect.Fusion.Timeline;
using Affect.Fusion.V1;
using Affect.Hosting;
using Affect.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using CallEnd = Affect.V1.CallEnd;
using Request = Affect.V1.AnalyzeStreamRequest;
using Response = Affect.V1.AnalyzeStreamResponse;

namespace Affect.Fusion.Calls;

/// <summary>
/// One call from its configuration to its summary. Media are taken on one thread; windows are scored side by side, and
/// concluded one after the other in the order in which they fell due.
/// </summary>
/// <remarks>
/// Everything that cannot be had again from the last seconds of media is a <see cref="CallState"/>, which travels to the
/// client in checkpoints: a call that is resumed, here or elsewhere, is one that begins with such a state.
/// </remarks>
internal sealed class CallSession(
    FeaturesService.FeaturesServiceClient features,
    [FromKeyedServices(Modality.Speech)] ClassifierService.ClassifierServiceClient speech,
    FaceAnalysis faces,
    ModelCatalog models,
    Fuser fuser,
    FusionOptions options,
    FusionMetrics metrics,
    TimeProvider time,
    IHostApplicationLifetime lifetime,
    ILogger<CallSession> logger)
    : IDisposable
{
    private readonly SemaphoreSlim _writing = new(1);

    // Concludes what fell due, in order. Full, it has the reader wait, and with it the client.
    private readonly Channel<Func<Task>> _due = Channel.CreateBounded<Func<Task>>(options.WindowsAtOnce);
    private readonly List<SpeechActivity> _activities = [];

    private Func<Response, Task> _write = null!;
    private CancellationToken _caller;
    private CallPlan _plan = null!;
    private ConversationState _conversationState = null!;
    private Conversation _conversation = null!;
    private CallAudio _audio = null!;
    private CallFrames _frames = null!;
    private TimelineState[] _timelineStates = [];
    private EmotionTimeline[] _timelines = [];

    /// <summary>Index of the camera's own channel, and of its next window; -1 where the camera belongs to a voice.</summary>
    private int _camera = -1;
    private long _nextOfCamera;
    private TimeSpan _saved;

    /// <param name="requests">What the client sends.</param>
    /// <param name="write">Answers; never called twice at a time.</param>
    /// <param name="caller">Fires when the client went away.</param>
    /// <exception cref="RpcException">The client broke the contract; what it had sent before is answered.</exception>
    public async Task RunAsync(IAsyncStreamReader<Request> requests, Func<Response, Task> write, CancellationToken caller)
    {
        (_write, _caller) = (write, caller);
        await BeginAsync(await ConfigurationAsync(requests));
        metrics.CallBegan();
        try
        {
            await AnalyseAsync(requests);
        }
        finally
        {
            metrics.CallEnded();
        }
    }

    private async Task AnalyseAsync(IAsyncStreamReader<Request> requests)
    {
        var concluding = ConcludeAsync();
        var end = CallEnd.Completed;
        try
        {
            while (await NextAsync(requests))
                await TakeAsync(requests.Current);
        }
        catch (TimeoutException)
        {
            end = CallEnd.Stalled;
            Log.CallStalled(logger, _plan.SessionId);
        }
        catch (ChannelClosedException)
        {
            // Concluding failed; it says why below.
        }
        catch
        {
            _due.Writer.TryComplete();
            await concluding;
            await _frames.EndAsync();
            throw;
        }

        if (!concluding.IsFaulted)
            await EndAsync();
        await concluding;
        await _frames.EndAsync();
        await WriteAsync(new() { Summary = Summarise(end) });
    }

    private async Task<StreamConfig> ConfigurationAsync(IAsyncStreamReader<Request> requests)
    {
        try
        {
            if (await NextAsync(requests) && requests.Current.Config is { } config)
                return config;
        }
        catch (TimeoutException)
        {
            // It did not come in time.
        }
        throw RpcErrors.Status(StatusCode.FailedPrecondition, "a stream begins with its configuration");
    }

    public void Dispose()
    {
        _writing.Dispose();
        _frames?.Dispose();
    }

    /// <exception cref="TimeoutException">Nothing came for too long.</exception>
    private async Task<bool> NextAsync(IAsyncStreamReader<Request> requests)
    {
        var next = requests.MoveNext(_caller);
        try
        {
            return next.IsCompleted ? await next : await next.WaitAsync(options.StallTimeout, time, lifetime.ApplicationStopping);
        }
        catch (OperationCanceledException) when (lifetime.ApplicationStopping.IsCancellationRequested)
        {
            // Not to be waited for: the call goes on elsewhere from its newest checkpoint.
            throw RpcErrors.Status(StatusCode.Unavailable, "the server is going away; resume the call on another");
        }
    }

    private async Task BeginAsync(StreamConfig config)
    {
        var refusal = new Refusal();
        using var requests = NewRequests();
        CallPlan? plan;
        try
        {
            plan = await CallPlan.CreateAsync(config, options, (modality, name) => models.FindAsync(modality, name, requests), refusal);
        }
        catch (Exception exception) when (requests.IsOutage(exception))
        {
            throw RpcErrors.Status(StatusCode.Unavailable, "none of the services that know the models answers");
        }
        var state = plan is null ? null : Resume(config.Resume, plan, refusal);
        if (plan is null || state is null)
            throw RpcErrors.InvalidArgument(refusal.Violations);

        _plan = plan;
        (_conversationState, _conversation) = (state.Conversation, new Conversation(state.Conversation));
        _audio = new CallAudio(plan, _conversation, state);
        _frames = new CallFrames(plan, LookAsync, frame => WriteAsync(new() { Frame = frame }), options, time)
        {
            Newest = TimeSpan.FromMicroseconds(state.NewestFrame),
        };
        _timelineStates = [.. state.Channels.Select(channel => channel.Timeline)];
        _timelines = [.. _timelineStates.Select(timeline => new EmotionTimeline(timeline, options, plan.WindowTime, plan.HopTime))];
        _saved = CallTime;
        if (plan.Channels is [.., { HasAudio: false, Emotion: true }])
            (_camera, _nextOfCamera) = (plan.Channels.Count - 1, state.Channels[^1].NextWindow);
        if (options.AgentEmotion && plan.Channels.Any(channel => channel.Role != SpeakerRole.Customer))
            Log.AgentJudged(logger, plan.SessionId);
        await WriteAsync(new() { Started = plan.Describe(state.AudioPosition) });
    }

    /// <summary>What was written down, or a call that begins; null where it cannot be resumed from.</summary>
    private static CallState? Resume(ByteString resume, CallPlan plan, Refusal refusal)
    {
        if (resume.IsEmpty)
        {
            var state = new CallState { Conversation = Conversation.NewState(plan.AudioChannels) };
            foreach (var _ in plan.Channels)
                state.Channels.Add(new ChannelState { Open = -1, Timeline = new() });
            return state;
        }
        try
        {
            var state = CallState.Parser.ParseFrom(resume);
            if (state.IsOf(plan))
                return state;
        }
        catch (InvalidProtocolBufferException)
        {
            // No state of ours.
        }
        refusal.Add("config.resume", "It is no state of a call with this configuration.");
        return null;
    }

    private async Task TakeAsync(Request request)
    {
        switch (request.MessageCase)
        {
            case Request.MessageOneofCase.Audio when _plan.AudioChannels > 0:
                foreach (var piece in _audio.Pieces(request.Audio))
                {
                    _audio.Take(piece.Span, _activities);
                    await DueAsync();
                }
                break;
            case Request.MessageOneofCase.Frame when _plan.HasVideo:
                await _frames.TakeAsync(request.Frame, CallTime, _caller);
                await DueAsync();
                break;
            case Request.MessageOneofCase.Config:
                throw RpcErrors.Status(StatusCode.FailedPrecondition, "a stream has one configuration, which cannot be changed");
            case Request.MessageOneofCase.Audio:
                throw RpcErrors.InvalidArgument("audio", "The configuration names no audio.");
            case Request.MessageOneofCase.Frame:
                throw RpcErrors.InvalidArgument("frame", "The configuration names no video.");
            default:
                throw RpcErrors.InvalidArgument("message", "It is empty.");
        }
    }

    /// <summary>Hands on what has fallen due.</summary>
    private async Task DueAsync()
    {
        foreach (var activity in _activities)
            await PostAsync(() => WriteAsync(new() { Activity = activity }));
        _activities.Clear();
        while (_audio.TryNext(out var due))
            await PostAsync(due.Channel, due.Index, due.Start, due.Length, due.HasVoice ? _audio.Request(due) : null);
        _audio.Forget();

        // The camera's own windows wait for frames that are late in the call's time, as others do in the clock's.
        while (_camera >= 0 && CallPlan.Time((_nextOfCamera * _plan.Hop) + _plan.Window) + options.MaxVideoLag <= _frames.Newest)
            await PostAsync(_camera, _nextOfCamera, _nextOfCamera++ * _plan.Hop, _plan.Window, null);

        if (CallTime - _saved < options.CheckpointEvery)
            return;
        _saved = CallTime;
        var state = Save();
        await PostAsync(() => CheckpointAsync(state));
    }

    private async Task EndAsync()
    {
        _audio.End(_activities);
        await DueAsync();
        if (_camera >= 0)
        {
            // As a clip's: the last window ends with the last frame.
            var total = (int)(_frames.Newest.TotalSeconds * Audio.FeatureExtractor.SampleRate);
            var windows = Audio.Windowing.Over(total, _plan.Window, _plan.Hop);
            for (; _nextOfCamera < windows.Count; _nextOfCamera++)
                await PostAsync(_camera, _nextOfCamera, windows[(int)_nextOfCamera].Start, windows[(int)_nextOfCamera].Length, null);
        }
        _due.Writer.TryComplete();
    }

    private ValueTask PostAsync(Func<Task> conclude) => _due.Writer.WriteAsync(conclude, _caller);

    private ValueTask PostAsync(int channel, long index, long start, int length, ExtractWindowRequest? request)
    {
        var window = new StreamWindow
        {
            Channel = channel,
            Index = index,
            Start = Duration.FromTimeSpan(CallPlan.Time(start)),
            End = Duration.FromTimeSpan(CallPlan.Time(start + length)),
        };
        if (_plan.Channels[channel].HasAudio)
            window.Voice = new() { Start = window.Start, End = window.End, Judgement = new() { Outcome = Outcome.NoSpeech } };
        // Scored from now on, however many are concluded before it.
        var scored = request is null ? Task.CompletedTask : ScoreAsync(window.Voice!, request);
        var due = time.GetTimestamp();
        return PostAsync(() => ConcludeAsync(window, scored, due));
    }

    private async Task ConcludeAsync()
    {
        try
        {
            await foreach (var conclude in _due.Reader.ReadAllAsync(_caller))
                await conclude();
        }
        catch (Exception exception)
        {
            _due.Writer.TryComplete(exception);
            throw;
        }
    }

    private async Task ConcludeAsync(StreamWindow window, Task scored, long due)
    {
        await scored;
        if (_plan.Face is not null && _plan.Channels[window.Channel].Video)
        {
            window.Face = await _frames.CollectAsync(window.Start.ToTimeSpan(), window.End.ToTimeSpan(), _caller);
            _frames.Forget(window.Start.ToTimeSpan() - _plan.HopTime);
        }
        window.Fused = fuser.Fuse(window.Voice?.Judgement, window.Face?.Judgement);
        var alerts = _timelines[window.Channel].Append(window);
        await WriteAsync(new() { Window = window });
        metrics.WindowTold(time.GetElapsedTime(due), window.Fused.Judgement.Outcome);
        foreach (var alert in alerts)
        {
            await WriteAsync(new() { Alert = alert });
            metrics.AlertTold(alert);
        }
    }

    /// <summary>Scores a window; one whose requests are lost for good is UNAVAILABLE.</summary>
    private async Task ScoreAsync(SpeechWindow window, ExtractWindowRequest request)
    {
        window.Judgement = new() { Outcome = Outcome.Unavailable };
        using var requests = NewRequests();
        var model = _plan.Speech!;
        try
        {
            for (var again = false; ; again = true)
                try
                {
                    var made = await requests.SendAsync(callOptions => features.ExtractWindowAsync(request, callOptions));
                    var answer = await requests.SendAsync(callOptions =>
                        speech.ClassifyAsync(new() { Modality = Modality.Speech, Model = model.Reference.Name, Input = made.Features }, callOptions));
                    window.Judgement = answer.Judgement;
                    return;
                }
                catch (RpcException exception) when (!again && exception.IsModelMismatch())
                {
                    // A newer version of the model may take another input than the list says.
                    Log.ModelChanged(logger, "speech", model.Reference.Name);
                    models.Expire(Modality.Speech);
                    model = await models.FindAsync(Modality.Speech, model.Reference.Name, requests) ?? model;
                    request.Input = model.Input;
                }
        }
        catch (Exception exception) when (requests.IsOutage(exception))
        {
            Log.WindowLost(logger, _plan.SessionId, exception.Code());
        }
    }

    private async Task<ImageResult> LookAsync(ByteString image)
    {
        using var requests = NewRequests();
        try
        {
            return await faces.AnalyzeImageAsync(image, "frame.image", _plan.Face!, new FaceResult(), new Refusal(), requests);
        }
        catch (RpcException exception) when (exception.IsModelMismatch())
        {
            models.Expire(Modality.Face);
            return new ImageResult { Outcome = Outcome.Unavailable };
        }
    }

    private CallState Save()
    {
        var state = new CallState
        {
            Format = CallStates.Format,
            Configuration = _plan.Digest,
            Conversation = _conversationState.Clone(),
            NewestFrame = (long)_frames.Newest.TotalMicroseconds,
        };
        _audio.Save(state);
        if (_plan.Channels.Count > _plan.AudioChannels)
            state.Channels.Add(new ChannelState { Open = -1, NextWindow = _nextOfCamera });
        return state;
    }

    /// <summary>Everything that fell due before the state was taken has been concluded by now.</summary>
    private Task CheckpointAsync(CallState state)
    {
        var next = TimeSpan.Zero;
        for (var i = 0; i < _timelines.Length; i++)
        {
            state.Channels[i].Timeline = _timelineStates[i].Clone();
            if (_plan.Channels[i].Video)
                next = _plan.HopTime * Math.Max(0, state.Channels[i].NextWindow - 1);
        }
        return WriteAsync(new()
        {
            Checkpoint = new() { AudioPosition = state.AudioPosition, VideoTime = Duration.FromTimeSpan(next), State = state.ToByteString() },
        });
    }

    private CallSummary Summarise(CallEnd end)
    {
        var summary = new CallSummary
        {
            End = end,
            Duration = Duration.FromTimeSpan(CallTime),
            Overlap = _conversation.Overlap,
            MissingAudio = Duration.FromTimeSpan(_plan.Rate == 0 ? TimeSpan.Zero : TimeSpan.FromSeconds((double)_audio.Missing / _plan.Rate)),
        };
        foreach (var (index, planned) in _plan.Channels.Index())
        {
            var channel = planned.HasAudio ? _conversation.Summarise(index) : new ChannelSummary { Channel = index };
            channel.Role = planned.Role;
            if (planned.Emotion)
                channel.Emotion = _timelines[index].Summarize(
                    !planned.HasAudio ? Outcome.NoFace : _timelineStates[index].Windows == 0 ? Outcome.TooShort : Outcome.NoSpeech);
            summary.Channels.Add(channel);
        }
        return summary;
    }

    private TimeSpan CallTime => _audio.Duration > _frames.Newest ? _audio.Duration : _frames.Newest;

    private PeerRequests NewRequests() => new(options.WindowBudget, time, DateTimeOffset.MaxValue, _caller);

    private async Task WriteAsync(Response response)
    {
        await _writing.WaitAsync(_caller);
        try
        {
            await _write(response);
        }
        finally
        {
            _writing.Release();
        }
    }
}
