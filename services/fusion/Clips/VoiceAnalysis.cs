using Affect.Classifier.V1;
using Affect.Features.V1;
using Affect.Fusion.Peers;
using Affect.Fusion.Pooling;
using Affect.V1;
using Grpc.Core;

namespace Affect.Fusion.Clips;

/// <summary>
/// The voice of one clip: windows come from features as a stream, and each goes to speech as a call of its
/// own while the next is still being made. The stream is only read as fast as windows are scored.
/// </summary>
internal sealed class VoiceAnalysis(
    FeaturesService.FeaturesServiceClient features,
    [FromKeyedServices(Modality.Speech)] ClassifierService.ClassifierServiceClient speech,
    ModelCatalogue models,
    FusionOptions options,
    ILogger<VoiceAnalysis> logger)
{
    /// <summary>The least that can be judged; the contract of ExtractSpeech.</summary>
    private static readonly TimeSpan Shortest = TimeSpan.FromSeconds(0.25);

    private const string Name = "speech";

    /// <summary>Never throws for want of a peer: the outcome is UNAVAILABLE then.</summary>
    /// <exception cref="OperationCanceledException">The caller went away.</exception>
    public async Task<SpeechResult> RunAsync(Clip clip, Refusal refusal, PeerCalls calls)
    {
        var result = new SpeechResult { Judgement = new() { Outcome = Outcome.Unavailable } };
        try
        {
            await models.UseAsync(Modality.Speech, clip.SpeechModel, "clip.speech_model", refusal, calls, model =>
            {
                result = new SpeechResult { Judgement = new() { Outcome = Outcome.Unavailable }, Model = model.Reference };
                return ListenAsync(clip, model, result, refusal, calls);
            });
        }
        catch (Exception exception) when (calls.IsOutage(exception))
        {
            Log.ModalityUnavailable(logger, Name, exception.Code());
            MarkLost(result.Windows);
        }
        return result;
    }

    private async Task ListenAsync(Clip clip, Model model, SpeechResult result, Refusal refusal, PeerCalls calls)
    {
        var complete = false;
        var lost = 0;
        var lastLoss = StatusCode.OK;
        try
        {
            await Parallel.ForEachAsync(
                ReadAsync(),
                new ParallelOptions { MaxDegreeOfParallelism = options.MaxCallsPerModality, CancellationToken = calls.Token },
                (item, _) => ScoreAsync(item.Window, item.Features));
        }
        catch (OperationCanceledException) when (complete && !calls.Caller.IsCancellationRequested)
        {
            // Time is up, but every window is known: those that have scores stand.
        }

        MarkLost(result.Windows);
        if (lost > 0)
            Log.CallsLost(logger, lost, result.Windows.Count, Name, lastLoss);
        if (complete)
            result.Judgement = CreateJudgement(result, model.AbstainBelow);

        // Windows in the order of time. Parallel.ForEachAsync asks for one at a time, so that nothing in here races.
        async IAsyncEnumerable<(SpeechWindow Window, FeatureWindow Features)> ReadAsync()
        {
            var request = new ExtractSpeechRequest { Audio = clip.Audio, Input = model.Input, Hop = ClipRules.Hop(clip) };
            for (var attempt = 0; ; attempt++)
            {
                using var call = features.ExtractSpeech(request, calls.Options);
                // The windows of a stream are always the same: a repeated one is read past what is known.
                var known = result.Windows.Count;
                TimeSpan delay;
                while (true)
                {
                    try
                    {
                        if (!await call.ResponseStream.MoveNext(calls.Token))
                        {
                            complete = true;
                            yield break;
                        }
                    }
                    catch (RpcException exception) when (refusal.Take(exception, ("audio", "clip.audio"), ("hop", "clip.hop")))
                    {
                        yield break;
                    }
                    catch (RpcException exception) when (calls.MayRepeat(exception, attempt, out delay))
                    {
                        break;
                    }

                    // The header says that the audio can be read; a clip that is refused needs no scores.
                    if (refusal.Any)
                        yield break;
                    var message = call.ResponseStream.Current;
                    if (message.Header is { } header)
                    {
                        result.Duration = header.Duration;
                        result.Segments.Clear();
                        result.Segments.Add(header.Segments);
                    }
                    else if (message.Window is { } made && known-- <= 0)
                    {
                        var window = new SpeechWindow { Start = made.Start, End = made.End };
                        result.Windows.Add(window);
                        if (made.HasSpeech)
                            yield return (window, made);
                        else
                            window.Judgement = new() { Outcome = Outcome.NoSpeech };
                    }
                }
                await calls.DelayAsync(delay);
            }
        }

        async ValueTask ScoreAsync(SpeechWindow window, FeatureWindow made)
        {
            var request = new ClassifyRequest { Modality = Modality.Speech, Model = model.Reference.Name, Input = made.Features };
            try
            {
                var answer = await calls.CallAsync(call => speech.ClassifyAsync(request, call));
                window.Judgement = answer.Judgement;
                result.Model = answer.Model;
            }
            catch (Exception exception) when (calls.IsOutage(exception) && !exception.IsMisfit())
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

    private static Judgement CreateJudgement(SpeechResult result, float abstainBelow) =>
        Judgements.Mean(result.Windows.Select(window => window.Judgement), abstainBelow) ?? new()
        {
            Outcome = result.Windows.Any(window => window.Judgement.Outcome == Outcome.Unavailable) ? Outcome.Unavailable
                : result.Duration?.ToTimeSpan() < Shortest ? Outcome.TooShort
                : Outcome.NoSpeech,
        };
}
