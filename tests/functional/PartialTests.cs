using System.Net;
using Affect.Testing;
using Affect.V1;
using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.Extensions.DependencyInjection;

namespace Affect.FunctionalTests;

/// <summary>If a service is down or slow, its modality is UNAVAILABLE and the other one still answers.</summary>
public sealed class PartialTests : IAsyncLifetime
{
    private static readonly Dictionary<string, string?> Impatient = new()
    {
        ["Fusion:ModalityTimeout"] = "00:00:01.5",
        // Model lists are not cached, so that a missing service is noticed immediately.
        ["Fusion:ModelsMaxAge"] = "00:00:00",
        ["Fusion:WindowTimeout"] = "00:00:02",
    };

    private AffectHost? _host;

    private AffectHost Host => _host!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _host = await AffectHost.StartAsync(Impatient);

    public ValueTask DisposeAsync() => Host.DisposeAsync();

    [Fact]
    public async Task Analyze_SpeechDown_FaceAnswersAndVoiceRecovers()
    {
        await Host.Speech.StopAsync();

        var analysis = await AnalyzeAsync(Both());
        Assert.Equal(Outcome.Unavailable, analysis.Speech.Judgement.Outcome);
        Assert.Equal(Outcome.NoFace, analysis.Face.Judgement.Outcome);
        Assert.Equal(Outcome.Unavailable, analysis.Fused.Judgement.Outcome);
        Assert.NotEmpty(analysis.Notice);

        await Host.Speech.StartAsync();
        await AssertRecoversAsync();
    }

    [Fact]
    public async Task Analyze_FaceDown_VoiceAnswers()
    {
        await Host.Face.StopAsync();

        AssertVoiceAlone(await AnalyzeAsync(Both()));
    }

    [Fact]
    public async Task Analyze_FaceNeverAnswers_VoiceAnswersInTime()
    {
        await Host.Face.ReplaceAsync(NeverAnswers.Add, NeverAnswers.Map);

        AssertVoiceAlone(await AnalyzeAsync(Both()));
    }

    [Fact]
    public async Task Analyze_SpeechNeverAnswers_FaceAnswersInTime()
    {
        // After the first request the list of models is known: only the windows wait.
        await AssertWholeAsync();
        await Host.Speech.ReplaceAsync(NeverAnswers.Add, NeverAnswers.Map);

        var analysis = await AnalyzeAsync(Both());

        Assert.Equal(Outcome.Unavailable, analysis.Speech.Judgement.Outcome);
        Assert.Equal(Outcome.NoFace, analysis.Face.Judgement.Outcome);
    }

