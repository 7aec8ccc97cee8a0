using Affect.Audio;
using Affect.Classifier.V1;
using Affect.Features.V1;
using Affect.Fusion.Calls;
using Affect.Fusion.Peers;
using Affect.Fusion.Pooling;
using Affect.Scheduling;
using Affect.V1;
using Grpc.Core;

namespace Affect.Fusion.Clips;

/// <summary>
/// Analyzes the voice of a clip: reads the windows of its channels from features as a stream and sends each to speech as a separate
/// request. The stream is read no faster than windows are scored.
/// </summary>
internal sealed class VoiceAnalysis(
    FeaturesService.FeaturesServiceClient features,
    [FromKeyedServices(Modality.Speech)] ClassifierService.ClassifierServiceClient speech,
    [FromKeyedServices(Modality.Speech)] FairLimiter limiter,
    ModelCatalog models,
    ClipPace pace,
    FusionOptions options,
    TimeProvider time,
    ILogger<VoiceAnalysis> logger)
{
    private const string Name = "speech";

    /// <summary>Analyzes the audio; the outcome is UNAVAILABLE if a peer fails.</summary>
    /// <exception cref="OperationCanceledException">The caller disconnected.</exception>
    /// <exception cref="ClipTooLongException">The clip cannot be analyzed before the deadline.</exception>
    public async Task<SpeechResult> RunAsync(Clip clip, Violations violations, PeerRequests requests)
    {
        var result = new SpeechResult { Judgement = new() { Outcome = Outcome.Unavailable } };
        var judged = clip.Channels.Select(channel => CallPlan.MayInferEmotion(channel.Role, options)).ToList();
        if (options.AgentEmotion && clip.Channels.Any(channel => channel.Role != SpeakerRole.Customer))
            Log.AgentEmotionEnabledForClip(logger);
        try
        {
            if (judged.Count > 0 && !judged.Contains(true))
                await AnalyzeAsync(clip, judged, model: null, result, violations, requests);
            else
                await models.UseAsync(Modality.Speech, clip.SpeechModel, "clip.speech_model", violations, requests, model =>
            {
                result = new SpeechResult { Judgement = new() { Outcome = Outcome.Unavailable }, Model = model.Reference };
                return AnalyzeAsync(clip, judged, model, result, violations, requests);
            });
        }
        catch (Exception exception) when (requests.IsOutage(exception))
        {
            Log.ModalityUnavailable(logger, Name, exception.Code());
            MarkLost(result.Windows);
        }
        foreach (var channel in result.Channels)
            channel.Judgement ??= new() { Outcome = channel.Emotion ? Outcome.Unavailable : Outcome.NotPermitted };
        return result;
    }

    /// <param name="clip">The clip.</param>
    /// <param name="judged">For each channel with a role: true if the policy permits to judge it. Empty without roles.</param>
    /// <param name="model">Null if no channel is judged.</param>
    /// <param name="result">Receives the result.</param>
    /// <param name="violations">Receives violations of the audio and its channels.</param>
    /// <param name="requests">Budget of the requests.</param>
    private async Task AnalyzeAsync(
        Clip clip, List<bool> judged, Model? model, SpeechResult result, Violations violations, PeerRequests requests)
    {
        int[] sources = [];
        var complete = false;
        var lost = 0;
        var lastLoss = StatusCode.OK;
        var (expected, started) = (0, 0L);
        try
        {
            await Parallel.ForEachAsync(
                ReadAsync(),
                new ParallelOptions { MaxDegreeOfParallelism = options.MaxRequestsPerModality, CancellationToken = requests.Token },
                (item, _) => ScoreAsync(item.Window, item.Features));
        }
        catch (OperationCanceledException) when (complete && !requests.Caller.IsCancellationRequested)
        {
            // The time has elapsed, but every window is known: existing scores are kept.
        }

        MarkLost(result.Windows);
        if (lost > 0)
            Log.RequestsLost(logger, lost, result.Windows.Count, Name, lastLoss);
        AddRepeatedChannels(result, sources);
        if (!complete)
            return;
        foreach (var (index, channel) in result.Channels.Index())
            channel.Judgement = CreateJudgement(result, channel.Emotion, result.Windows.Where(window => window.Channel == index), model);
        result.Judgement = CreateJudgement(result, model is not null, result.Windows, model);

        // Windows in chronological order. Parallel.ForEachAsync reads one at a time, so that this needs no synchronization.
        async IAsyncEnumerable<(SpeechWindow Window, FeatureWindow Features)> ReadAsync()
        {
            var request = new ExtractSpeechRequest { Audio = clip.Audio, Input = model?.Input, Hop = ClipRules.Hop(clip), Windows = { judged } };
            for (var attempt = 0; ; attempt++)
            {
                using var call = features.ExtractSpeech(request, requests.StreamOptions);
                // A repeated stream has the same windows: known ones are skipped.
                var known = result.Windows.Count;
                TimeSpan delay;
                while (true)
                {
                    try
                    {
                        if (!await call.ResponseStream.MoveNext(requests.Token))
                        {
                            complete = true;
                            yield break;
                        }
                    }
                    catch (RpcException exception) when (violations.AddFrom(exception, ("audio", "clip.audio"), ("hop", "clip.hop"), ("windows", "clip.channels")))
                    {
                        yield break;
                    }
                    catch (RpcException exception) when (requests.ShouldRetry(exception, attempt, out delay))
                    {
                        break;
                    }

                    // A header means that the audio is valid; an invalid clip needs no scores.
                    if (violations.Any)
                        yield break;
                    requests.ReportProgress();
                    var message = call.ResponseStream.Current;
                    if (message.Header is { } header)
                    {
                        result.Duration = header.Duration;
                        result.Track = header.Track;
                        result.Segments.Clear();
                        result.Segments.Add(header.Segments);
                        sources = header.Channels.Count > 0 ? [.. header.Channels] : [0];
                        result.Channels.Clear();
                        result.Channels.Add(sources.Select((_, index) => new ChannelResult
                        {
                            Role = judged.Count > 0 ? clip.Channels[index].Role : SpeakerRole.Unknown,
                            Emotion = judged.Count == 0 || judged[index],
                        }));
                        var speaking = header.Segments.Select(segment => segment.Channel).Where(channel => result.Channels[channel].Emotion)
                            .Select(channel => sources[channel]).Distinct().Count();
                        (expected, started) = (speaking * (int)(header.Duration.ToTimeSpan() / request.Hop.ToTimeSpan()), time.GetTimestamp());
                        pace.Check(expected - known, requests.CallerTime);
                    }
                    else if (message.Window is { } extracted && known-- <= 0)
                    {
                        var window = new SpeechWindow { Start = extracted.Start, End = extracted.End, Channel = message.Channel };
                        result.Windows.Add(window);
                        if (result.Windows.Count % ClipPace.Step == 0)
                            pace.Check(result.Windows.Count, expected, time.GetElapsedTime(started), requests.CallerTime);
                        if (extracted.HasSpeech)
                            yield return (window, extracted);
                        else
                            window.Judgement = new() { Outcome = Outcome.NoSpeech };
                    }
                }
                await requests.DelayAsync(delay);
            }
        }

        async ValueTask ScoreAsync(SpeechWindow window, FeatureWindow extracted)
        {
            var request = new ClassifyRequest { Modality = Modality.Speech, Model = model!.Reference.Name, Input = extracted.Features };
            try
            {
                var response = await requests.SendAsync(callOptions => speech.ClassifyAsync(request, callOptions), limiter);
                requests.ReportProgress();
                window.Judgement = response.Judgement;
                result.Model = response.Model;
            }
            catch (Exception exception) when (requests.IsOutage(exception) && !exception.IsModelMismatch())
            {
                window.Judgement = new() { Outcome = Outcome.Unavailable };
                lastLoss = exception.Code();
                Interlocked.Increment(ref lost);
            }
        }
    }

    private static void MarkLost(IEnumerable<SpeechWindow> windows)
    {
        foreach (var window in windows)
            window.Judgement ??= new() { Outcome = Outcome.Unavailable };
    }

    /// <summary>Adds the windows of channels with the same samples as another one, and orders all by channel.</summary>
    /// <param name="result">Has the windows of the first channel of each group that is judged.</param>
    /// <param name="sources">For each channel, the first one with the same samples.</param>
    private static void AddRepeatedChannels(SpeechResult result, int[] sources)
    {
        var windows = result.Windows.ToLookup(window => sources[window.Channel]);
        result.Windows.Clear();
        foreach (var (index, channel) in result.Channels.Index().Where(channel => channel.Item.Emotion))
            result.Windows.Add(windows[sources[index]].Select(window => window.Channel == index
                ? window
                : new SpeechWindow { Start = window.Start, End = window.End, Channel = index, Judgement = window.Judgement }));
    }

    private static Judgement CreateJudgement(SpeechResult result, bool judged, IEnumerable<SpeechWindow> windows, Model? model) =>
        !judged ? new() { Outcome = Outcome.NotPermitted }
        : Judgements.Mean(windows.Select(window => window.Judgement), model!.AbstainBelow) ?? new()
        {
            Outcome = windows.Any(window => window.Judgement.Outcome == Outcome.Unavailable) ? Outcome.Unavailable
                : result.Duration?.ToTimeSpan() < AudioLimits.MinDuration ? Outcome.TooShort
                : Outcome.NoSpeech,
        };
}
