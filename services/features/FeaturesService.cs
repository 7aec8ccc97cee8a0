using Affect.Audio;
using Affect.Features.Audio;
using Affect.Features.Pictures;
using Affect.Features.V1;
using Affect.Hosting;
using Affect.Scheduling;
using Affect.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace Affect.Features;

/// <summary>The gRPC adapter: validates requests, calls the domain, maps results.</summary>
internal sealed class FeaturesService(
    AudioDecoder decoder,
    FaceExtractor faces,
    [FromKeyedServices(FeaturesHosting.Files)] FairLimiter files,
    [FromKeyedServices(FeaturesHosting.Calls)] FairLimiter calls,
    [FromKeyedServices(FeaturesHosting.Cores)] FairLimiter cores,
    MediaMemory memory,
    FeaturesMetrics metrics,
    TimeProvider time,
    IHostApplicationLifetime lifetime)
    : V1.FeaturesService.FeaturesServiceBase
{
    public override async Task ExtractSpeech(
        ExtractSpeechRequest request, IServerStreamWriter<ExtractSpeechResponse> responseStream, ServerCallContext context)
    {
        var (tenant, cancellationToken) = (context.GetTenant(), context.CancellationToken);
        var (set, window, hop) = request.Validate();
        using var bytes = memory.Reserve(tenant, request.Audio.Length);
        // For each channel, the first one with the same samples, and its clip.
        var (sources, clips, track) = await files.RunAsync(tenant, "audio", DecodeAsync, cancellationToken);
        if (request.Windows.Count > 0 && request.Windows.Count != sources.Length)
            throw RpcErrors.InvalidArgument("windows", $"must have one entry for each channel of the audio: it has {request.Windows.Count}, and the audio has {sources.Length}");

        var header = new AudioHeader
        {
            Duration = Duration.FromTimeSpan(clips[0].Duration),
            Track = new() { Index = track.Index, Count = track.Count },
            Channels = { sources },
        };
        for (var channel = 0; channel < clips.Length; channel++)
            foreach (var segment in clips[channel].Segments)
                header.Segments.Add(new Affect.V1.SpeechSegment
                {
                    Start = CallMessages.ToDuration(segment.Start),
                    End = CallMessages.ToDuration(segment.End),
                    Channel = channel,
                });
        await responseStream.WriteAsync(new ExtractSpeechResponse { Header = header }, cancellationToken);

        var extracted = new HashSet<int>();
        for (var channel = 0; channel < clips.Length; channel++)
            if ((request.Windows.Count == 0 || request.Windows[channel]) && extracted.Add(sources[channel]))
                await WriteWindowsAsync(clips[channel], channel);

        async Task WriteWindowsAsync(SpeechClip clip, int channel)
        {
            var extractor = clip.CreateExtractor(window, set);
            foreach (var part in clip.Windows(window, hop))
            {
                var message = new FeatureWindow
                {
                    Start = CallMessages.ToDuration(part.Start),
                    End = CallMessages.ToDuration(part.Start + part.Length),
                    HasSpeech = clip.HasSpeech(part),
                };
                if (message.HasSpeech)
                {
                    using var core = await cores.AcquireAsync(tenant, cancellationToken);
                    var start = time.GetTimestamp();
                    message.Features = CallMessages.ToBytes(extractor.Extract(part));
                    metrics.WindowsExtracted(time.GetElapsedTime(start), 1);
                }

                await responseStream.WriteAsync(new ExtractSpeechResponse { Window = message, Channel = channel }, cancellationToken);
            }
        }

        async Task<(int[] Sources, SpeechClip[] Clips, Audio.AudioTrack Track)> DecodeAsync()
        {
            var start = time.GetTimestamp();
            var (audio, track) = await decoder.DecodeAsync(request.Audio.Memory, cancellationToken);
            memory.Discard(2L * sizeof(float) * audio.ChannelCount * audio.Length); // the samples and their bytes
            var (sources, clips) = await FairLimiterExtensions.OnDedicatedThread(() => CreateClips(audio), cancellationToken);
            metrics.Decoded(time.GetElapsedTime(start));
            return (sources, clips, track);
        }
    }

    /// <summary>Creates the clip of each channel; channels with the same samples share one.</summary>
    private static (int[] Sources, SpeechClip[] Clips) CreateClips(AudioBuffer audio)
    {
        int[] sources = [.. Enumerable.Range(0, audio.ChannelCount).Select(audio.FirstEqual)];
        var clips = new SpeechClip[audio.ChannelCount];
        for (var channel = 0; channel < clips.Length; channel++)
            clips[channel] = sources[channel] < channel ? clips[sources[channel]] : new SpeechClip(audio, channel);

        return (sources, clips);
    }

    public override async Task ExtractCall(
        IAsyncStreamReader<ExtractCallRequest> requestStream, IServerStreamWriter<ExtractCallResponse> responseStream, ServerCallContext context)
    {
        var tenant = context.GetTenant();
        using var permit = await calls.AcquireAsync(tenant, context.CancellationToken);
        if (!permit.IsAcquired)
            throw RpcErrors.ResourceExhausted("the limit of concurrent calls is reached", FairLimiterExtensions.RetryAfter);
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, lifetime.ApplicationStopping);
        try
        {
            await ExtractCallAsync(requestStream, responseStream, tenant, stopping.Token);
        }
        catch (Exception exception) when (
            lifetime.ApplicationStopping.IsCancellationRequested && exception is OperationCanceledException or RpcException { StatusCode: StatusCode.Cancelled })
        {
            throw RpcErrors.Status(StatusCode.Unavailable, "the server is shutting down; continue the call on another server");
        }
        catch (AudioFormatException exception)
        {
            throw RpcErrors.InvalidArgument("audio", exception.Message);
        }
    }

    private async Task ExtractCallAsync(
        IAsyncStreamReader<ExtractCallRequest> requests, IServerStreamWriter<ExtractCallResponse> responses, string tenant,
        CancellationToken cancellation)
    {
        if (!await requests.MoveNext(cancellation) || requests.Current.Config is not { } config)
            throw RpcErrors.Status(StatusCode.FailedPrecondition, "the first message of a call must be its config");
        var (format, resume) = config.Validate();
        var audio = new CallAudio(format, resume);
        while (await requests.MoveNext(cancellation))
        {
            if (requests.Current.MessageCase == ExtractCallRequest.MessageOneofCase.Silence)
            {
                var silence = requests.Current.Silence;
                if (silence < 0)
                    throw RpcErrors.InvalidArgument("silence", "must not be negative");
                while (silence > 0)
                    await ReportAsync(() => silence -= audio.AppendSilence(silence), always: false);
                continue;
            }

            if (requests.Current.MessageCase != ExtractCallRequest.MessageOneofCase.Audio)
                throw RpcErrors.InvalidArgument("audio", "audio or silence must be set in every message but the first");
            for (var rest = requests.Current.Audio.Memory; !rest.IsEmpty; rest = rest[Math.Min(format.UnitBytes, rest.Length)..])
            {
                var unit = rest[..Math.Min(format.UnitBytes, rest.Length)];
                await ReportAsync(() => audio.Append(unit.Span), always: false);
            }
        }

        await ReportAsync(audio.End, always: true);

        async ValueTask ReportAsync(Action advance, bool always)
        {
            ExtractCallResponse? response = null;
            try
            {
                using var core = await cores.AcquireAsync(tenant, cancellation);
                var start = time.GetTimestamp();
                try
                {
                    advance();
                }
                finally
                {
                    // Reports the audio before samples that cannot be decoded.
                    if (audio.HasResults || always)
                    {
                        metrics.WindowsExtracted(time.GetElapsedTime(start), audio.Windows.Count);
                        response = audio.ToProto(format);
                        audio.Clear();
                    }
                }
            }
            finally
            {
                if (response is not null)
                    await responses.WriteAsync(response, cancellation);
            }
        }
    }

    public override async Task<ExtractFacesResponse> ExtractFaces(ExtractFacesRequest request, ServerCallContext context)
    {
        var gray = request.Validate();
        using var bytes = memory.Reserve(context.GetTenant(), request.Image.Length);
        var picture = await files.RunAsync(context.GetTenant(), "image", () => Task.FromResult(Extract()), context.CancellationToken);

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
            var found = faces.Extract(request.Image.Memory, request.Input.Size, gray, context.CancellationToken);
            metrics.FacesExtracted(time.GetElapsedTime(start), found.Faces.Count);
            return found;
        }
    }
}
