using System.Net.ServerSentEvents;
using System.Net.WebSockets;
using System.Security.Cryptography;
using Affect.Testing;
using Affect.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using Grpc.Net.Client;
using Response = Affect.V1.AnalyzeStreamResponse.MessageOneofCase;

namespace Affect.FunctionalTests;

/// <summary>Calls through all services, as a client without the SDK makes them.</summary>
public sealed class StreamTests(AffectFixture fixture)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static float[] Speech { get; } = Affect.Audio.WavReader.Read(TestMedia.Speech()).ToMono();

    /// <summary>Speech, silence, speech again: windows with and without voice, and a last one off the hop grid.</summary>
    private static float[] Talk { get; } = [.. Speech, .. new float[5 * 22050], .. Speech[..(2 * 22050 + 300)]];

    public static TheoryData<string, int, WavEncoding, AudioEncoding> Forms => new()
    {
        { "22,050 Hz", 22050, WavEncoding.Pcm16, AudioEncoding.L16 },
        { "µ-law at 8 kHz", 8000, WavEncoding.MuLaw, AudioEncoding.Mulaw },
        { "A-law at 8 kHz", 8000, WavEncoding.ALaw, AudioEncoding.Alaw },
        { "float at 48 kHz", 48000, WavEncoding.Ieee32, AudioEncoding.Float32 },
        { "11,025 Hz", 11025, WavEncoding.Pcm16, AudioEncoding.L16 },
    };

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task Stream_File_EqualsAnalyze(string form, int rate, WavEncoding wav, AudioEncoding encoding)
    {
        _ = form;
        var file = WavFile.Mono(Affect.Audio.Resampler.Resample(Talk, 22050, rate), rate, wav);
        using var channel = Connect();
        var client = new EmotionService.EmotionServiceClient(channel);
        var whole = await client.AnalyzeAsync(new() { Clip = new() { Audio = ByteString.CopyFrom(file) } }, cancellationToken: Cancellation);
        var header = file.AsSpan().IndexOf("data"u8) + 8;
        var data = file.AsSpan(header, BitConverter.ToInt32(file.AsSpan(header - 4))).ToArray(); // without the padding byte

        // Chunks of an odd number of bytes, and all in one.
        foreach (var size in (int[])[333, 1 << 20])
        {
            var call = await CallAsync(Config(encoding, rate, SpeakerRole.Customer), Chunks(data, size));
            AssertEqual(whole.Analysis.Speech, Windows(call));
            Assert.Equal(CallEnd.Completed, call[^1].Summary.End);
            Assert.Equal(whole.Analysis.Speech.Duration.ToTimeSpan().TotalSeconds, call[^1].Summary.Duration.ToTimeSpan().TotalSeconds, 1e-3);
        }
    }

    [Fact]
    public async Task Stream_SingleByteChunks_EqualAnalyze()
    {
        var file = WavFile.Mono(Speech[..(22050 * 3 / 2)]);
        using var channel = Connect();
        var whole = await new EmotionService.EmotionServiceClient(channel).AnalyzeAsync(
            new() { Clip = new() { Audio = ByteString.CopyFrom(file) } }, cancellationToken: Cancellation);
        var call = await CallAsync(Config(AudioEncoding.L16, 22050, SpeakerRole.Customer), Chunks(file[44..], 1));
        AssertEqual(whole.Analysis.Speech, Windows(call));
    }

    [Fact]
    public async Task Stream_AgentAndUnknownChannels_HaveMetricsOnly()
    {
        var stereo = Interleave(Talk, [.. new float[Speech.Length], .. Talk[..^Speech.Length]]);
        var call = await CallAsync(
            Config(AudioEncoding.Mulaw, 8000, SpeakerRole.Customer, SpeakerRole.Agent, SpeakerRole.Unknown),
            Chunks(Encode([.. stereo, .. stereo]), 4801));

        var started = call[0].Started;
        Assert.Equal([true, false, false], started.Channels.Select(channel => channel.Emotion));
        Assert.Contains("2024/1689", started.Notice);
        Assert.NotEmpty(started.SessionId);
        Assert.All(Windows(call), window => Assert.Equal(0, window.Channel));
        Assert.Contains(call, message => message.Activity is { Channel: 1 });
        var summary = call[^1].Summary;
        Assert.Equal(3, summary.Channels.Count);
        Assert.NotNull(summary.Channels[0].Emotion);
        Assert.Null(summary.Channels[1].Emotion);
        Assert.True(summary.Channels[1].Talk.ToTimeSpan() > TimeSpan.FromSeconds(1));

        static byte[] Encode(float[] interleaved) =>
            [.. interleaved.Select(sample => Affect.Audio.G711.EncodeMuLaw((short)Math.Clamp(sample * 32768, -32768, 32767)))];
    }

    [Fact]
    public async Task Stream_Call_HasSummary()
    {
        // Channel 0 speaks from the start; channel 1 starts a second later and continues alone.
        float[] first = [.. Speech, .. new float[8 * 22050]];
        float[] second = [.. new float[22050], .. Speech, .. new float[7 * 22050]];
        var call = await CallAsync(
            Config(AudioEncoding.L16, 22050, SpeakerRole.Customer, SpeakerRole.Customer), Chunks(Pcm(Interleave(first, second)), 10_000));

        var summary = call[^1].Summary;
        Assert.Equal(first.Length / 22050.0, summary.Duration.ToTimeSpan().TotalSeconds, 0.01);
        var talk = summary.Channels.Select(channel => channel.Talk.ToTimeSpan().TotalSeconds).ToArray();
        Assert.Equal(talk[0], talk[1], 0.2);
        Assert.All(summary.Channels, channel => Assert.Equal(
            summary.Duration.ToTimeSpan().TotalSeconds, (channel.Talk + channel.Silence).ToTimeSpan().TotalSeconds, 0.02));
        Assert.Equal([0, 1], summary.Channels.Select(channel => channel.Interruptions));
        Assert.Equal(talk[0] - 1, summary.Overlap.ToTimeSpan().TotalSeconds, 0.4);
        Assert.Equal(summary.Channels[0].Loudness.MeanDbfs, summary.Channels[1].Loudness.MeanDbfs, 0.5);
        Assert.True(summary.Channels[0].Loudness.PeakDbfs > summary.Channels[0].Loudness.MeanDbfs);

        var windows = Windows(call).Where(window => window.Channel == 0).ToList();
        var emotion = summary.Channels[0].Emotion;
        Assert.Equal(windows.Count, emotion.Windows);
        Assert.Equal(windows.Count(window => window.Fused.Judgement.Scores is not null), emotion.Scored);
        Assert.Equal(windows.Count - emotion.Scored, emotion.Empty);
        Assert.Equal(windows[^1].End.ToTimeSpan().TotalSeconds, emotion.Arc[^1].End.ToTimeSpan().TotalSeconds, 1e-5);
        Assert.Equal(windows.Where(window => window.Fused.Judgement.Scores is not null).Max(Confidence), emotion.Peaks[0].Score, 1e-5);
        Assert.Equal(Enumerable.Range(0, windows.Count).Select(index => (long)index), windows.Select(window => window.Index));
    }

    [Fact]
    public async Task Stream_FramesOutOfOrder_AreFusedWithTheirWindow()
    {
        var config = Config(AudioEncoding.L16, 22050, SpeakerRole.Agent, SpeakerRole.Customer);
        config.Video = new() { Role = SpeakerRole.Customer };
        var picture = Face();
        AnalyzeStreamRequest Frame(double seconds) => new() { Frame = new() { Time = Duration.FromTimeSpan(TimeSpan.FromSeconds(seconds)), Image = picture } };
        var audio = Chunks(Pcm(Interleave(new float[Speech.Length], Speech)), 40_000).ToList();
        List<AnalyzeStreamRequest> requests = [Frame(1.5), .. audio[..2], Frame(0.5), .. audio[2..], Frame(2.5)];

        var call = await CallAsync(config, requests);

        var windows = Windows(call);
        Assert.All(windows, window => Assert.Equal(1, window.Channel));
        Assert.Equal(3, windows[0].Face.Frames);
        Assert.NotNull(windows[0].Face.Judgement.Scores);
        Assert.True(windows[0].Fused is { SpeechWeight: > 0, FaceWeight: > 0 });
        Assert.Equal(3, call.Count(message => message.Frame?.Image.Outcome == Outcome.Ok));
    }

    [Fact]
    public async Task Stream_VideoOnly_ResumesFromCheckpoint()
    {
        var picture = Face();
        var frames = Enumerable.Range(0, 12).Select(i => new AnalyzeStreamRequest
        {
            Frame = new() { Time = Duration.FromTimeSpan(TimeSpan.FromSeconds(i / 2.0)), Image = i == 3 ? ByteString.CopyFromUtf8("no picture") : picture },
        });
        var call = await CallAsync(new() { Video = new() { Role = SpeakerRole.Customer } }, frames);

        var windows = Windows(call);
        Assert.Equal(4, windows.Count); // 0 to 3, 1 to 4, 2 to 5, and the last one up to 5.5 s
        Assert.All(windows, window => Assert.NotNull(window.Fused.Judgement.Scores));
        Assert.Equal(Outcome.Unavailable, Assert.Single(call, message => message.Frame is { } frame && frame.Time.ToTimeSpan().TotalSeconds == 1.5).Frame.Image.Outcome);
        Assert.Equal(4, call[^1].Summary.Channels[0].Emotion.Scored);

        var checkpoint = Assert.Single(call, message => message.Checkpoint is not null).Checkpoint;
        var rest = await CallAsync(
            new() { Video = new() { Role = SpeakerRole.Customer }, Resume = checkpoint.State },
            frames.Where(frame => frame.Frame.Time.ToTimeSpan() >= checkpoint.VideoTime.ToTimeSpan()));
        var known = call.TakeWhile(message => message.Checkpoint is null).Count(message => message.Window is not null);
        AssertEqual(windows[known..], Windows(rest));
        Assert.Equal(4, rest[^1].Summary.Channels[0].Emotion.Windows);
    }

    [Fact]
    public async Task Stream_TooShortOrSilent_HasTypedOutcome()
    {
        var config = Config(AudioEncoding.L16, 8000, SpeakerRole.Customer);
        var nothing = await CallAsync(config, []);
        Assert.Equal([Response.Started, Response.Summary], nothing.Select(message => message.MessageCase));
        Assert.Equal(Outcome.TooShort, nothing[^1].Summary.Channels[0].Emotion.Judgement.Outcome);

        // Ten minutes of silence, as fast as possible; the last byte is half a sample.
        var silence = await CallAsync(config, Chunks(new byte[(10 * 60 * 16_000) + 1], 1 << 20));
        var windows = Windows(silence);
        Assert.Equal(598, windows.Count);
        Assert.All(windows, window => Assert.Equal(Outcome.NoSpeech, window.Fused.Judgement.Outcome));
        var summary = silence[^1].Summary.Channels[0];
        Assert.Equal(TimeSpan.FromMinutes(10), summary.Silence.ToTimeSpan());
        Assert.Equal(Outcome.NoSpeech, summary.Emotion.Judgement.Outcome);
        Assert.InRange(summary.Emotion.Arc.Count, 60, 120);
        Assert.Null(summary.Loudness);
    }

    [Fact]
    public async Task Stream_LostBytes_BecomeSilenceAndRepeatedAreSkipped()
    {
        var data = Pcm(Talk);
        var config = Config(AudioEncoding.L16, 22050, SpeakerRole.Customer);
        var chunks = Chunks(data, 20_000).ToList();
        chunks.Insert(3, chunks[1]); // again
        chunks.Insert(4, new() { Audio = new() { Position = 50_001, Data = ByteString.CopyFrom(data, 50_001, 20_000) } }); // in part
        var repeated = await CallAsync(config, chunks);
        var straight = await CallAsync(config, Chunks(data, 20_000));
        AssertEqual(Windows(straight), Windows(repeated));

        // A packet of the silence in the middle is lost: only the count of missing samples changes.
        var gap = Chunks(data, 20_000).ToList();
        gap.RemoveAt(15);
        var lost = await CallAsync(config, gap);
        AssertEqual(Windows(straight), Windows(lost));
        Assert.Equal(10_000 / 22050.0, lost[^1].Summary.MissingAudio.ToTimeSpan().TotalSeconds, 1e-4);
        Assert.Equal(20_000 + 20_000, repeated[^1].Summary.SkippedBytes);
        Assert.Equal(0, lost[^1].Summary.SkippedBytes);
    }

    [Fact]
    public async Task Stream_ChunksWithoutPosition_Append()
    {
        var data = Pcm(Talk);
        var config = Config(AudioEncoding.L16, 22050, SpeakerRole.Customer);
        var straight = await CallAsync(config, Chunks(data, 20_000));
        var appended = Chunks(data, 20_000).ToList();
        foreach (var chunk in appended)
            chunk.Audio.ClearPosition();
        appended.Add(new() { Audio = new() { Data = ByteString.CopyFrom(1) } }); // half a sample
        appended.Add(new() { Audio = new() }); // nothing
        var call = await CallAsync(config, appended);

        AssertEqual(Windows(straight), Windows(call));
        Assert.Equal(1, call[^1].Summary.SkippedBytes);

        // A resumed call continues at the position that the server reports.
        var checkpoint = straight.First(message => message.Checkpoint is not null).Checkpoint;
        config.Resume = checkpoint.State;
        var rest = await CallAsync(config, [new() { Audio = new() { Data = ByteString.CopyFrom(data.AsSpan((int)checkpoint.AudioPosition)) } }]);
        Assert.Equal(Windows(straight)[^1].Index, Windows(rest)[^1].Index);
        Assert.Equal(straight[^1].Summary.Duration, rest[^1].Summary.Duration);
    }

    [Fact]
    public async Task Stream_Hold_EqualsSilence()
    {
        // The hold begins and ends within a sample.
        var (data, cut, hold) = (Pcm(Talk), 90_001, 75 * 2 * 22050);
        var config = Config(AudioEncoding.L16, 22050, SpeakerRole.Customer);
        byte[] silent = [.. data[..cut], .. new byte[hold], .. data[cut..]];
        var straight = await CallAsync(config, Chunks(silent, 20_000));
        var held = await CallAsync(config, [.. Chunks(data[..cut], 20_000), .. Chunks(data[cut..], 20_000, cut + hold)]);

        AssertEqual(Windows(straight), Windows(held));
        Assert.Equal(TimeSpan.FromSeconds(75), held[^1].Summary.MissingAudio.ToTimeSpan());
        Assert.Equal(straight[^1].Summary.Duration, held[^1].Summary.Duration);
        Assert.Equal(straight[^1].Summary.Channels[0].Talk, held[^1].Summary.Channels[0].Talk);
        var whole = held[^1].Summary;

        // Resumes from within the hold, with a whole sample.
        var checkpoint = held.Where(message => message.Checkpoint is not null).ElementAt(8).Checkpoint;
        Assert.InRange(checkpoint.AudioPosition, cut + (10 * 44_100), cut + hold - 44_100);
        var resumed = config.Clone();
        resumed.Resume = checkpoint.State;
        var rest = await CallAsync(resumed, Chunks([0, .. data[cut..]], 20_000, cut + hold - 1));
        AssertEqual(Windows(held)[^Windows(rest).Count..], Windows(rest));
        Assert.Equal(whole.Channels[0].Emotion.Windows, rest[^1].Summary.Channels[0].Emotion.Windows);
    }

    [Fact]
    public async Task Stream_SdkSkipsAudio_EqualsSilence()
    {
        var data = Pcm(Talk);
        using var client = new Affect.Client.AffectClient(fixture.Host.Gateway.GrpcAddress);
        await using var call = client.StartCall(
            new() { Audio = new(Affect.Client.AudioEncoding.L16, 22050, [Affect.Client.SpeakerRole.Customer]) }, Cancellation);
        await call.WriteAudioAsync(data.AsMemory(0, 50_001), Cancellation);
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await call.SkipAudioAsync(TimeSpan.FromSeconds(70), Cancellation));
        await call.WriteAudioAsync(data.AsMemory(50_001, 1), Cancellation);
        await call.SkipAudioAsync(TimeSpan.FromSeconds(70), Cancellation);
        await call.WriteAudioAsync(data.AsMemory(50_002), Cancellation);
        await call.SkipAudioAsync(TimeSpan.FromSeconds(2), Cancellation);
        await call.CompleteAsync();
        var results = await call.Results.ToListAsync(Cancellation);

        byte[] silent = [.. data[..50_002], .. new byte[70 * 44_100], .. data[50_002..], .. new byte[2 * 44_100]];
        var straight = await CallAsync(Config(AudioEncoding.L16, 22050, SpeakerRole.Customer), Chunks(silent, 20_000));
        var windows = results.OfType<Affect.Client.CallWindow>().ToList();
        Assert.Equal(Windows(straight).Select(window => window.End.ToTimeSpan()), windows.Select(window => window.End));
        foreach (var (expected, actual) in Windows(straight).Zip(windows))
            Assert.Equal(expected.Fused.Judgement.Confidence, actual.Fused.Judgement.Confidence, 1e-3f);
        var summary = Assert.IsType<Affect.Client.CallSummary>(results[^1]);
        Assert.Equal((TimeSpan.FromSeconds(72), 0), (summary.MissingAudio, summary.SkippedBytes));
    }

    [Fact]
    public async Task Stream_HoldOfAnHour_DoesNotDelayOtherCalls()
    {
        var data = Pcm(Talk);
        var config = Config(AudioEncoding.L16, 22050, SpeakerRole.Customer, SpeakerRole.Agent);
        var stereo = Pcm(Interleave(Talk, new float[Talk.Length]));
        const long Hold = 3600L * 4 * 22050;
        var (started, holding) = (System.Diagnostics.Stopwatch.GetTimestamp(), CallAsync(config, [.. Chunks(stereo, 50_000), Empty(stereo.Length + Hold)]));
        var other = await CallAsync(Config(AudioEncoding.L16, 22050, SpeakerRole.Customer), Chunks(data, 20_000));
        var call = await holding;

        TestContext.Current.TestOutputHelper!.WriteLine($"an hour of hold: {System.Diagnostics.Stopwatch.GetElapsedTime(started).TotalSeconds:0.0} s");
        Assert.InRange(Windows(call).Count, 3600, 3620);
        Assert.All(Windows(call).Skip(20), window => Assert.Equal(Outcome.NoSpeech, window.Fused.Judgement.Outcome));
        Assert.Equal(TimeSpan.FromHours(1), call[^1].Summary.MissingAudio.ToTimeSpan());
        Assert.InRange(System.Diagnostics.Stopwatch.GetElapsedTime(started), TimeSpan.Zero, TimeSpan.FromSeconds(30));
        Assert.Equal(CallEnd.Completed, other[^1].Summary.End);

        static AnalyzeStreamRequest Empty(long position) => new() { Audio = new() { Position = position } };
    }

    [Fact]
    public async Task Stream_Resumed_EqualsUninterrupted()
    {
        var data = Pcm(Interleave([.. Talk, .. Talk], [.. new float[Talk.Length], .. Talk]));
        var config = Config(AudioEncoding.L16, 22050, SpeakerRole.Customer, SpeakerRole.Agent);
        var straight = await CallAsync(config, Chunks(data, 30_000));

        foreach (var nth in (int[])[0, 1, 2])
        {
            // Breaks after a checkpoint and resumes with its state and the media from its position.
            var checkpoint = straight.Where(message => message.Checkpoint is not null).ElementAt(nth).Checkpoint;
            var resumed = config.Clone();
            resumed.Resume = checkpoint.State;
            var position = (int)checkpoint.AudioPosition;
            var rest = await CallAsync(resumed, Chunks(data[position..], 7_777, position));

            Assert.Equal(position, rest[0].Started.AudioPosition);
            var known = straight.TakeWhile(message => message.Checkpoint != checkpoint).Count(message => message.Window is not null);
            var all = Windows(straight);
            Assert.InRange(known, 1, all.Count - 1);
            AssertEqual(all[known..], Windows(rest));
            var (whole, mended) = (straight[^1].Summary.Channels[0].Emotion, rest[^1].Summary.Channels[0].Emotion);
            Assert.Equal((whole.Windows, whole.Scored, whole.Empty, whole.Judgement.Outcome), (mended.Windows, mended.Scored, mended.Empty, mended.Judgement.Outcome));
            AssertEqual(whole.Judgement.Scores, mended.Judgement.Scores);
            Assert.Equal(whole.Arc.Select(point => point.End), mended.Arc.Select(point => point.End));
            Assert.Equal(whole.Peaks.Select(peak => (peak.Emotion, peak.Time)), mended.Peaks.Select(peak => (peak.Emotion, peak.Time)));
            foreach (var (expected, actual) in straight[^1].Summary.Channels.Zip(rest[^1].Summary.Channels))
            {
                Assert.Equal(expected.Talk.ToTimeSpan().TotalSeconds, actual.Talk.ToTimeSpan().TotalSeconds, 0.05);
                Assert.Equal(expected.Interruptions, actual.Interruptions);
            }
        }
    }

    [Fact]
    public async Task Stream_WebSocket_EqualsGrpcAndPublishesEvents()
    {
        var data = Pcm(Talk);
        var straight = await CallAsync(Config(AudioEncoding.L16, 22050, SpeakerRole.Customer), Chunks(data, 10_000));
        using var http = new HttpClient { BaseAddress = fixture.Host.Gateway.HttpAddress };
        using var dashboard = await http.GetAsync("v1/events?session_id=by-web", HttpCompletionOption.ResponseHeadersRead, Cancellation);
        await using var events = SseParser.Create(await dashboard.Content.ReadAsStreamAsync(Cancellation)).EnumerateAsync(Cancellation).GetAsyncEnumerator(Cancellation);
        Assert.True(await events.MoveNextAsync()); // a heartbeat: subscribed

        using var socket = new ClientWebSocket();
        await socket.ConnectAsync(new UriBuilder(fixture.Host.Gateway.HttpAddress) { Scheme = "ws", Path = "/v1/stream" }.Uri, Cancellation);
        await SendAsync("""{"session_id": "by-web", "audio": {"encoding": "AUDIO_ENCODING_L16", "sample_rate": 22050, "channels": [{"role": "SPEAKER_ROLE_CUSTOMER"}]}}""");
        for (var at = 0; at < data.Length; at += 9_999)
        {
            byte[] message = [1, .. BitConverter.GetBytes((long)at), .. data.AsSpan(at, Math.Min(9_999, data.Length - at))];
            await socket.SendAsync(message, WebSocketMessageType.Binary, endOfMessage: true, Cancellation);
        }
        await SendAsync("""{"end": true}""");
        var call = new List<AnalyzeStreamResponse>();
        while (await ReceiveAsync() is { } message)
            call.Add(message);

        Assert.Equal(WebSocketCloseStatus.NormalClosure, socket.CloseStatus);
        Assert.Equal("by-web", call[0].Started.SessionId);
        AssertEqual(Windows(straight), Windows(call));
        Assert.Equal(CallEnd.Completed, call[^1].Summary.End);
        var seen = new List<string>();
        while (!seen.Contains("ended") && await events.MoveNextAsync())
            seen.Add(events.Current.EventType);
        Assert.Equal(["started", .. Enumerable.Repeat("window", Windows(call).Count), "ended"], seen.Where(type => type is not ("alert" or "heartbeat")));

        Task SendAsync(string text) => socket.SendAsync(System.Text.Encoding.UTF8.GetBytes(text), WebSocketMessageType.Text, endOfMessage: true, Cancellation);

        async Task<AnalyzeStreamResponse?> ReceiveAsync()
        {
            var buffer = new byte[1 << 16];
            var length = 0;
            while (true)
            {
                var part = await socket.ReceiveAsync(buffer.AsMemory(length), Cancellation);
                if (part.MessageType == WebSocketMessageType.Close)
                    return null;
                length += part.Count;
                if (part.EndOfMessage)
                    return AnalyzeStreamResponse.Parser.ParseJson(System.Text.Encoding.UTF8.GetString(buffer, 0, length));
            }
        }
    }

    [Fact]
    public async Task Stream_ShorterWindow_EqualsClipOfItsLength()
    {
        var config = Config(AudioEncoding.L16, 22050, SpeakerRole.Customer);
        config.Window = new() { Seconds = 1 };
        config.Hop = Duration.FromTimeSpan(TimeSpan.FromSeconds(0.5));
        var call = await CallAsync(config, Chunks(Pcm(Speech[..(2 * 22050)]), 5_000));
        var windows = Windows(call);
        Assert.Equal([0, 21 * 512, 22050], windows.Select(window => (int)Math.Round(window.Start.ToTimeSpan().TotalSeconds * 22050)));
        Assert.All(windows, window => Assert.Equal(1, (window.End - window.Start).ToTimeSpan().TotalSeconds));

        using var channel = Connect();
        var clip = await new EmotionService.EmotionServiceClient(channel).AnalyzeAsync(
            new() { Clip = new() { Audio = ByteString.CopyFrom(WavFile.Mono(Speech[..22050])) } }, cancellationToken: Cancellation);
        AssertEqual(Assert.Single(clip.Analysis.Speech.Windows).Judgement.Scores, windows[0].Voice.Judgement.Scores);
    }

    [Fact]
    public async Task Stream_OperatorOptions_AreApplied()
    {
        await using var host = await AffectHost.StartAsync(new Dictionary<string, string?>
        {
            ["Fusion:AgentEmotion"] = "true",
            ["Fusion:StallTimeout"] = "00:00:01",
            ["Fusion:Alerts:angry:Enabled"] = "false",
            ["Fusion:Alerts:saddening:Enabled"] = "false",
            ["Fusion:Alerts:always:Emotion"] = "neutral",
            ["Fusion:Alerts:always:Above"] = "0",
            ["Fusion:Alerts:always:ClearBelow"] = "0",
        });
        using var channel = GrpcChannel.ForAddress(host.Gateway.GrpcAddress);
        using var call = new EmotionService.EmotionServiceClient(channel).AnalyzeStream(cancellationToken: Cancellation);
        await call.RequestStream.WriteAsync(new() { Config = Config(AudioEncoding.L16, 22050, SpeakerRole.Agent) }, Cancellation);
        foreach (var chunk in Chunks(Pcm(Speech), 20_000))
            await call.RequestStream.WriteAsync(chunk, Cancellation);

        // No more input, and the stream is not completed.
        var messages = await call.ResponseStream.ReadAllAsync(Cancellation).ToListAsync(Cancellation);

        Assert.Equal(CallEnd.Stalled, messages[^1].Summary.End);
        Assert.NotEmpty(Windows(messages));
        Assert.Equal("always", Assert.Single(messages, message => message.Alert is not null).Alert.Rule);
        Assert.Single(host.Logs.GetSnapshot(), record => record.Id.Name == "policy.agent_emotion");
    }

    public static TheoryData<string, StreamConfig> WrongConfigs => new()
    {
        { "config", new() },
        { "config.audio.encoding", With(config => config.Audio.Encoding = default) },
        { "config.audio.sample_rate", With(config => config.Audio.SampleRate = 7999) },
        { "config.audio.channels", With(config => config.Audio.Channels.Clear()) },
        { "config.audio.channels[0].role", With(config => config.Audio.Channels[0].Role = (SpeakerRole)9) },
        { "config.session_id", With(config => config.SessionId = "a b") },
        { "config.hop", With(config => config.Hop = new() { Seconds = 11 }) },
        { "config.window", With(config => config.Window = new() { Seconds = 4 }) },
        { "config.speech_model", With(config => config.SpeechModel = "none") },
        { "config.face_model", With(config => (config.FaceModel, config.Video) = ("none", new() { Role = SpeakerRole.Customer })) },
        { "config.resume", With(config => config.Resume = ByteString.CopyFromUtf8("not ours")) },
    };

    [Theory]
    [MemberData(nameof(WrongConfigs))]
    public async Task Stream_InvalidConfig_ErrorNamesField(string field, StreamConfig config)
    {
        var refusal = await Assert.ThrowsAsync<RpcException>(() => CallAsync(config, []));
        Assert.Equal(StatusCode.InvalidArgument, refusal.StatusCode);
        Assert.Contains(refusal.GetRpcStatus()!.GetDetail<BadRequest>()!.FieldViolations, violation => violation.Field == field);
    }

    public static TheoryData<string, AnalyzeStreamRequest> WrongMessages => new()
    {
        { "audio.position", new() { Audio = new() { Position = -1 } } },
        { "audio.position", new() { Audio = new() { Position = ((4 * 3600) + 1) * 16_000, Data = ByteString.CopyFrom(1, 2) } } },
        { "audio.position", new() { Audio = new() { Position = 3, Data = ByteString.CopyFrom(1, 2) } } },
        { "frame", new() { Frame = new() { Time = new(), Image = ByteString.CopyFrom(1) } } },
        { "message", new() },
    };

    [Theory]
    [MemberData(nameof(WrongMessages))]
    public async Task Stream_InvalidMessage_ErrorNamesField(string field, AnalyzeStreamRequest request)
    {
        var refusal = await Assert.ThrowsAsync<RpcException>(() => CallAsync(Config(AudioEncoding.L16, 8000, SpeakerRole.Customer), [request]));
        Assert.Equal(StatusCode.InvalidArgument, refusal.StatusCode);
        Assert.Contains(refusal.GetRpcStatus()!.GetDetail<BadRequest>()!.FieldViolations, violation => violation.Field == field);
    }

    [Fact]
    public async Task Stream_ChunkAboveMebibyte_IsRejected()
    {
        var config = Config(AudioEncoding.Float32, 48000, SpeakerRole.Customer, SpeakerRole.Agent);
        var call = await CallAsync(config, Chunks(new byte[3 << 20], 1 << 20));
        Assert.Equal((3 << 20) / 8 / 48000.0, call[^1].Summary.Duration.ToTimeSpan().TotalSeconds, 1e-3);

        var refusal = await Assert.ThrowsAsync<RpcException>(() => CallAsync(config, Chunks(new byte[(1 << 20) + 1], 2 << 20)));
        Assert.Equal("audio.data", Assert.Single(refusal.GetRpcStatus()!.GetDetail<BadRequest>()!.FieldViolations).Field);
    }

    [Fact]
    public async Task Stream_NonFiniteSampleOrFrameOutOfCall_IsRejected()
    {
        var refusal = await Assert.ThrowsAsync<RpcException>(() => CallAsync(
            Config(AudioEncoding.Float32, 8000, SpeakerRole.Customer), Chunks(BitConverter.GetBytes(float.NaN), 4)));
        Assert.Equal("audio.data", Assert.Single(refusal.GetRpcStatus()!.GetDetail<BadRequest>()!.FieldViolations).Field);

        var frame = new VideoFrame { Time = new() { Seconds = 61 }, Image = ByteString.CopyFrom(1) };
        refusal = await Assert.ThrowsAsync<RpcException>(() => CallAsync(
            new() { Video = new() { Role = SpeakerRole.Customer } }, [new() { Frame = frame }]));
        Assert.Equal("frame.time", Assert.Single(refusal.GetRpcStatus()!.GetDetail<BadRequest>()!.FieldViolations).Field);
    }

    [Fact]
    public async Task Stream_ForgedCheckpoint_IsRejected()
    {
        var config = Config(AudioEncoding.L16, 22050, SpeakerRole.Customer);
        var call = await CallAsync(config, Chunks(Pcm(Talk), 20_000));
        var state = call.First(message => message.Checkpoint is not null).Checkpoint.State;
        Action<Affect.Fusion.V1.CallState>[] changes =
        [
            changed => changed.Format++,
            changed => changed.Missing = -1,
            changed => changed.Missing = 1L << 62,
            changed => changed.Audio = null,
            changed => changed.Audio.Position = -2,
            changed => changed.Audio.Position = long.MaxValue,
            changed => changed.Audio.Position += 30 * 22_050, // beyond the start of the next window
            changed => changed.Audio.Ticks++,
            changed => changed.Audio.Channels.Clear(),
            changed => changed.Audio.Channels[0].NextWindow = long.MaxValue / 100_000,
            changed => changed.Audio.Channels[0].Segments.Add(1),
            changed => changed.Audio.Channels[0].Open = -1,
            changed => changed.Conversation.Ticks = long.MinValue,
            changed => changed.Conversation.Overlap = -1L << 60,
            changed => changed.Conversation.Speakers.Clear(),
            changed => changed.Conversation.MonologueChannel = 1,
            changed => changed.Conversation.MonologueStart = long.MinValue,
            changed => changed.Conversation.Speakers[0].Talk = long.MaxValue,
            changed => changed.Conversation.Speakers[0].LongestMonologue = -1,
            changed => changed.Conversation.Speakers[0].Interruptions = -1,
            changed => changed.Conversation.Speakers[0].BlockTicks = int.MinValue,
            changed => changed.Conversation.Speakers[0].SumLevel = double.NaN,
            changed => changed.Timelines.Clear(),
            changed => changed.Timelines[0].Belief.Add(1),
            changed => changed.Timelines[0].Belief[0] = float.NaN,
            changed => changed.Timelines[0].Stretch = 0,
            changed => changed.Timelines[0].Stretch = 1,
            changed => changed.Timelines[0].Windows = -1,
            changed => changed.Timelines[0].Sum.Clear(),
            changed => changed.Timelines[0].Peaks.Add(new Peak { Emotion = Emotion.Happy, Time = new() { Seconds = -1 } }),
            changed => changed.Timelines[0].Alerts["angry"].Run.Add(new AlertEvidence { Start = new(), End = new() { Seconds = long.MaxValue } }),
            changed => changed.NewestFrame = long.MaxValue,
        ];
        foreach (var change in changes)
        {
            var changed = Affect.Fusion.V1.CallState.Parser.ParseFrom(state.Span[32..]);
            change(changed);
            // Signed, so that the values themselves are rejected.
            await ResumeIsRejectedAsync(config, Signed(changed, AffectHost.CheckpointKey));
        }
    }

    [Fact]
    public async Task Stream_CheckpointWithoutItsSignature_IsRejected()
    {
        var config = Config(AudioEncoding.L16, 22050, SpeakerRole.Customer);
        var call = await CallAsync(config, Chunks(Pcm(Talk), 20_000));
        var checkpoint = call.First(message => message.Checkpoint is not null).Checkpoint;
        var state = Affect.Fusion.V1.CallState.Parser.ParseFrom(checkpoint.State.Span[32..]);
        Assert.Equal(checkpoint.State, Signed(state, AffectHost.CheckpointKey));

        await ResumeIsRejectedAsync(config, state.ToByteString());
        await ResumeIsRejectedAsync(config, Signed(state, Convert.ToBase64String(new byte[32])));
        await ResumeIsRejectedAsync(config, ByteString.CopyFrom(checkpoint.State.Span[..^1]));
        await ResumeIsRejectedAsync(config, ByteString.CopyFrom(checkpoint.State.Span[..32]));
        await ResumeIsRejectedAsync(config, ByteString.CopyFrom(new byte[900_000]));
        foreach (var index in (int[])[0, 31, 32, checkpoint.State.Length - 1])
        {
            var flipped = checkpoint.State.ToByteArray();
            flipped[index] ^= 1;
            await ResumeIsRejectedAsync(config, ByteString.CopyFrom(flipped));
        }
    }

    [Fact]
    public async Task Stream_KeysRotated_ResumesCheckpointsOfEveryKey()
    {
        var (old, current) = (AffectHost.CheckpointKey, Convert.ToBase64String(Enumerable.Repeat((byte)7, 48).ToArray()));
        await using var rotated = await AffectHost.StartAsync(new Dictionary<string, string?>
        {
            ["Fusion:CheckpointKeys:0"] = current,
            ["Fusion:CheckpointKeys:1"] = old,
        });
        var config = Config(AudioEncoding.L16, 22050, SpeakerRole.Customer);
        var audio = Pcm(Talk);
        var checkpoint = (await CallAsync(config, Chunks(audio, 20_000))).First(message => message.Checkpoint is not null).Checkpoint;

        var resumed = config.Clone();
        resumed.Resume = checkpoint.State;
        var position = (int)checkpoint.AudioPosition;
        using var channel = rotated.Gateway.CreateChannel();
        var call = await CallAsync(resumed, Chunks(audio[position..], 20_000, position), channel);
        Assert.NotNull(call[^1].Summary);
        var next = call.First(message => message.Checkpoint is not null).Checkpoint.State;
        Assert.Equal(next, Signed(Affect.Fusion.V1.CallState.Parser.ParseFrom(next.Span[32..]), current));
        await ResumeIsRejectedAsync(config, next);
    }

    /// <summary>HMAC-SHA256 of the state, then the state.</summary>
    private static ByteString Signed(Affect.Fusion.V1.CallState state, string key) =>
        ByteString.CopyFrom([.. HMACSHA256.HashData(Convert.FromBase64String(key), state.ToByteArray()), .. state.ToByteArray()]);

    private async Task ResumeIsRejectedAsync(StreamConfig config, ByteString checkpoint)
    {
        var resumed = config.Clone();
        resumed.Resume = checkpoint;
        var refusal = await Assert.ThrowsAsync<RpcException>(() => CallAsync(resumed, []));
        Assert.Equal(StatusCode.InvalidArgument, refusal.StatusCode);
        Assert.Equal("config.resume", Assert.Single(refusal.GetRpcStatus()!.GetDetail<BadRequest>()!.FieldViolations).Field);
    }

    [Fact]
    public async Task Stream_ConfigMissingOrRepeated_IsFailedPrecondition()
    {
        using var channel = Connect();
        using var headless = new EmotionService.EmotionServiceClient(channel).AnalyzeStream(cancellationToken: Cancellation);
        await headless.RequestStream.WriteAsync(new() { Audio = new() }, Cancellation);
        var refusal = await Assert.ThrowsAsync<RpcException>(() => headless.ResponseStream.MoveNext(Cancellation));
        Assert.Equal(StatusCode.FailedPrecondition, refusal.StatusCode);

        var config = Config(AudioEncoding.L16, 8000, SpeakerRole.Customer);
        refusal = await Assert.ThrowsAsync<RpcException>(() => CallAsync(config, [new() { Config = config }]));
        Assert.Equal(StatusCode.FailedPrecondition, refusal.StatusCode);
    }

    [Fact]
    public async Task Stream_InvalidMessage_EarlierAudioIsAnswered()
    {
        using var channel = Connect();
        using var call = new EmotionService.EmotionServiceClient(channel).AnalyzeStream(cancellationToken: Cancellation);
        await call.RequestStream.WriteAsync(new() { Config = Config(AudioEncoding.L16, 22050, SpeakerRole.Customer) }, Cancellation);
        foreach (var chunk in Chunks(Pcm(Speech), 100_000))
            await call.RequestStream.WriteAsync(chunk, Cancellation);
        await call.RequestStream.WriteAsync(new() { Audio = new() { Position = -1 } }, Cancellation);

        var messages = new List<AnalyzeStreamResponse>();
        var refusal = await Assert.ThrowsAsync<RpcException>(async () =>
        {
            await foreach (var message in call.ResponseStream.ReadAllAsync(Cancellation))
                messages.Add(message);
        });
        Assert.Equal(StatusCode.InvalidArgument, refusal.StatusCode);
        Assert.NotEmpty(Windows(messages));
    }

    [Fact]
    public async Task Stream_SameSessionIdOrVanishedClient_DoesNotAffectOtherCalls()
    {
        var data = Pcm(Speech);
        var config = Config(AudioEncoding.L16, 22050, SpeakerRole.Customer);
        config.SessionId = "one-for-all";
        await using var host = await AffectHost.StartAsync(new Dictionary<string, string?> { ["Gateway:Anonymous:RequestsPerMinute"] = "10000" });
        using var channel = GrpcChannel.ForAddress(host.Gateway.GrpcAddress);
        var client = new EmotionService.EmotionServiceClient(channel);
        for (var i = 0; i < 1000; i++)
        {
            var vanishing = client.AnalyzeStream(cancellationToken: Cancellation);
            await vanishing.RequestStream.WriteAsync(new() { Config = config }, Cancellation);
            vanishing.Dispose();
        }
        var calls = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => CallAsync(config, Chunks(data, 20_000), channel)));
        Assert.All(calls, call => AssertEqual(Windows(calls[0]), Windows(call)));
        Assert.All(calls, call => Assert.Equal("one-for-all", call[0].Started.SessionId));
    }

    private static ByteString Face()
    {
        var photo = TestMedia.Photo("1.jpg");
        Assert.SkipWhen(photo is null, "AFFECT_PHOTOS is not set: the folder with photographs of faces.");
        return ByteString.CopyFrom(photo!);
    }

    private GrpcChannel Connect() => GrpcChannel.ForAddress(fixture.Host.Gateway.GrpcAddress);

    private async Task<List<AnalyzeStreamResponse>> CallAsync(
        StreamConfig config, IEnumerable<AnalyzeStreamRequest> requests, GrpcChannel? over = null)
    {
        using var own = over is null ? Connect() : null;
        using var call = new EmotionService.EmotionServiceClient(over ?? own).AnalyzeStream(cancellationToken: Cancellation);
        var reading = ReadAsync();
        try
        {
            await call.RequestStream.WriteAsync(new() { Config = config }, Cancellation);
            foreach (var request in requests)
                await call.RequestStream.WriteAsync(request, Cancellation);
            await call.RequestStream.CompleteAsync();
        }
        catch (RpcException)
        {
            // Reading reports the reason.
        }
        return await reading;

        async Task<List<AnalyzeStreamResponse>> ReadAsync()
        {
            var messages = new List<AnalyzeStreamResponse>();
            await foreach (var message in call.ResponseStream.ReadAllAsync(Cancellation))
                messages.Add(message);
            return messages;
        }
    }

    private static StreamConfig Config(AudioEncoding encoding, int rate, params SpeakerRole[] roles) => new()
    {
        Audio = new() { Encoding = encoding, SampleRate = rate, Channels = { roles.Select(role => new AudioChannel { Role = role }) } },
    };

    private static StreamConfig With(Action<StreamConfig> change)
    {
        var config = Config(AudioEncoding.L16, 8000, SpeakerRole.Customer);
        change(config);
        return config;
    }

    private static IEnumerable<AnalyzeStreamRequest> Chunks(byte[] data, int size, int position = 0)
    {
        for (var at = 0; at < data.Length; at += size)
            yield return new()
            {
                Audio = new() { Position = position + at, Data = ByteString.CopyFrom(data, at, Math.Min(size, data.Length - at)) },
            };
    }

    private static byte[] Pcm(float[] samples) => WavFile.Mono(samples)[44..];

    private static float[] Interleave(float[] left, float[] right)
    {
        var both = new float[2 * left.Length];
        for (var i = 0; i < left.Length; i++)
            (both[2 * i], both[(2 * i) + 1]) = (left[i], right[i]);
        return both;
    }

    private static List<StreamWindow> Windows(IEnumerable<AnalyzeStreamResponse> call) =>
        [.. call.Where(message => message.Window is not null).Select(message => message.Window)];

    private static float Confidence(StreamWindow window) => window.Smoothed.Confidence;

    private static void AssertEqual(SpeechResult expected, List<StreamWindow> actual)
    {
        Assert.NotEmpty(actual);
        Assert.Equal(expected.Windows.Count, actual.Count);
        foreach (var (clip, call) in expected.Windows.Zip(actual))
        {
            Assert.Equal((clip.Start, clip.End, clip.Judgement.Outcome), (call.Start, call.End, call.Voice.Judgement.Outcome));
            AssertEqual(clip.Judgement.Scores, call.Voice.Judgement.Scores);
        }
    }

    private static void AssertEqual(List<StreamWindow> expected, List<StreamWindow> actual)
    {
        Assert.Equal(expected.Select(window => (window.Channel, window.Index, window.Start, window.Fused.Judgement.Outcome)),
            actual.Select(window => (window.Channel, window.Index, window.Start, window.Fused.Judgement.Outcome)));
        foreach (var (one, other) in expected.Zip(actual))
        {
            AssertEqual(one.Fused.Judgement.Scores, other.Fused.Judgement.Scores);
            AssertEqual(one.Smoothed.Scores, other.Smoothed.Scores);
        }
    }

    private static void AssertEqual(EmotionScores? expected, EmotionScores? actual)
    {
        Assert.Equal(expected is null, actual is null);
        if (expected is null)
            return;
        var (one, other) = (Affect.Hosting.ProtoMapping.ToDomain(expected), Affect.Hosting.ProtoMapping.ToDomain(actual!));
        for (var i = 0; i < Affect.Emotions.EmotionLabels.Count; i++)
            Assert.Equal(one[i], other[i], 1e-3);
    }
}