    [Theory]
    [InlineData(SpeakerRole.Customer)]
    [InlineData(SpeakerRole.Agent)]
    public async Task AnalyzeStream_FeaturesDownBeyondWindowTimeout_CallProceedsAndRecovers(SpeakerRole role)
    {
        using var channel = GrpcChannel.ForAddress(Host.Gateway.GrpcAddress);
        using var call = new EmotionService.EmotionServiceClient(channel).AnalyzeStream(cancellationToken: Cancellation);
        var speech = TestMedia.Speech()[44..];
        await call.RequestStream.WriteAsync(
            new()
            {
                Config = new()
                {
                    Audio = new() { Encoding = AudioEncoding.L16, SampleRate = TestMedia.SampleRate, Channels = { new AudioChannel { Role = role } } },
                },
            },
            Cancellation);
        Assert.True(await call.ResponseStream.MoveNext(Cancellation));
        var responses = ReadAsync();
        await SendAsync(0);
        await Host.Features.StopAsync();
        // Longer than the timeout, in steps as in a call: audio is released while no server takes it.
        for (var chunk = 1; chunk <= 5; chunk++)
        {
            await SendAsync(chunk);
            await Task.Delay(TimeSpan.FromSeconds(1), Cancellation);
        }

        await Host.Features.StartAsync();
        for (var chunk = 6; chunk <= 8; chunk++)
            await SendAsync(chunk);
        await call.RequestStream.CompleteAsync();

        var received = await responses;
        var windows = received.Where(response => response.Window is not null).Select(response => response.Window).ToList();
        Assert.Equal(9 * speech.Length / 2.0 / TestMedia.SampleRate, received[^1].Summary.Duration.ToTimeSpan().TotalSeconds, 0.01);
        Assert.Equal(CallEnd.Completed, received[^1].Summary.End);
        Assert.Equal(Enumerable.Range(0, windows.Count).Select(index => (long)index), windows.Select(window => window.Index));
        if (role == SpeakerRole.Agent)
        {
            Assert.Empty(windows);
            return;
        }

        Assert.Contains(windows, window => window.Voice.Judgement.Outcome == Outcome.Unavailable);
        Assert.NotEqual(Outcome.Unavailable, windows[^1].Voice.Judgement.Outcome);
        Assert.Equal(received[^1].Summary.Duration, windows[^1].End);

        Task SendAsync(int chunk) => call.RequestStream.WriteAsync(
            new() { Audio = new() { Position = (long)chunk * speech.Length, Data = ByteString.CopyFrom(speech) } }, Cancellation);

        async Task<List<AnalyzeStreamResponse>> ReadAsync()
        {
            var all = new List<AnalyzeStreamResponse>();
            await foreach (var response in call.ResponseStream.ReadAllAsync(Cancellation))
                all.Add(response);
            return all;
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Analyze_FeaturesDown_IsUnavailable(bool slow)
    {
        if (slow)
            await Host.Features.ReplaceAsync(NeverAnswers.Add, NeverAnswers.Map);
        else
            await Host.Features.StopAsync();

        var error = await Assert.ThrowsAsync<RpcException>(() => AnalyzeAsync(Both()));
        Assert.Equal(StatusCode.Unavailable, error.StatusCode);
        Assert.DoesNotContain("127.0.0.1", error.Status.Detail, StringComparison.Ordinal);

        using var response = await PostAsync(Both());
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
    }

    [Fact]
    public async Task Analyze_FusionDown_IsUnavailableAndRecovers()
    {
        await Host.Fusion.StopAsync();

        var error = await Assert.ThrowsAsync<RpcException>(() => AnalyzeAsync(Both()));
        Assert.Equal(StatusCode.Unavailable, error.StatusCode);
        Assert.DoesNotContain("127.0.0.1", error.Status.Detail, StringComparison.Ordinal);
        using (var response = await PostAsync(Both()))
            Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);

        await Host.Fusion.StartAsync();
        await AssertRecoversAsync();
    }

    [Fact]
    public async Task Models_SpeechDown_AreUnavailableNotNotFound()
    {
        // This fusion has not fetched the list before and has nothing to fall back to.
        await Host.Speech.StopAsync();
        using var channel = Host.Gateway.CreateChannel();
        var client = new EmotionService.EmotionServiceClient(channel);

        var models = (await client.ListModelsAsync(new(), cancellationToken: Cancellation)).Models;
        Assert.NotEmpty(models);
        Assert.All(models, model => Assert.Equal(Modality.Face, model.Modality));

        var error = await Assert.ThrowsAsync<RpcException>(async () =>
            await client.GetModelAsync(new() { Name = "cnn-attention" }, cancellationToken: Cancellation));
        Assert.Equal(StatusCode.Unavailable, error.StatusCode);
    }

    /// <summary>The caller's deadline is shorter than the modality timeout; the available modality is still returned.</summary>
    [Fact]
    public async Task Analyze_ShortDeadline_ReturnsAvailableModality()
    {
        await using var patient = await AffectHost.StartAsync(new Dictionary<string, string?> { ["Fusion:ModalityTimeout"] = "00:01:00" });
        await patient.Face.ReplaceAsync(NeverAnswers.Add, NeverAnswers.Map);
        using var channel = patient.Gateway.CreateChannel();

        var response = await new EmotionService.EmotionServiceClient(channel).AnalyzeAsync(
            new() { Clip = Both() }, deadline: DateTime.UtcNow.AddSeconds(6), cancellationToken: Cancellation);

        AssertVoiceAlone(response.Analysis);
    }

    [Fact]
    public async Task Analyze_FusionNeverAnswers_IsDeadlineExceeded()
    {
        await using var hasty = await AffectHost.StartAsync(new Dictionary<string, string?> { ["Gateway:Deadline"] = "00:00:01" });
        await hasty.Fusion.ReplaceAsync(NeverAnswers.Add, NeverAnswers.Map);
        using var channel = hasty.Gateway.CreateChannel();

        var error = await Assert.ThrowsAsync<RpcException>(async () => await new EmotionService.EmotionServiceClient(channel)
            .AnalyzeAsync(new() { Clip = Both() }, cancellationToken: Cancellation));
        Assert.Equal(StatusCode.DeadlineExceeded, error.StatusCode);

        using var client = new HttpClient { BaseAddress = hasty.Gateway.HttpAddress };
        using var response = await client.GetAsync("v1/models", Cancellation);
        Assert.Equal(HttpStatusCode.GatewayTimeout, response.StatusCode);
    }

    [Fact]
    public async Task Analyze_TooManyClips_IsResourceExhaustedWithRetryInfo()
    {
        await using var narrow = await AffectHost.StartAsync(new Dictionary<string, string?> { ["Fusion:MaxClips"] = "1" });
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await narrow.Features.ReplaceAsync(
            builder =>
            {
                NeverAnswers.Add(builder);
                builder.Services.AddSingleton(entered);
            },
            NeverAnswers.Map);
        using var channel = narrow.Gateway.CreateChannel();
        var client = new EmotionService.EmotionServiceClient(channel);
        using var first = client.AnalyzeAsync(new() { Clip = Both() }, cancellationToken: Cancellation);
        await entered.Task.WaitAsync(Cancellation);

        var error = await Assert.ThrowsAsync<RpcException>(async () => await client.AnalyzeAsync(new() { Clip = Both() }, cancellationToken: Cancellation));
        Assert.Equal(StatusCode.ResourceExhausted, error.StatusCode);
        Assert.True(error.GetRpcStatus()!.GetDetail<RetryInfo>().RetryDelay.ToTimeSpan() > TimeSpan.Zero);

        using var http = new HttpClient { BaseAddress = narrow.Gateway.HttpAddress };
        using var response = await http.PostAsync("v1/analyze", Form(Both()), Cancellation);
        Assert.Equal(HttpStatusCode.TooManyRequests, response.StatusCode);
        Assert.True(response.Headers.RetryAfter?.Delta > TimeSpan.Zero);
    }

    private static Clip Both() => new()
    {
        Audio = ByteString.CopyFrom(TestMedia.Speech()),
        Images = { ByteString.CopyFrom(TestMedia.Png(64, 64)) },
    };

    private async Task<Analysis> AnalyzeAsync(Clip clip)
    {
        using var channel = Host.Gateway.CreateChannel();
        var response = await new EmotionService.EmotionServiceClient(channel)
            .AnalyzeAsync(new() { Clip = clip }, cancellationToken: Cancellation);
        return response.Analysis;
    }

    private async Task<HttpResponseMessage> PostAsync(Clip clip)
    {
        using var client = new HttpClient { BaseAddress = Host.Gateway.HttpAddress };
        return await client.PostAsync("v1/analyze", Form(clip), Cancellation);
    }

    private static MultipartFormDataContent Form(Clip clip) => new()
    {
        { new ByteArrayContent(clip.Audio.ToByteArray()), "audio", "clip.wav" },
        { new ByteArrayContent(clip.Images[0].ToByteArray()), "image", "picture.png" },
    };

    /// <summary>Channels retry a lost peer with a backoff of at most a second.</summary>
    private async Task AssertRecoversAsync()
    {
        for (var attempt = 0; attempt < 20; attempt++)
        {
            try
            {
                if ((await AnalyzeAsync(Both())).Speech.Judgement.Outcome != Outcome.Unavailable)
                    break;
            }
            catch (RpcException exception) when (exception.StatusCode == StatusCode.Unavailable)
            {
            }
            await Task.Delay(TimeSpan.FromMilliseconds(250), Cancellation);
        }
        await AssertWholeAsync();
    }

    private async Task AssertWholeAsync()
    {
        var analysis = await AnalyzeAsync(Both());
        Assert.NotNull(analysis.Speech.Judgement.Scores);
        Assert.Equal(Outcome.NoFace, analysis.Face.Judgement.Outcome);
    }

    private static void AssertVoiceAlone(Analysis analysis)
    {
        Assert.Equal(Outcome.Unavailable, analysis.Face.Judgement.Outcome);
        Assert.Null(analysis.Face.Judgement.Scores);
        Assert.NotNull(analysis.Speech.Judgement.Scores);
        Assert.Equal(analysis.Speech.Judgement.Scores, analysis.Fused.Judgement.Scores);
        Assert.Equal((1f, 0f), (analysis.Fused.SpeechWeight, analysis.Fused.FaceWeight));
    }
}
