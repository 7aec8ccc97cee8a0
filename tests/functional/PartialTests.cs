using System.Net;
using Affect.Testing;
using Affect.V1;
using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;
using Microsoft.Extensions.DependencyInjection;

namespace Affect.FunctionalTests;

/// <summary>A service that is down or slow costs its modality; the rest of the answer stands.</summary>
public sealed class PartialTests : IAsyncLifetime
{
    private static readonly Dictionary<string, string?> Impatient = new()
    {
        ["Fusion:ModalityTimeout"] = "00:00:01.5",
        // Lists are asked for each time, so that a service that is gone is missed at once.
        ["Fusion:ModelsMaxAge"] = "00:00:00",
    };

    private AffectHost? _host;

    private AffectHost Host => _host!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _host = await AffectHost.StartAsync(Impatient);

    public ValueTask DisposeAsync() => Host.DisposeAsync();

    [Fact]
    public async Task Without_speech_the_face_stands_and_the_voice_comes_back()
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
    public async Task Without_face_the_voice_stands()
    {
        await Host.Face.StopAsync();

        AssertVoiceAlone(await AnalyzeAsync(Both()));
    }

    [Fact]
    public async Task A_slow_face_leaves_the_voice_in_time()
    {
        await Host.Face.ReplaceAsync(NeverAnswers.Add, NeverAnswers.Map);

        AssertVoiceAlone(await AnalyzeAsync(Both()));
    }

    [Fact]
    public async Task A_slow_speech_leaves_the_face_in_time()
    {
        // The first call has the list of models known: it is the windows that wait.
        await AssertWholeAsync();
        await Host.Speech.ReplaceAsync(NeverAnswers.Add, NeverAnswers.Map);

        var analysis = await AnalyzeAsync(Both());

        Assert.Equal(Outcome.Unavailable, analysis.Speech.Judgement.Outcome);
        Assert.Equal(Outcome.NoFace, analysis.Face.Judgement.Outcome);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Without_features_nothing_can_answer(bool slow)
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
    public async Task Without_fusion_the_gateway_says_so()
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
    public async Task Models_of_a_service_that_is_down_are_missing_and_not_denied()
    {
        // A fusion that never saw the list has none to fall back to.
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

    /// <summary>The caller's deadline is nearer than the modality's time, and yet what is there gets through.</summary>
    [Fact]
    public async Task A_short_deadline_still_gets_the_rest()
    {
        await using var patient = await AffectHost.StartAsync(new Dictionary<string, string?> { ["Fusion:ModalityTimeout"] = "00:01:00" });
        await patient.Face.ReplaceAsync(NeverAnswers.Add, NeverAnswers.Map);
        using var channel = patient.Gateway.CreateChannel();

        var response = await new EmotionService.EmotionServiceClient(channel).AnalyzeAsync(
            new() { Clip = Both() }, deadline: DateTime.UtcNow.AddSeconds(6), cancellationToken: Cancellation);

        AssertVoiceAlone(response.Analysis);
    }

    [Fact]
    public async Task A_fusion_that_never_answers_meets_the_gateways_own_deadline()
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
    public async Task One_clip_too_many_is_told_to_come_back()
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

    /// <summary>Channels look for a peer that was gone once in a while, a second apart at the most.</summary>
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
