using System.Threading.RateLimiting;
using Affect.Audio;
using Affect.Features.Audio;
using Affect.Features.Pictures;
using Affect.Features.V1;
using Affect.Hosting;
using Affect.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using CallAudioState = Affect.Features.Audio.CallAudioState;

namespace Affect.Features;

/// <summary>The gRPC adapter: checks requests, calls the domain, maps results.</summary>
internal sealed class FeaturesService(
    AudioDecoder decoder,
    FaceExtractor faces,
    [FromKeyedServices(FeaturesHosting.Files)] ConcurrencyLimiter files,
    [FromKeyedServices(FeaturesHosting.Calls)] ConcurrencyLimiter calls,
    FeaturesMetrics metrics,
    TimeProvider time,
    IHostApplicationLifetime lifetime)
    : V1.FeaturesService.FeaturesServiceBase
{
    private static readonly TimeSpan
        MinWindow = TimeSpan.FromSeconds(0.5), MaxWindow = TimeSpan.FromSeconds(10),
        MinHop = TimeSpan.FromSeconds(0.1), MaxHop = TimeSpan.FromSeconds(10);

    private const int MinSize = 16, MaxSize = 512;

    public override async Task ExtractSpeech(
        ExtractSpeechRequest request, IServerStreamWriter<ExtractSpeechResponse> responseStream, ServerCallContext context)
    {
        var cancellationToken = context.CancellationToken;
        var (set, window, hop) = Check(request);
        var clip = await files.RunAsync("audio", DecodeAsync, cancellationToken);

        var header = new AudioHeader { Duration = Duration.FromTimeSpan(clip.Duration) };
        foreach (var segment in clip.Segments)
            header.Segments.Add(new Affect.V1.SpeechSegment { Start = CallMessages.At(segment.Start), End = CallMessages.At(segment.End) });
        await responseStream.WriteAsync(new ExtractSpeechResponse { Header = header }, cancellationToken);

        var windows = clip.Slide(window, set);
        foreach (var part in clip.Windows(window, hop))
        {
            var message = new FeatureWindow
            {
                Start = CallMessages.At(part.Start),
                End = CallMessages.At(part.Start + part.Length),
                HasSpeech = clip.HasSpeech(part),
            };
            if (message.HasSpeech)
            {
                var start = time.GetTimestamp();
                message.Features = CallMessages.Bytes(windows.Extract(part));
                metrics.WindowsExtracted(time.GetElapsedTime(start), 1);
            }

            await responseStream.WriteAsync(new ExtractSpeechResponse { Window = message }, cancellationToken);
        }

        async Task<SpeechClip> DecodeAsync()
        {
            var start = time.GetTimestamp();
            var decoded = new SpeechClip(await decoder.DecodeAsync(request.Audio.Memory, cancellationToken));
            metrics.Decoded(time.GetElapsedTime(start));
            return decoded;
        }
    }

    public override async Task ExtractCall(
        IAsyncStreamReader<ExtractCallRequest> requestStream, IServerStreamWriter<ExtractCallResponse> responseStream, ServerCallContext context)
    {
        using var permit = calls.AttemptAcquire();
        if (!permit.IsAcquired)
            throw RpcErrors.ResourceExhausted("the limit of concurrent calls is reached", Work.RetryAfter);
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, lifetime.ApplicationStopping);
        try
        {
            await ExtractCallAsync(requestStream, responseStream, stopping.Token);
        }
        catch (Exception exception) when (
            lifetime.ApplicationStopping.IsCancellationRequested && exception is OperationCanceledException or RpcException { StatusCode: StatusCode.Cancelled })
        {
            throw RpcErrors.Status(StatusCode.Unavailable, "the server is shutting down; continue the call on another");
        }
        catch (AudioFormatException exception)
        {
            throw RpcErrors.InvalidArgument("audio", exception.Message);
        }
    }

    private async Task ExtractCallAsync(
        IAsyncStreamReader<ExtractCallRequest> requests, IServerStreamWriter<ExtractCallResponse> responses, CancellationToken cancellation)
    {
        if (!await requests.MoveNext(cancellation) || requests.Current.Config is not { } config)
            throw RpcErrors.Status(StatusCode.FailedPrecondition, "the first message of a call must be its config");
        var (format, resume) = Check(config);
        var audio = new CallAudio(format, resume);
        while (await requests.MoveNext(cancellation))
        {
            if (requests.Current.MessageCase != ExtractCallRequest.MessageOneofCase.Audio)
                throw RpcErrors.InvalidArgument("audio", "must be set in every message but the first");
            await ReportAsync(() => audio.Append(requests.Current.Audio.Span), always: false);
        }

        await ReportAsync(audio.End, always: true);

        async ValueTask ReportAsync(Action advance, bool always)
        {
            var start = time.GetTimestamp();
            try
            {
                advance();
            }
            finally
            {
                // What came before samples that cannot be read is reported.
                if (audio.HasNews || always)
                {
                    metrics.WindowsExtracted(time.GetElapsedTime(start), audio.Windows.Count);
                    await responses.WriteAsync(audio.ToProto(format), cancellation);
                    audio.Clear();
                }
            }
        }
    }

    public override async Task<ExtractFacesResponse> ExtractFaces(ExtractFacesRequest request, ServerCallContext context)
    {
        var gray = Check(request);
        var picture = await files.RunAsync("image", () => Task.FromResult(Extract()), context.CancellationToken);

        var response = new ExtractFacesResponse { Width = picture.Width, Height = picture.Height };
        foreach (var face in picture.Faces)
        {
            response.Faces.Add(new FaceCrop
            {
                Box = new BoundingBox { Left = face.Box.Left, Top = face.Box.Top, Width = face.Box.Width, Height = face.Box.Height },
                DetectionConfidence = face.Confidence,
                Pixels = UnsafeByteOperations.UnsafeWrap(face.Pixels),
            });
        }

        return response;

        Picture Extract()
        {
            var start = time.GetTimestamp();
            var found = faces.Extract(request.Image.Span, request.Input.Size, gray);
            metrics.FacesExtracted(time.GetElapsedTime(start), found.Faces.Count);
            return found;
        }
    }

    private static (FeatureSet Set, TimeSpan Window, TimeSpan Hop) Check(ExtractSpeechRequest request)
    {
        var violations = new List<(string Field, string Description)>();
        if (request.Audio.IsEmpty)
            violations.Add(("audio", "must not be empty"));
        var set = Set("input.features", request.Input, violations);
        var window = Between("input.window", request.Input?.Window, MinWindow, MaxWindow, violations);
        var hop = Between("hop", request.Hop, MinHop, MaxHop, violations);
        return violations.Count == 0 ? (set, window, hop) : throw RpcErrors.InvalidArgument(violations);
    }

    private static (CallFormat Format, CallAudioState? Resume) Check(CallConfig config)
    {
        var violations = new List<(string Field, string Description)>();
        var encoding = config.Encoding.ToDomain();
        if (encoding is null)
            violations.Add(("config.encoding", "must be L16, FLOAT32, MULAW or ALAW"));
        if (config.SampleRate is < CallFormat.MinRate or > CallFormat.MaxRate)
            violations.Add(("config.sample_rate", $"must be {CallFormat.MinRate} to {CallFormat.MaxRate} Hz"));
        if (config.Windows.Count is < 1 or > CallFormat.MaxChannels)
            violations.Add(("config.windows", $"must have 1 to {CallFormat.MaxChannels} channels"));
        var needed = config.Windows.Any(windows => windows);
        var set = needed ? Set("config.input.features", config.Input, violations) : default;
        var model = needed ? Between("config.input.window", config.Input?.Window, MinWindow, MaxWindow, violations) : MaxWindow;
        var window = Between("config.window", config.Window, MinWindow, model, violations);
        var hop = Between("config.hop", config.Hop, MinHop, MaxHop, violations);
        var format = new CallFormat(
            encoding ?? default, config.SampleRate, config.Windows, set, SpeechClip.Samples(model), SpeechClip.Samples(window), SpeechClip.Samples(hop));
        var resume = violations.Count == 0 ? config.Resume?.ToDomain(format, violations) : null;
        return violations.Count == 0 ? (format, resume) : throw RpcErrors.InvalidArgument(violations);
    }

    private static FeatureSet Set(string field, ModelInput? input, List<(string Field, string Description)> violations)
    {
        FeatureSet? set = input?.Features switch
        {
            FeatureKind.MfccZcrRms => FeatureSet.MfccZcrRms,
            FeatureKind.MfccDeltaZcrRms => FeatureSet.MfccDeltaZcrRms,
            FeatureKind.LogMel => FeatureSet.LogMel,
            FeatureKind.LogMelZcrRms => FeatureSet.LogMelZcrRms,
            _ => null,
        };
        if (set is null)
            violations.Add((field, "must be MFCC_ZCR_RMS, MFCC_DELTA_ZCR_RMS, LOG_MEL or LOG_MEL_ZCR_RMS"));
        return set ?? default;
    }

    private static TimeSpan Between(
        string field, Duration? duration, TimeSpan min, TimeSpan max, List<(string Field, string Description)> violations)
    {
        if (duration.TryToTimeSpan(min, max, out var time))
            return time;
        violations.Add((field, $"must be {min.TotalSeconds} to {max.TotalSeconds} s"));
        return default;
    }

    /// <returns>True if the crops are gray.</returns>
    private static bool Check(ExtractFacesRequest request)
    {
        var violations = new List<(string Field, string Description)>();
        if (request.Image.IsEmpty)
            violations.Add(("image", "must not be empty"));
        if (request.Input?.Features is not (FeatureKind.Gray or FeatureKind.Rgb))
            violations.Add(("input.features", "must be GRAY or RGB"));
        if (request.Input?.Size is not (>= MinSize and <= MaxSize))
            violations.Add(("input.size", $"must be {MinSize} to {MaxSize} pixels"));
        return violations.Count == 0
            ? request.Input!.Features == FeatureKind.Gray
            : throw RpcErrors.InvalidArgument(violations);
    }
}

internal static class Work
{
    public static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    /// <summary>Waits for a permit, then runs the work on the thread pool. Faults of the media become a status that names the field.</summary>
    /// <exception cref="RpcException">RESOURCE_EXHAUSTED with RetryInfo: the queue is full. INVALID_ARGUMENT: the media cannot be decoded.</exception>
    public static async Task<T> RunAsync<T>(
        this ConcurrencyLimiter limiter, string field, Func<Task<T>> work, CancellationToken cancellationToken)
    {
        using var lease = await limiter.AcquireAsync(cancellationToken: cancellationToken);
        if (!lease.IsAcquired)
            throw Busy();
        try
        {
            return await Task.Run(work, cancellationToken);
        }
        catch (Exception exception) when (exception is AudioFormatException or PictureFormatException)
        {
            throw RpcErrors.InvalidArgument(field, exception.Message);
        }
        catch (DecoderMissingException)
        {
            throw RpcErrors.Status(StatusCode.Unavailable, "ffmpeg is not installed here; only WAV can be decoded");
        }
        catch (BusyException)
        {
            throw Busy();
        }

        static RpcException Busy() => RpcErrors.ResourceExhausted("features is overloaded", RetryAfter);
    }
}
