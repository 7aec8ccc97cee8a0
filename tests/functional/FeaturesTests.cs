using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Affect.Audio;
using Affect.Features;
using Affect.Features.V1;
using Affect.Testing;
using Affect.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.Extensions.Logging.Testing;
using FeaturesClient = Affect.Features.V1.FeaturesService.FeaturesServiceClient;

namespace Affect.FunctionalTests;

/// <summary>The features service over gRPC: input, output and rejected input.</summary>
public sealed class FeaturesTests : IAsyncLifetime
{
    private readonly FakeLogCollector _logs = new();
    private TestService _service = null!;
    private GrpcChannel _channel = null!;
    private FeaturesClient _client = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var yunet = System.Environment.GetEnvironmentVariable("AFFECT_YUNET");
        Assert.SkipUnless(
            File.Exists(yunet) || Directory.Exists("/usr/share/opencv4/haarcascades"), "neither AFFECT_YUNET nor opencv-data is there");
        _service = await TestService.StartAsync(
            "affect-features", _logs, FeaturesHosting.AddFeatures, FeaturesHosting.MapFeatures,
            new Dictionary<string, string?> { ["Features:FaceDetectorPath"] = yunet });
        _channel = _service.CreateChannel();
        _client = new FeaturesClient(_channel);
    }

    public async ValueTask DisposeAsync()
    {
        if (_service is null)
            return;
        _channel.Dispose();
        await _service.DisposeAsync();
        _logs.ThrowOnErrors();
    }

    [Fact]
    public async Task ExtractSpeech_Speech_YieldsHeaderThenWindows()
    {
        var (header, windows) = await ExtractAsync(TestMedia.Speech());
        Assert.Equal(4.2, header.Duration.ToTimeSpan().TotalSeconds, 0.05);
        Assert.NotEmpty(header.Segments);
        Assert.Equal(3, windows.Count);
        Assert.Equal([0, 43 * 512], windows.Take(2).Select(window => (int)Math.Round(window.Start.ToTimeSpan().TotalSeconds * 22050)));
        Assert.Equal(header.Duration, windows[^1].End);
        Assert.All(windows, window =>
        {
            Assert.True(window.HasSpeech);
            Assert.Equal(3, (window.End - window.Start).ToTimeSpan().TotalSeconds, 1e-3);
            Assert.Equal(130 * 42 * sizeof(float), window.Features.Length);
            Assert.All(MemoryMarshal.Cast<byte, float>(window.Features.Span).ToArray(), value => Assert.True(float.IsFinite(value)));
        });
    }

    [Fact]
    public async Task ExtractSpeech_EqualChannels_AreSentOnce()
    {
        float[] speech = WavReader.Read(TestMedia.Speech()).ToMono(), half = [.. speech.Select(sample => sample / 2)];
        var samples = speech.SelectMany((sample, index) => (float[])[sample, sample, half[index]]).ToArray();
        var request = new ExtractSpeechRequest
        {
            Audio = ByteString.CopyFrom(new WavFile { Samples = samples, Channels = 3 }.ToBytes()),
            Input = new ModelInput { Features = FeatureKind.MfccZcrRms, Window = new() { Seconds = 3 } },
            Hop = new() { Seconds = 1 },
        };
        Assert.Equal([0, 0, 0, 2, 2, 2], await ChannelsAsync());
        request.Windows.Add([false, true, false]);
        Assert.Equal([1, 1, 1], await ChannelsAsync());
        request.Windows[1] = false;
        request.Input = null;
        Assert.Empty(await ChannelsAsync());

        async Task<List<int>> ChannelsAsync()
        {
            using var call = _client.ExtractSpeech(request, cancellationToken: Cancellation);
            var messages = await call.ResponseStream.ReadAllAsync(Cancellation).ToListAsync(Cancellation);
            Assert.Equal([0, 0, 2], messages[0].Header.Channels);
            Assert.Equal([0, 1, 2], messages[0].Header.Segments.Select(segment => segment.Channel).Distinct());
            return [.. messages.Skip(1).Select(message => message.Channel)];
        }
    }

    [Theory]
    [InlineData(FeatureKind.MfccZcrRms, 87, 42)]
    [InlineData(FeatureKind.MfccDeltaZcrRms, 87, 82)]
    [InlineData(FeatureKind.LogMel, 87, 128)]
    [InlineData(FeatureKind.LogMelZcrRms, 87, 130)]
    [InlineData(FeatureKind.WhisperLogMel, 200, 80)]
    public async Task ExtractSpeech_FeatureKinds_HaveTheirSizes(FeatureKind kind, int frames, int features)
    {
        var (_, windows) = await ExtractAsync(TestMedia.Speech(), kind, window: 2, hop: 0.5);
        Assert.All(windows, window => Assert.Equal(frames * features * sizeof(float), window.Features.Length));
    }

    [Fact]
    public async Task ExtractSpeech_SilenceOrNoise_HasNoSegments()
    {
        foreach (var samples in new[] { TestMedia.Silence(4), TestMedia.Noise(4), TestMedia.Noise(4, amplitude: 0.9) })
        {
            var (header, windows) = await ExtractAsync(WavFile.Mono(samples));
            Assert.Equal(4, header.Duration.ToTimeSpan().TotalSeconds, 1e-3);
            Assert.Empty(header.Segments);
            Assert.Empty(windows);
        }
    }

    [Fact]
    public async Task ExtractSpeech_TenMilliseconds_HasNoWindows()
    {
        var (header, windows) = await ExtractAsync(WavFile.Mono(TestMedia.Sine(200, 0.01)));
        Assert.Equal(0.01, header.Duration.ToTimeSpan().TotalSeconds, 1e-3);
        Assert.Empty(header.Segments);
        Assert.Empty(windows);
    }

    [Fact]
    public async Task ExtractSpeech_TruncatedWav_UsesAvailableAudio()
    {
        var (header, windows) = await ExtractAsync(TestMedia.Speech()[..(44 + 22050 * 2 * 2)]);
        Assert.Equal(2, header.Duration.ToTimeSpan().TotalSeconds, 0.01);
        Assert.Single(windows);
    }

    [Fact]
    public async Task ExtractSpeech_HeaderClaiming4GiB_UsesAvailableAudio()
    {
        var file = new WavFile { Samples = TestMedia.Silence(1), ClaimedDataLength = 0xFFFF_FFF0 }.ToBytes();
        var (header, _) = await ExtractAsync(file);
        Assert.Equal(1, header.Duration.ToTimeSpan().TotalSeconds, 1e-3);
    }

    [Fact]
    public async Task ExtractSpeech_InvalidAudio_IsInvalidArgument()
    {
        var noRate = TestMedia.Speech();
        BinaryPrimitives.WriteInt32LittleEndian(noRate.AsSpan(24), 0);
        var half = WavFile.Mono(TestMedia.Silence(1), encoding: WavEncoding.Ieee32);
        byte[] With(float value)
        {
            var file = half.ToArray();
            BinaryPrimitives.WriteSingleLittleEndian(file.AsSpan(^400), value);
            return file;
        }

        var garbage = new byte[200_000];
        new Random(1).NextBytes(garbage);
        foreach (var (name, file) in new (string, byte[])[]
        {
            ("empty", []),
            ("text", "This is text, whatever its name says."u8.ToArray()),
            ("cut off in the header", TestMedia.Speech()[..30]),
            ("no data", TestMedia.Speech()[..44]),
            ("sample rate 0", noRate),
            ("NaN", With(float.NaN)),
            ("infinite", With(float.PositiveInfinity)),
            ("a picture", TestMedia.Png(64, 64)),
            ("garbage", garbage),
            ("garbage with a name", [.. "fLaC"u8, .. garbage]),
            ("30 minutes", new WavFile { Samples = new float[30 * 60 * 8000], SampleRate = 8000, Encoding = WavEncoding.MuLaw }.ToBytes()),
        })
        {
            // Without ffmpeg, data that only starts like FLAC is not decoded.
            if (name == "garbage with a name" && _logs.GetSnapshot().Any(record => record.Id.Name == "audio.ffmpeg.missing"))
                continue;
            var refusal = await Assert.ThrowsAsync<RpcException>(() => ExtractAsync(file));
            AssertRefused(refusal, name, "audio");
        }
    }

    [Fact]
    public async Task Extract_OutOfBounds_ErrorNamesField()
    {
        var call = _client.ExtractSpeech(
            new ExtractSpeechRequest
            {
                Audio = ByteString.CopyFrom(TestMedia.Speech()),
                Input = new ModelInput { Features = FeatureKind.Gray, Window = Duration.FromTimeSpan(TimeSpan.FromSeconds(11)) },
                Hop = Duration.FromTimeSpan(TimeSpan.FromSeconds(0.01)),
            },
            cancellationToken: Cancellation);
        var refusal = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext(Cancellation));
        AssertRefused(refusal, "", "input.features", "input.window", "hop");

        call = _client.ExtractSpeech(new ExtractSpeechRequest(), cancellationToken: Cancellation);
        refusal = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext(Cancellation));
        AssertRefused(refusal, "", "audio", "input.features", "input.window", "hop");

        call = _client.ExtractSpeech(
            new ExtractSpeechRequest
            {
                Audio = ByteString.CopyFrom(TestMedia.Speech()),
                Input = new ModelInput { Features = FeatureKind.LogMel, Window = new Duration { Seconds = long.MaxValue, Nanos = int.MinValue } },
                Hop = new Duration { Seconds = long.MinValue },
            },
            cancellationToken: Cancellation);
        refusal = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext(Cancellation));
        AssertRefused(refusal, "", "input.window", "hop");

        refusal = await Assert.ThrowsAsync<RpcException>(() => FacesAsync(TestMedia.Png(64, 64), FeatureKind.LogMel, size: 1000));
        AssertRefused(refusal, "", "input.features", "input.size");
        refusal = await Assert.ThrowsAsync<RpcException>(
            () => _client.ExtractFacesAsync(new ExtractFacesRequest(), cancellationToken: Cancellation).ResponseAsync);
        AssertRefused(refusal, "", "image", "input.features", "input.size");
    }

    [Fact]
    public async Task ExtractFaces_InvalidPicture_IsInvalidArgument()
    {
        var cutOff = TestMedia.Png(64, 64)[..20];
        foreach (var (name, file) in new (string, byte[])[]
        {
            ("empty", []),
            ("text", "no picture"u8.ToArray()),
            ("audio", TestMedia.Speech()),
            ("cut off", cutOff),
            ("a bomb", TestMedia.PngBomb()),
            ("1x1", TestMedia.Png(1, 1)),
            ("a start of a JPEG", [0xFF, 0xD8, 0xFF, 0xE0, 0, 16]),
        })
        {
            var refusal = await Assert.ThrowsAsync<RpcException>(() => FacesAsync(file));
            AssertRefused(refusal, name, "image");
        }
    }

    [Fact]
    public async Task ExtractFaces_NoFace_IsEmpty()
    {
        var response = await FacesAsync(TestMedia.Png(320, 200));
        Assert.Equal((320, 200), (response.Width, response.Height));
        Assert.Empty(response.Faces);
    }

    [Fact]
    public async Task ExtractFaces_Faces_AreCrops()
    {
        var photo = TestMedia.Photo("two_people.jpg");
        Assert.SkipWhen(photo is null, "AFFECT_PHOTOS is not set");
        var response = await FacesAsync(photo!);
        Assert.Equal(2, response.Faces.Count);
        Assert.All(response.Faces, face =>
        {
            Assert.Equal(48 * 48, face.Pixels.Length);
            Assert.InRange(face.DetectionConfidence, 0.6f, 1);
            Assert.InRange(face.Box.Left + face.Box.Width, 1, response.Width);
            Assert.InRange(face.Box.Top + face.Box.Height, 1, response.Height);
        });
        Assert.All((await FacesAsync(photo!, FeatureKind.Rgb, 224)).Faces, face => Assert.Equal(224 * 224 * 3, face.Pixels.Length));
    }

    [Fact]
    public async Task Extract_RequestAboveLimit_IsRejected()
    {
        var refusal = await Assert.ThrowsAsync<RpcException>(() => ExtractAsync(new byte[FeaturesHosting.MaxRequestBytes + 1]));
        AssertRefused(refusal, "", "message");
        // Just below the limit the content is examined; Kestrel's own limit of 30 MB does not apply.
        refusal = await Assert.ThrowsAsync<RpcException>(() => ExtractAsync(new byte[FeaturesHosting.MaxRequestBytes - 1000]));
        AssertRefused(refusal, "", "audio");
    }

    [Fact]
    public void FaceDetector_Start_LogsWhichDetector() =>
        Assert.Single(_logs.GetSnapshot(), record => record.Id.Name is "faces.detector.yunet" or "faces.detector.haar");

    private static void AssertRefused(RpcException refusal, string what, params string[] fields)
    {
        Assert.True(refusal.StatusCode == StatusCode.InvalidArgument, $"{what}: {refusal.Status}");
        var details = refusal.GetRpcStatus()?.GetDetail<BadRequest>();
        Assert.Equal(fields, details?.FieldViolations.Select(violation => violation.Field));
        Assert.All(details!.FieldViolations, violation => Assert.NotEmpty(violation.Description));
    }

    private async Task<(AudioHeader Header, List<FeatureWindow> Windows)> ExtractAsync(
        byte[] audio, FeatureKind features = FeatureKind.MfccZcrRms, double window = 3, double hop = 1)
    {
        using var call = _client.ExtractSpeech(
            new ExtractSpeechRequest
            {
                Audio = UnsafeByteOperations.UnsafeWrap(audio),
                Input = new ModelInput { Features = features, Window = Duration.FromTimeSpan(TimeSpan.FromSeconds(window)) },
                Hop = Duration.FromTimeSpan(TimeSpan.FromSeconds(hop)),
            },
            cancellationToken: Cancellation);
        var messages = new List<ExtractSpeechResponse>();
        await foreach (var message in call.ResponseStream.ReadAllAsync(Cancellation))
            messages.Add(message);
        Assert.Equal(ExtractSpeechResponse.MessageOneofCase.Header, messages[0].MessageCase);
        return (messages[0].Header, messages.Skip(1).Select(message => message.Window).ToList());
    }

    private Task<ExtractFacesResponse> FacesAsync(byte[] image, FeatureKind features = FeatureKind.Gray, int size = 48) =>
        _client.ExtractFacesAsync(
            new ExtractFacesRequest { Image = ByteString.CopyFrom(image), Input = new ModelInput { Features = features, Size = size } },
            cancellationToken: Cancellation).ResponseAsync;
}
