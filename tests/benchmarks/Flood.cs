using Affect.Audio;
using Affect.Hosting;
using Affect.Testing;
using Affect.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Grpc.Net.Client;

namespace Affect.Benchmarks;

/// <summary>Floods a server in the name of one key, as a child of <c>fairness</c>, until its standard input ends.</summary>
internal sealed class Flood
{
    /// <summary>Hertz of the audio, µ-law.</summary>
    private const int Rate = 8_000;

    private const int ClipMinutes = 10;

    /// <summary>8 calls of 8 channels with a hop of 0.1 s, as fast as the server reads.</summary>
    public const string Streams = "streams";

    /// <summary>8 clips of 10 minutes with a hop of 0.1 s at a time.</summary>
    private const string Clips = "clips";

    /// <summary>1,000 calls without audio, and 20 event streams.</summary>
    private const string Calls = "calls";

    /// <summary>The first line that a flood writes.</summary>
    public const string Begun = "begun";

    public static IReadOnlyList<string> Kinds { get; } = [Streams, Clips, Calls];

    private readonly EmotionService.EmotionServiceClient _client;
    private readonly string _http, _key;
    private readonly Metadata _headers;
    private readonly byte[] _voice;
    private readonly ByteString _clip;
    private long _windows, _clips, _rejected, _failed;

    private Flood(EmotionService.EmotionServiceClient client, string http, string key, string recording)
    {
        (_client, _http, _key, _headers) = (client, http, key, new() { { "x-api-key", key } });
        var call = WavReader.Read(File.ReadAllBytes(recording));
        var samples = call.Channel(0).ToArray();
        var minutes = Enumerable.Range(0, ClipMinutes * 60 * Rate).Select(i => samples[i % samples.Length]).ToArray();
        _clip = ByteString.CopyFrom(WavFile.Mono(minutes, Rate, WavEncoding.MuLaw));
        _voice = _clip.ToByteArray()[^minutes.Length..];
    }

    public static async Task RunAsync(string kind, string address, string http, string key, string recording)
    {
        using var channel = GrpcChannel.ForAddress(address, new GrpcChannelOptions { MaxReceiveMessageSize = null });
        var flood = new Flood(new(channel), http, key, recording);
        (int Count, Func<Task> Run)[] work = kind switch
        {
            Streams => [(8, flood.StreamAsync)],
            Clips => [(8, flood.AnalyzeAsync)],
            _ => [(1_000, flood.IdleAsync), (20, flood.ListenAsync)],
        };
        foreach (var (count, run) in work)
            for (var i = 0; i < count; i++)
            {
                _ = flood.RepeatAsync(run);
                // Kestrel resets streams that are opened faster.
                if (i % 50 == 49)
                    await Task.Delay(50);
            }
        Console.WriteLine(Begun);
        while (await Console.In.ReadLineAsync() is not null)
        {
        }

        Console.WriteLine($"{flood._windows} windows, {flood._clips} clips, {flood._rejected} rejected, {flood._failed} failed");
    }

    private async Task RepeatAsync(Func<Task> run)
    {
        while (true)
            try
            {
                await run();
            }
            catch (RpcException exception) when (exception.StatusCode == StatusCode.ResourceExhausted)
            {
                if (Interlocked.Increment(ref _rejected) == 1)
                    Console.Error.WriteLine(exception.Status.Detail);
                await Task.Delay(exception.RetryAfter() ?? TimeSpan.FromSeconds(1));
            }
            catch (Exception exception) when (exception is RpcException or HttpRequestException or IOException)
            {
                if (Interlocked.Increment(ref _failed) == 1)
                    Console.Error.WriteLine(exception.Message);
                await Task.Delay(TimeSpan.FromSeconds(1));
            }
    }

    private async Task StreamAsync()
    {
        const int channels = 8;
        var second = new byte[channels * Rate];
        using var call = await StartCallAsync(channels, hop: 0.1);
        var reading = ReadAsync(call);
        for (var seconds = 0L; !reading.IsCompleted; seconds++)
        {
            var voice = _voice.AsSpan((int)(seconds * Rate % (_voice.Length - Rate)), Rate);
            for (var i = 0; i < second.Length; i++)
                second[i] = voice[i / channels];
            await call.RequestStream.WriteAsync(
                new() { Audio = new() { Position = seconds * second.Length, Data = ByteString.CopyFrom(second) } });
        }

        await reading;
    }

    private async Task IdleAsync()
    {
        using var call = await StartCallAsync(channels: 2, hop: 1);
        await ReadAsync(call);
    }

    private async Task AnalyzeAsync()
    {
        var clip = new Clip { Audio = _clip, Hop = Duration.FromTimeSpan(TimeSpan.FromSeconds(0.1)) };
        await _client.AnalyzeAsync(new() { Clip = clip }, _headers);
        Interlocked.Increment(ref _clips);
    }

    private async Task ListenAsync()
    {
        using var events = new HttpClient { BaseAddress = new(_http) };
        events.DefaultRequestHeaders.Add("x-api-key", _key);
        await using var stream = await events.GetStreamAsync("v1/events");
        await stream.CopyToAsync(Stream.Null);
    }

    private async Task<AsyncDuplexStreamingCall<AnalyzeStreamRequest, AnalyzeStreamResponse>> StartCallAsync(int channels, double hop)
    {
        var call = _client.AnalyzeStream(_headers);
        var config = new StreamConfig
        {
            Audio = new() { Encoding = AudioEncoding.Mulaw, SampleRate = Rate },
            Hop = Duration.FromTimeSpan(TimeSpan.FromSeconds(hop)),
        };
        for (var i = 0; i < channels; i++)
            config.Audio.Channels.Add(new AudioChannel { Role = SpeakerRole.Customer });
        await call.RequestStream.WriteAsync(new() { Config = config });
        return call;
    }

    private async Task ReadAsync(AsyncDuplexStreamingCall<AnalyzeStreamRequest, AnalyzeStreamResponse> call)
    {
        await foreach (var response in call.ResponseStream.ReadAllAsync())
            if (response.MessageCase == AnalyzeStreamResponse.MessageOneofCase.Window)
                Interlocked.Increment(ref _windows);
    }
}
