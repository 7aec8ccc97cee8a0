using System.Diagnostics;
using Affect.Features.V1;
using Affect.Testing;
using Affect.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using Grpc.Net.Client;
using FeaturesClient = Affect.Features.V1.FeaturesService.FeaturesServiceClient;

namespace Affect.FunctionalTests;

/// <summary>The memory of a features process, and of the ffmpeg that it starts, while it processes hostile pictures and audio files.</summary>
public sealed class MediaMemoryTests(ITestOutputHelper output) : IAsyncLifetime
{
    /// <summary>Largest memory above that of the idle process, for each file, in MiB.</summary>
    private const int MaxMemory = 300;

    private ServiceProcess? _features;
    private FeaturesClient _client = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "/proc is Linux's.");
        var yunet = System.Environment.GetEnvironmentVariable("AFFECT_YUNET");
        Assert.SkipUnless(
            File.Exists(yunet) || Directory.Exists("/usr/share/opencv4/haarcascades"), "neither AFFECT_YUNET nor opencv-data is there");
        _features = new("Features", ("Features__FaceDetectorPath", yunet ?? ""), ("Features__MaxConcurrency", "2"));
        return default;
    }

    public ValueTask DisposeAsync() => _features?.DisposeAsync() ?? default;

    [Theory]
    [InlineData("PNG")]
    [InlineData("JPEG")]
    [InlineData("WebP")]
    [InlineData("BMP")]
    [InlineData("GIF")]
    [InlineData("TIFF")]
    [InlineData("HEIC")]
    [InlineData("AVIF")]
    public async Task ExtractFaces_HostilePictures_TakeBoundedMemory(string format)
    {
        Assert.SkipUnless(format is "PNG" or "JPEG" or "WebP" or "BMP" || AudioFile.HasFfmpeg, "ffmpeg is not installed");
        foreach (var (name, create) in HostilePictures.All.Where(picture => picture.Key.StartsWith(format)))
            await MeasureAsync(name, create(), ExtractFacesAsync);
    }

    [Theory]
    [InlineData("WAV")]
    [InlineData("RIFF")]
    [InlineData("FLAC")]
    [InlineData("Ogg")]
    [InlineData("MP3")]
    [InlineData("MP4")]
    [InlineData("WebM")]
    [InlineData("AIFF")]
    [InlineData("AMR")]
    [InlineData("WMA")]
    [InlineData("AVI")]
    [InlineData("MPEG-TS")]
    [InlineData("CAF")]
    [InlineData("ADPCM")]
    public async Task ExtractSpeech_HostileFiles_TakeBoundedMemory(string format)
    {
        var path = System.Environment.GetEnvironmentVariable("PATH") ?? "";
        Assert.SkipUnless(format is "WAV" or "RIFF" || path.Split(':').Any(folder => File.Exists(Path.Combine(folder, "ffmpeg"))), "ffmpeg is not installed");
        foreach (var (name, create) in HostileAudio.All.Where(file => file.Key.StartsWith(format)))
            await MeasureAsync(name, create(), ExtractSpeechAsync);
    }

    public static TheoryData<string> Formats => [.. AudioFile.All.Select(file => file.Name)];

    /// <summary>10 minutes in stereo at 48 kHz; in mono at 12 kHz if the file would be too large.</summary>
    [Theory(Explicit = true)]
    [MemberData(nameof(Formats))]
    public async Task ExtractSpeech_TenMinutes_TakeBoundedMemoryAndTime(string name)
    {
        const int maxLength = 32_000_000;
        Assert.SkipUnless(AudioFile.HasFfmpeg, "ffmpeg is not installed");
        var format = AudioFile.All.Single(file => file.Name == name);
        var file = Create(48_000, 2);
        if (file.Length > maxLength)
            file = Create(12_000, 1);
        Assert.InRange(file.Length, 1, maxLength);
        var elapsed = await MeasureAsync(name, file, async audio =>
        {
            using var call = _client.ExtractSpeech(SpeechRequest(audio), cancellationToken: Cancellation);
            Assert.True(await call.ResponseStream.MoveNext(Cancellation));
            Assert.Equal(600, call.ResponseStream.Current.Header.Duration.ToTimeSpan().TotalSeconds, 1);
        });
        Assert.InRange(elapsed.TotalSeconds, 0, 10);

        byte[] Create(int rate, int channels)
        {
            var wav = Path.GetTempFileName();
            try
            {
                File.WriteAllBytes(wav, AudioFile.RunFfmpeg(
                    "wav", "-stream_loop", "-1", "-i", TestMedia.FixturePath("golden/speech.wav"), "-t", "600", "-ar", $"{rate}", "-ac", $"{channels}", "-bitexact"));
                return format.Create(wav);
            }
            finally
            {
                File.Delete(wav);
            }
        }
    }

    [Theory]
    [InlineData("PNG, zTXt")]
    [InlineData("PNG, data after the pixels")]
    [InlineData("JPEG, progressive")]
    [InlineData("WebP")]
    public async Task ExtractFaces_ConcurrentPictures_TakeBoundedMemory(string name)
    {
        var picture = HostilePictures.All[name]();
        await MeasureAsync(
            name, picture, file => Task.WhenAll(Enumerable.Range(0, 6).Select(_ => ExtractFacesAsync(file))),
            concurrent: 2, waiting: 4);
    }

    /// <summary>Measures a file in a fresh process: memory that is freed stays resident until it is reused.</summary>
    private async Task<TimeSpan> MeasureAsync(string name, byte[] file, Func<byte[], Task> extract, int concurrent = 1, int waiting = 0)
    {
        await _features!.StartAsync(Cancellation);
        using var channel = GrpcChannel.ForAddress(_features.Address);
        _client = new(channel);
        // The first requests load code and libraries, which are not part of the memory of a file.
        await ExtractFacesAsync(TestMedia.Png(800, 600));
        await ExtractSpeechAsync(TestMedia.Speech());
        var idle = Memory("VmRSS");
        await File.WriteAllTextAsync($"/proc/{_features.Id}/clear_refs", "5", Cancellation); // resets VmHWM
        using var done = new CancellationTokenSource();
        var watching = PeakOfChildrenAsync(done.Token);
        var time = Stopwatch.StartNew();
        await extract(file);
        var elapsed = time.Elapsed;
        await done.CancelAsync();
        var children = await watching;
        var peak = (Memory("VmHWM") - idle + children) >> 20;
        output.WriteLine(
            $"{name}: {file.Length / 1e6:0.0} MB, {peak} MiB above idle, {children >> 20} of them in ffmpeg, {elapsed.TotalSeconds:0.0} s");
        var limit = concurrent * MaxMemory + waiting * 2 * (file.Length >> 20);
        Assert.True(peak <= limit, $"{name} took {peak} MiB");
        await _features.EndAsync("KILL", Cancellation);
        return elapsed;
    }

    /// <summary>The largest memory of ffmpeg, in bytes.</summary>
    private async Task<long> PeakOfChildrenAsync(CancellationToken done)
    {
        var peak = 0L;
        while (!done.IsCancellationRequested)
        {
            foreach (var process in Process.GetProcessesByName("ffmpeg"))
                using (process)
                    try
                    {
                        if (Status(process.Id, "PPid") == _features!.Id)
                            peak = Math.Max(peak, Status(process.Id, "VmHWM") << 10);
                    }
                    catch (Exception exception) when (exception is IOException or InvalidOperationException)
                    {
                        // It has just ended.
                    }
            await Task.Delay(5, CancellationToken.None);
        }
        return peak;
    }

    private long Memory(string field) => Status(_features!.Id, field) << 10;

    /// <summary>A number of /proc/PID/status; memory is in KiB.</summary>
    private static long Status(int process, string field)
    {
        var line = File.ReadLines($"/proc/{process}/status").First(line => line.StartsWith(field + ":"));
        return long.Parse(line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1]);
    }

    private Task ExtractFacesAsync(byte[] picture) => AnsweredAsync("image", async () =>
        await _client.ExtractFacesAsync(
            new() { Image = UnsafeByteOperations.UnsafeWrap(picture), Input = new() { Features = FeatureKind.Gray, Size = 48 } },
            cancellationToken: Cancellation));

    private Task ExtractSpeechAsync(byte[] audio) => AnsweredAsync("audio", async () =>
    {
        using var call = _client.ExtractSpeech(SpeechRequest(audio), cancellationToken: Cancellation);
        await call.ResponseStream.ReadAllAsync(Cancellation).LastAsync(Cancellation);
    });

    private static ExtractSpeechRequest SpeechRequest(byte[] audio) => new()
    {
        Audio = UnsafeByteOperations.UnsafeWrap(audio),
        Input = new() { Features = FeatureKind.MfccZcrRms, Window = Duration.FromTimeSpan(TimeSpan.FromSeconds(3)) },
        Hop = Duration.FromTimeSpan(TimeSpan.FromSeconds(1)),
    };

    /// <summary>A hostile file is processed, or rejected by an error that names the field; ffmpeg may run into its time limit.</summary>
    private static async Task AnsweredAsync(string field, Func<Task> request)
    {
        try
        {
            await request();
        }
        catch (RpcException refusal) when (refusal.StatusCode == StatusCode.InvalidArgument)
        {
            Assert.Equal(field, Assert.Single(refusal.GetRpcStatus()!.GetDetail<BadRequest>()!.FieldViolations).Field);
        }
        catch (RpcException refusal) when (refusal.StatusCode == StatusCode.ResourceExhausted)
        {
            Assert.NotNull(refusal.GetRpcStatus()!.GetDetail<RetryInfo>());
        }
    }
}
