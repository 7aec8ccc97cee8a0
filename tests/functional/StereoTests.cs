using System.Net.Http.Json;
using System.Text.Json;
using Affect.Testing;
using Affect.V1;
using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;

namespace Affect.FunctionalTests;

/// <summary>Recordings of several channels: each is analyzed separately, by the role of its speaker.</summary>
public sealed class StereoTests(AffectFixture fixture) : IDisposable
{
    private const int Rate = 22050;

    private readonly string _folder = Directory.CreateTempSubdirectory("affect-stereo-").FullName;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static float[] Speech { get; } = Affect.Audio.WavReader.Read(TestMedia.Speech()).ToMono();

    /// <summary>Speech, then silence; and silence, then another part of the speech.</summary>
    private static float[] Left { get; } = [.. Speech, .. new float[3 * Rate]];

    private static float[] Right { get; } = [.. new float[Left.Length - Speech.Length], .. Speech[Rate..], .. Speech[..Rate]];

    [Fact]
    public async Task Analyze_Stereo_EqualsItsChannels()
    {
        var (left, right) = (await AnalyzeAsync(Wav(Left)), await AnalyzeAsync(Wav(Right)));

        var speech = (await AnalyzeAsync(Wav(Left, Right))).Speech;

        Assert.Equal([(SpeakerRole.Unknown, true), (SpeakerRole.Unknown, true)], speech.Channels.Select(channel => (channel.Role, channel.Emotion)));
        AssertEqual(left.Speech, speech, 0);
        AssertEqual(right.Speech, speech, 1);
        Assert.Equal(speech.Windows.OrderBy(window => window.Channel).ThenBy(window => window.Start.ToTimeSpan()), speech.Windows);
        var scored = speech.Windows.Select(window => window.Judgement.Scores).OfType<EmotionScores>().ToList();
        Assert.Equal(scored.Average(scores => scores.Angry), speech.Judgement.Scores.Angry, 1e-4);

        // A file of one channel is as before.
        Assert.Equal(left.Speech.Judgement, Assert.Single(left.Speech.Channels).Judgement);
        Assert.All(left.Speech.Windows, window => Assert.Equal(0, window.Channel));
    }

    [Fact]
    public async Task Analyze_Roles_AgentHasNoEmotion()
    {
        var right = await AnalyzeAsync(Wav(Right));

        var analysis = await AnalyzeAsync(Wav(Left, Right), SpeakerRole.Agent, SpeakerRole.Customer);

        var speech = analysis.Speech;
        Assert.Equal([(SpeakerRole.Agent, false), (SpeakerRole.Customer, true)], speech.Channels.Select(channel => (channel.Role, channel.Emotion)));
        Assert.Equal(new Judgement { Outcome = Outcome.NotPermitted }, speech.Channels[0].Judgement);
        Assert.Contains(speech.Segments, segment => segment.Channel == 0);
        Assert.All(speech.Windows, window => Assert.Equal(1, window.Channel));
        AssertEqual(right.Speech, speech, 1);
        Assert.Equal(speech.Channels[1].Judgement, speech.Judgement);
        Assert.Equal(speech.Judgement, analysis.Fused.Judgement);
    }

    [Fact]
    public async Task Analyze_NoRoleMayBeJudged_IsNotPermitted()
    {
        foreach (var role in (SpeakerRole[])[SpeakerRole.Agent, SpeakerRole.Unknown, SpeakerRole.Unspecified])
        {
            var analysis = await AnalyzeAsync(Wav(Left), role);
            Assert.Equal(Outcome.NotPermitted, analysis.Fused.Judgement.Outcome);
            Assert.Equal(Outcome.NotPermitted, analysis.Speech.Judgement.Outcome);
            Assert.Empty(analysis.Speech.Windows);
            Assert.NotEmpty(analysis.Speech.Segments);
            Assert.False(Assert.Single(analysis.Speech.Channels).Emotion);
        }
    }

