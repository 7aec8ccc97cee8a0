using System.Runtime.InteropServices;
using Affect.Audio;
using Affect.Features.V1;
using Affect.Hosting;
using Affect.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace Affect.Features;

/// <summary>The gRPC side: checks, calls, maps.</summary>
internal sealed class FeaturesService(
    AudioDecoder decoder, FaceExtractor faces, WorkGate gate, FeaturesMetrics metrics, TimeProvider time)
    : V1.FeaturesService.FeaturesServiceBase
{
    private static readonly TimeSpan
        MinWindow = TimeSpan.FromSeconds(0.5), MaxWindow = TimeSpan.FromSeconds(10),
        MinHop = TimeSpan.FromSeconds(0.1), MaxHop = TimeSpan.FromSeconds(10);

    /// <summary>What a caller is told to wait where all places are taken.</summary>
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    private const int MinSize = 16, MaxSize = 512;

    public override async Task ExtractSpeech(
        ExtractSpeechRequest request, IServerStreamWriter<ExtractSpeechResponse> responseStream, ServerCallContext context)
    {
        var cancellationToken = context.CancellationToken;
        var (set, window, hop) = Check(request);
        var clip = await WorkAsync("audio", DecodeAsync, cancellationToken);

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

    public override async Task<ExtractFacesResponse> ExtractFaces(ExtractFacesRequest request, ServerCallContext context)
    {
        var gray = Check(request);
        var picture = await WorkAsync("image", () => Task.FromResult(Extract()), context.CancellationToken);

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
        FeatureSet? set = request.Input?.Features switch
        {
            FeatureKind.MfccZcrRms => FeatureSet.MfccZcrRms,
            FeatureKind.MfccDeltaZcrRms => FeatureSet.MfccDeltaZcrRms,
            FeatureKind.LogMel => FeatureSet.LogMel,
            _ => null,
        };
        if (set is null)
            violations.Add(("input.features", "These are no features of speech."));
        var window = Between("input.window", request.Input?.Window, MinWindow, MaxWindow);
        var hop = Between("hop", request.Hop, MinHop, MaxHop);
        return violations.Count == 0 ? (set!.Value, window, hop) : throw RpcErrors.InvalidArgument(violations);

        TimeSpan Between(string field, Duration? duration, TimeSpan min, TimeSpan max)
        {
            // In seconds first: a Duration may be out of order, or longer than any TimeSpan.
            var seconds = duration is null ? double.NaN : duration.Seconds + duration.Nanos / 1e9;
            if (seconds >= min.TotalSeconds && seconds <= max.TotalSeconds)
                return TimeSpan.FromSeconds(seconds);
            violations.Add((field, $"It must lie between {min.TotalSeconds} s and {max.TotalSeconds} s."));
            return default;
        }
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

    /// <summary>Works on a file in its turn; what can be wrong with files becomes a status.</summary>
    private async Task<T> WorkAsync<T>(string field, Func<Task<T>> work, CancellationToken cancellationToken)
    {
        try
        {
            return await gate.RunAsync(work, cancellationToken);
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
            throw RpcErrors.ResourceExhausted("features has more to do than it can do in time", RetryAfter);
        }
    }
}
