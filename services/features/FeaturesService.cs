using System.Runtime.InteropServices;
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

namespace Affect.Features;

/// <summary>The gRPC side: checks, calls, maps.</summary>
internal sealed class FeaturesService(
    AudioDecoder decoder,
    FaceExtractor faces,
    [FromKeyedServices(FeaturesHosting.Files)] ConcurrencyLimiter files,
    [FromKeyedServices(FeaturesHosting.Windows)] ConcurrencyLimiter windows,
    FeaturesMetrics metrics,
    TimeProvider time)
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
            header.Segments.Add(new Affect.V1.SpeechSegment { Start = At(segment.Start), End = At(segment.End) });
        await responseStream.WriteAsync(new ExtractSpeechResponse { Header = header }, cancellationToken);

        foreach (var part in clip.Windows(window, hop))
        {
            var message = new FeatureWindow
            {
                Start = At(part.Start),
                End = At(part.Start + part.Length),
                HasSpeech = clip.HasSpeech(part),
            };
            if (message.HasSpeech)
            {
                var start = time.GetTimestamp();
                message.Features = Bytes(clip.Extract(part, window, set));
                metrics.WindowExtracted(time.GetElapsedTime(start));
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

        static Duration At(long sample) => Duration.FromTimeSpan(SpeechClip.Time(sample));
    }

    public override async Task<ExtractWindowResponse> ExtractWindow(ExtractWindowRequest request, ServerCallContext context)
    {
        var (set, window) = Check(request);
        return await windows.RunAsync("audio", () => Task.FromResult(Extract()), context.CancellationToken);

        ExtractWindowResponse Extract()
        {
            var start = time.GetTimestamp();
            var features = CallWindow.Extract(
                request.Audio.Span, Encoding(request), request.SampleRate, request.FirstSample, request.Start, request.Length, window, set);
            metrics.WindowExtracted(time.GetElapsedTime(start));
            return new ExtractWindowResponse { Features = Bytes(features) };
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
            violations.Add(("audio", "The file is empty."));
        var set = Set(request.Input, violations);
        var window = Between("input.window", request.Input?.Window, MinWindow, MaxWindow, violations);
        var hop = Between("hop", request.Hop, MinHop, MaxHop, violations);
        return violations.Count == 0 ? (set, window, hop) : throw RpcErrors.InvalidArgument(violations);
    }

    private static (FeatureSet Set, TimeSpan Window) Check(ExtractWindowRequest request)
    {
        var violations = new List<(string Field, string Description)>();
        var set = Set(request.Input, violations);
        var window = Between("input.window", request.Input?.Window, MinWindow, MaxWindow, violations);
        if (request.Encoding is not (AudioEncoding.L16 or AudioEncoding.Float32 or AudioEncoding.Mulaw or AudioEncoding.Alaw))
            violations.Add(("encoding", "It is none of those there are."));
        if (request.SampleRate is < CallWindow.MinRate or > CallWindow.MaxRate)
            violations.Add(("sample_rate", $"It must lie between {CallWindow.MinRate} and {CallWindow.MaxRate} Hz."));
        if (request.FirstSample is < 0 or > CallWindow.MaxSample)
            violations.Add(("first_sample", $"It must lie between 0 and {CallWindow.MaxSample}."));
        if (request.Start is < 0 or > CallWindow.MaxSample)
            violations.Add(("start", $"It must lie between 0 and {CallWindow.MaxSample}."));
        if (request.Length < 1 || request.Length > SpeechClip.Samples(window))
            violations.Add(("length", "It must be positive, and no more than the model's window."));
        return violations.Count == 0 ? (set, window) : throw RpcErrors.InvalidArgument(violations);
    }

    private static SampleEncoding Encoding(ExtractWindowRequest request) => request.Encoding switch
    {
        AudioEncoding.L16 => SampleEncoding.Signed16,
        AudioEncoding.Float32 => SampleEncoding.Ieee32,
        AudioEncoding.Alaw => SampleEncoding.ALaw,
        _ => SampleEncoding.MuLaw,
    };

    private static FeatureSet Set(ModelInput? input, List<(string Field, string Description)> violations)
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
            violations.Add(("input.features", "These are no features of speech."));
        return set ?? default;
    }

    private static TimeSpan Between(
        string field, Duration? duration, TimeSpan min, TimeSpan max, List<(string Field, string Description)> violations)
    {
        if (duration.TryToTimeSpan(min, max, out var time))
            return time;
        violations.Add((field, $"It must lie between {min.TotalSeconds} s and {max.TotalSeconds} s."));
        return default;
    }

    /// <returns>Whether the crops are grey.</returns>
    private static bool Check(ExtractFacesRequest request)
    {
        var violations = new List<(string Field, string Description)>();
        if (request.Image.IsEmpty)
            violations.Add(("image", "The file is empty."));
        if (request.Input?.Features is not (FeatureKind.Gray or FeatureKind.Rgb))
            violations.Add(("input.features", "These are no features of faces."));
        if (request.Input?.Size is not (>= MinSize and <= MaxSize))
            violations.Add(("input.size", $"It must lie between {MinSize} and {MaxSize} pixels."));
        return violations.Count == 0
            ? request.Input!.Features == FeatureKind.Gray
            : throw RpcErrors.InvalidArgument(violations);
    }

    /// <summary>As they lie in memory: .NET runs on little-endian machines only, with OpenCV's native library at any rate.</summary>
    private static ByteString Bytes(float[] values) => ByteString.CopyFrom(MemoryMarshal.AsBytes<float>(values));
}

internal static class Work
{
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

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