    [Fact]
    public async Task Analyze_AgentEmotionEnabled_EveryChannelIsJudged()
    {
        await using var host = await AffectHost.StartAsync(new Dictionary<string, string?> { ["Fusion:AgentEmotion"] = "true" });
        using var channel = host.Gateway.CreateChannel();
        var response = await new EmotionService.EmotionServiceClient(channel).AnalyzeAsync(
            new() { Clip = Clip(Wav(Left, Right), SpeakerRole.Customer, SpeakerRole.Agent) }, cancellationToken: Cancellation);
        Assert.All(response.Analysis.Speech.Channels, result => Assert.True(result is { Emotion: true, Judgement.Scores: not null }));
    }

    [Fact]
    public async Task Analyze_OppositePhase_IsHeard()
    {
        var mono = await AnalyzeAsync(Wav(Speech));

        var speech = (await AnalyzeAsync(Wav(Speech, [.. Speech.Select(sample => -sample)]))).Speech;

        AssertEqual(mono.Speech, speech, 0);
        AssertEqual(mono.Speech, speech, 1, 0.02f); // zero crossings differ
    }

    [Theory]
    [InlineData("flac")]
    [InlineData("mp3")]
    public async Task Analyze_OppositePhaseInOtherContainer_IsHeard(string extension)
    {
        var (wav, file) = (Put("a.wav", Wav(Speech, [.. Speech.Select(sample => -sample)]).ToByteArray()), Path.Combine(_folder, $"a.{extension}"));
        try
        {
            using var ffmpeg = System.Diagnostics.Process.Start("ffmpeg", ["-loglevel", "error", "-nostdin", "-i", wav, "-b:a", "128k", file]);
            await ffmpeg.WaitForExitAsync(Cancellation);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip("ffmpeg is not installed");
        }

        var speech = (await AnalyzeAsync(ByteString.CopyFrom(await File.ReadAllBytesAsync(file, Cancellation)))).Speech;

        Assert.Equal(2, speech.Channels.Count);
        Assert.All(speech.Channels, channel => Assert.NotNull(channel.Judgement.Scores));
        Assert.Equal(speech.Channels[0].Judgement.Confidence, speech.Channels[1].Judgement.Confidence, 0.05f);
    }

    [Fact]
    public async Task Analyze_EqualChannels_HaveEqualResults()
    {
        var mono = await AnalyzeAsync(Wav(Speech));
        var speech = (await AnalyzeAsync(Wav(Speech, Speech), SpeakerRole.Agent, SpeakerRole.Customer)).Speech;
        AssertEqual(mono.Speech, speech, 1);
        Assert.All(speech.Windows, window => Assert.Equal(1, window.Channel));

        speech = (await AnalyzeAsync(Wav(Speech, Left[..Speech.Length], [.. Speech.Select(sample => sample / 2)]))).Speech;
        Assert.Equal(speech.Channels[0].Judgement, speech.Channels[1].Judgement);
        Assert.Equal(3 * mono.Speech.Windows.Count, speech.Windows.Count);
    }

    [Theory]
    [InlineData(1, 2)]
    [InlineData(2, 1)]
    [InlineData(2, 3)]
    public async Task Analyze_OtherNumberOfRoles_ErrorNamesBoth(int channels, int roles)
    {
        var refusal = await Assert.ThrowsAsync<RpcException>(() => AnalyzeAsync(
            Wav([.. Enumerable.Repeat(Speech, channels)]), [.. Enumerable.Repeat(SpeakerRole.Customer, roles)]));
        var violation = Assert.Single(refusal.GetRpcStatus()!.GetDetail<BadRequest>()!.FieldViolations);
        Assert.Equal("clip.channels", violation.Field);
        Assert.Contains($"it has {roles}, and the audio has {channels}", violation.Description);
    }

    [Fact]
    public async Task Analyze_TooManyChannels_IsRejected()
    {
        Assert.Equal(8, (await AnalyzeAsync(Wav([.. Enumerable.Repeat(Speech, 7), Left[..Speech.Length]]))).Speech.Channels.Count);

        var refusal = await Assert.ThrowsAsync<RpcException>(() => AnalyzeAsync(Wav([.. Enumerable.Repeat(Speech[..Rate], 9)])));
        Assert.Contains("must have at most 8 channels; it has 9", refusal.Status.Detail);

        // 8 channels of 3 minutes are more than 20 minutes.
        var length = 3 * 60 * 8000;
        refusal = await Assert.ThrowsAsync<RpcException>(() => AnalyzeAsync(ByteString.CopyFrom(new WavFile
        {
            Samples = new float[8 * length],
            SampleRate = 8000,
            Channels = 8,
            Encoding = WavEncoding.MuLaw,
        }.ToBytes())));
        Assert.Contains("must be at most 2.5 minutes long with 8 channels", refusal.Status.Detail);
    }

    [Fact]
    public async Task Stream_StereoFile_EqualsAnalyze()
    {
        using var channel = fixture.Host.Gateway.CreateChannel();
        var client = new EmotionService.EmotionServiceClient(channel);
        var file = Wav(Left, Right);
        var whole = (await AnalyzeAsync(file, SpeakerRole.Customer, SpeakerRole.Customer)).Speech;
        using var call = client.AnalyzeStream(cancellationToken: Cancellation);
        await call.RequestStream.WriteAsync(new()
        {
            Config = new()
            {
                Audio = new()
                {
                    Encoding = AudioEncoding.L16,
                    SampleRate = Rate,
                    Channels = { new AudioChannel { Role = SpeakerRole.Customer }, new AudioChannel { Role = SpeakerRole.Customer } },
                },
            },
        }, Cancellation);
        await call.RequestStream.WriteAsync(new() { Audio = new() { Data = ByteString.CopyFrom(file.Span[44..]) } }, Cancellation);
        await call.RequestStream.CompleteAsync();
        var messages = await call.ResponseStream.ReadAllAsync(Cancellation).ToListAsync(Cancellation);

        foreach (var index in (int[])[0, 1])
        {
            var windows = messages.Select(message => message.Window).Where(window => window?.Channel == index).ToList();
            var expected = whole.Windows.Where(window => window.Channel == index).ToList();
            Assert.Equal(expected.Select(window => (window.Start, window.End, window.Judgement.Outcome)), windows.Select(window => (window!.Start, window.End, window.Voice.Judgement.Outcome)));
            Assert.All(windows, window => Assert.Equal(index, window!.Voice.Channel));
            Assert.All(expected.Zip(windows), pair => Assert.Equal(pair.First.Judgement.Confidence, pair.Second!.Voice.Judgement.Confidence, 1e-3f));
        }
    }

    [Fact]
    public async Task Rest_Channels_AreReadFromFormAndJson()
    {
        using var http = new HttpClient { BaseAddress = fixture.Host.Gateway.HttpAddress };
        var audio = Wav(Left, Right).ToByteArray();
        using var form = await http.PostAsync("v1/analyze", new MultipartFormDataContent
        {
            { new ByteArrayContent(audio), "audio", "a.wav" },
            { new StringContent("agent, customer"), "channels" },
        }, Cancellation);
        using var json = await http.PostAsJsonAsync(
            "v1/analyze", new { audio, channels = new[] { new { role = "SPEAKER_ROLE_AGENT" }, new { role = "SPEAKER_ROLE_CUSTOMER" } } }, Cancellation);
        foreach (var response in (HttpResponseMessage[])[form, json])
        {
            var speech = JsonParser.Default.Parse<Analysis>(await response.Content.ReadAsStringAsync(Cancellation)).Speech;
            Assert.Equal([Outcome.NotPermitted, speech.Judgement.Outcome], speech.Channels.Select(channel => channel.Judgement.Outcome));
        }

        using var wrong = await http.PostAsync("v1/analyze", new MultipartFormDataContent
        {
            { new ByteArrayContent(audio), "audio", "a.wav" },
            { new StringContent("customer"), "channels" },
        }, Cancellation);
        Assert.Contains("it has 1, and the audio has 2", await wrong.Content.ReadAsStringAsync(Cancellation));
    }

    [Fact]
    public async Task Sdk_Channels_AreMapped()
    {
        using var client = new Affect.Client.AffectClient(fixture.Host.Gateway.GrpcAddress);
        var speech = (await client.AnalyzeAsync(
            new() { Audio = Wav(Left, Right).ToByteArray(), Channels = [Affect.Client.SpeakerRole.Customer, Affect.Client.SpeakerRole.Agent] }, Cancellation)).Speech!;
        Assert.Equal([(Affect.Client.SpeakerRole.Customer, true), (Affect.Client.SpeakerRole.Agent, false)], speech.Channels.Select(channel => (channel.Role, channel.Emotion)));
        Assert.Equal(Affect.Emotions.Outcome.NotPermitted, speech.Channels[1].Judgement.Outcome);
        Assert.Contains(speech.Segments, segment => segment.Channel == 1);
    }

    [Fact]
    public async Task Cli_Channels_SetRoles()
    {
        var stereo = Put("calls/stereo.wav", Wav(Left, Right).ToByteArray());
        Put("calls/mono.wav", TestMedia.Speech());
        var run = await RunAsync("analyze", stereo, "--channels", "customer,agent");
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        Assert.Contains("Channel 1  customer", run.Output);
        Assert.Contains("not permitted", run.Output);
        Assert.DoesNotContain("not permitted", (await RunAsync("analyze", stereo)).Output);

        var wrong = await RunAsync("analyze", stereo, "--channels", "customer");
        Assert.Equal(1, wrong.ExitCode);
        Assert.StartsWith("affect: --channels: ", wrong.Error);
        Assert.Contains("it has 1, and the audio has 2", wrong.Error);
        Assert.Equal(2, (await RunAsync("analyze", stereo, "--channels", "boss")).ExitCode);

        // A file with other channels is reported and not recorded, so that a run with other roles analyzes it.
        var results = Path.Combine(_folder, "results.jsonl");
        var batch = await RunAsync("batch", Path.Combine(_folder, "calls"), "--out", results, "--channels", "customer,agent");
        Assert.Equal(1, batch.ExitCode);
        Assert.Contains("mono.wav: failed: must have one entry for each channel", batch.Error);
        var line = JsonDocument.Parse(Assert.Single(File.ReadAllLines(results))).RootElement;
        Assert.Equal("stereo.wav", line.GetProperty("file").GetString());
        Assert.Equal(["SPEAKER_ROLE_CUSTOMER", "SPEAKER_ROLE_AGENT"],
            line.GetProperty("analysis").GetProperty("speech").GetProperty("channels").EnumerateArray().Select(channel => channel.GetProperty("role").GetString()));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private Task<CommandResult> RunAsync(params string[] arguments) =>
        CommandLine.RunAsync(null, fixture.Host.Gateway.GrpcAddress, [], arguments);

    private string Put(string name, byte[] content)
    {
        var path = Path.Combine(_folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, content);
        return path;
    }

    private async Task<Analysis> AnalyzeAsync(ByteString audio, params SpeakerRole[] roles)
    {
        using var channel = fixture.Host.Gateway.CreateChannel();
        return (await new EmotionService.EmotionServiceClient(channel).AnalyzeAsync(new() { Clip = Clip(audio, roles) }, cancellationToken: Cancellation)).Analysis;
    }

    private static Clip Clip(ByteString audio, params SpeakerRole[] roles) =>
        new() { Audio = audio, Channels = { roles.Select(role => new AudioChannel { Role = role }) } };

    private static ByteString Wav(params float[][] channels)
    {
        var samples = new float[channels.Length * channels[0].Length];
        for (var i = 0; i < samples.Length; i++)
            samples[i] = channels[i % channels.Length][i / channels.Length];
        return ByteString.CopyFrom(new WavFile { Samples = samples, SampleRate = Rate, Channels = channels.Length }.ToBytes());
    }

    /// <summary>Compares the result of a file of one channel with a channel of another file.</summary>
    private static void AssertEqual(SpeechResult mono, SpeechResult speech, int channel, float tolerance = 1e-3f)
    {
        Assert.Equal(mono.Segments.Select(segment => (segment.Start, segment.End)),
            speech.Segments.Where(segment => segment.Channel == channel).Select(segment => (segment.Start, segment.End)));
        var windows = speech.Windows.Where(window => window.Channel == channel).ToList();
        Assert.NotEmpty(windows);
        Assert.Equal(mono.Windows.Select(window => (window.Start, window.End, window.Judgement.Outcome)), windows.Select(window => (window.Start, window.End, window.Judgement.Outcome)));
        Assert.All(mono.Windows.Zip(windows), pair => Assert.Equal(pair.First.Judgement.Confidence, pair.Second.Judgement.Confidence, tolerance));
        Assert.Equal(mono.Judgement.Confidence, speech.Channels[channel].Judgement.Confidence, tolerance);
    }
}
