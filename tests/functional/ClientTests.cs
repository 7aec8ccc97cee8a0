using System.Net;
using Affect.Client;
using Affect.Emotions;
using Affect.Hosting;
using Affect.Testing;
using Grpc.Core;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Affect.FunctionalTests;

/// <summary>The SDK against the real services and against a gateway that fails on demand.</summary>
public sealed class ClientTests(AffectFixture fixture)
{
    private static readonly byte[] Picture = TestMedia.Png(64, 64);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Analyze_Voice_ScoresEveryWindowWithSpeech()
    {
        using var client = fixture.CreateClient();
        var analysis = await client.AnalyzeAsync(new Clip { Audio = TestMedia.Speech() }, Cancellation);

        var speech = Assert.IsType<SpeechResult>(analysis.Speech);
        Assert.Null(analysis.Face);
        Assert.True(speech.Judgement.Outcome is Outcome.Ok or Outcome.Uncertain, speech.Judgement.Outcome.ToString());
        Assert.NotNull(speech.Model);
        Assert.Equal(4.2, speech.Duration.TotalSeconds, 0.05);
        Assert.NotEmpty(speech.Segments);
        Assert.Contains(speech.Windows, window => window.Judgement.Scores is not null);
        Assert.All(speech.Windows, window => Assert.InRange(window.End, window.Start, speech.Duration));
        var scores = Assert.NotNull(analysis.Fused.Judgement.Scores);
        Assert.Equal(1, Enum.GetValues<Emotions.Emotion>().Sum(emotion => scores[emotion]), 0.001);
        Assert.NotEmpty(analysis.Notice);
    }

    [Fact]
    public async Task Media_BytesFilesAndStreams_GiveSameAnalysis()
    {
        using var client = fixture.CreateClient();
        var path = TestMedia.FixturePath("golden/speech.wav");
        await using var stream = File.OpenRead(path);
        var answers = new List<SpeechResult>();
        foreach (var media in (Media[])[TestMedia.Speech(), Media.FromFile(path), Media.FromStream(stream)])
            answers.Add((await client.AnalyzeAsync(new Clip { Audio = media }, Cancellation)).Speech!);

        Assert.All(answers, answer =>
        {
            Assert.Equal(answers[0].Windows.Select(window => (window.Start, window.End)), answer.Windows.Select(window => (window.Start, window.End)));
            // Batches of different sizes round differently.
            Assert.Equal(answers[0].Judgement.Confidence, answer.Judgement.Confidence, 0.001f);
        });
    }

    [Fact]
    public async Task Analyze_PictureWithoutFace_IsNoFace()
    {
        using var client = fixture.CreateClient();
        var analysis = await client.AnalyzeAsync(new Clip { Images = [Picture] }, Cancellation);

        Assert.Equal(Outcome.NoFace, analysis.Face?.Judgement.Outcome);
        Assert.Equal(Outcome.NoFace, analysis.Fused.Judgement.Outcome);
        Assert.Null(analysis.Fused.Judgement.Scores);
        Assert.Null(analysis.Fused.Judgement.Emotion);
    }

    [Fact]
    public async Task Analyze_InvalidClip_ErrorNamesEveryField()
    {
        using var client = fixture.CreateClient();
        var error = await Assert.ThrowsAsync<AffectException>(() => client.AnalyzeAsync(
            new Clip { Audio = "no sound"u8.ToArray(), SpeechModel = "nonsuch" }, Cancellation));

        Assert.Equal(StatusCode.InvalidArgument, error.StatusCode);
        Assert.Contains(error.FieldViolations, violation => violation.Field is "clip.audio" or "clip.speech_model");
    }

    [Fact]
    public async Task Models_Listed_AreFoundByName()
    {
        using var client = fixture.CreateClient();
        var models = await client.ListModelsAsync(cancellation: Cancellation);
        Assert.Single(models, model => model is { Modality: Client.Modality.Speech, IsDefault: true });
        Assert.Single(models, model => model is { Modality: Client.Modality.Face, IsDefault: true });

        var faces = await client.ListModelsAsync(Client.Modality.Face, Cancellation);
        Assert.All(faces, model => Assert.Equal(Client.Modality.Face, model.Modality));

        var first = await client.GetModelAsync(models[0].Name, Cancellation);
        Assert.Equal((models[0].Name, models[0].Version), (first.Name, first.Version));
        var error = await Assert.ThrowsAsync<AffectException>(() => client.GetModelAsync("nonsuch", Cancellation));
        Assert.Equal(StatusCode.NotFound, error.StatusCode);
    }

    [Fact]
    public async Task Request_Unavailable_IsRetried()
    {
        await using var gateway = await FlakyGateway.StartAsync(failures: 2, () => RpcErrors.Status(StatusCode.Unavailable, "away"));
        using var client = new AffectClient(gateway.Address);
        // As large as typical media: larger than the buffer of gRPC's own retries.
        await client.AnalyzeAsync(new Clip { Audio = new byte[3_000_000] }, Cancellation);
        Assert.Equal(3, gateway.Calls);
    }

    [Fact]
    public async Task Request_LostUnderAnotherCode_IsRetried()
    {
        await using var gateway = await FlakyGateway.StartAsync(failures: 2, () => new RpcException(new(StatusCode.Internal, "Unknown error.")));
        using var client = new AffectClient(gateway.Address);
        await client.AnalyzeAsync(new Clip { Images = [Picture] }, Cancellation);
        Assert.Equal(3, gateway.Calls);
    }

    [Fact]
    public async Task Request_ResourceExhausted_IsRetriedAfterRetryDelay()
    {
        await using var gateway = await FlakyGateway.StartAsync(
            failures: 2, () => RpcErrors.ResourceExhausted("full", TimeSpan.FromMilliseconds(50)));
        using var client = new AffectClient(gateway.Address);
        var start = TimeProvider.System.GetTimestamp();
        await client.AnalyzeAsync(new Clip { Images = [Picture] }, Cancellation);

        Assert.Equal(3, gateway.Calls);
        Assert.True(TimeProvider.System.GetElapsedTime(start) >= TimeSpan.FromMilliseconds(100));
    }

    [Fact]
    public async Task Request_RetryDelayBeyondDeadline_FailsImmediately()
    {
        await using var gateway = await FlakyGateway.StartAsync(
            failures: 9, () => RpcErrors.ResourceExhausted("too many calls", TimeSpan.FromMinutes(10)));
        using var client = new AffectClient(gateway.Address);
        var error = await Assert.ThrowsAsync<AffectException>(() => client.AnalyzeAsync(new Clip { Images = [Picture] }, Cancellation));

        Assert.Equal(StatusCode.ResourceExhausted, error.StatusCode);
        Assert.Equal(TimeSpan.FromMinutes(10), error.RetryAfter);
        Assert.Equal(1, gateway.Calls);
    }

    [Fact]
    public async Task Request_AlwaysUnavailable_FailsAfterMaxAttempts()
    {
        await using var gateway = await FlakyGateway.StartAsync(
            failures: 99, () => RpcErrors.ResourceExhausted("full", TimeSpan.FromMilliseconds(1)));
        using var client = new AffectClient(new AffectClientOptions { Address = gateway.Address, MaxAttempts = 2 });
        var error = await Assert.ThrowsAsync<AffectException>(() => client.AnalyzeAsync(new Clip { Images = [Picture] }, Cancellation));
        Assert.Equal(StatusCode.ResourceExhausted, error.StatusCode);
        Assert.Equal(2, gateway.Calls);
    }

    [Fact]
    public async Task Request_InvalidArgument_IsNotRetried()
    {
        await using var gateway = await FlakyGateway.StartAsync(failures: 1, () => RpcErrors.InvalidArgument("clip.hop", "must be longer"));
        using var client = new AffectClient(gateway.Address);
        var error = await Assert.ThrowsAsync<AffectException>(() => client.AnalyzeAsync(new Clip { Images = [Picture] }, Cancellation));
        Assert.Equal([new FieldViolation("clip.hop", "must be longer")], error.FieldViolations);
        Assert.Equal(1, gateway.Calls);
    }

    [Fact]
    public async Task Request_ServerUnavailable_IsUnavailable()
    {
        using var client = new AffectClient(new AffectClientOptions { Address = "http://127.0.0.1:9", MaxAttempts = 1 });
        var error = await Assert.ThrowsAsync<AffectException>(() => client.ListModelsAsync(cancellation: Cancellation));
        Assert.Equal(StatusCode.Unavailable, error.StatusCode);
        Assert.Equal("the server cannot be reached", error.Message);
    }

    [Fact]
    public async Task Request_HttpPort_TellsThatGrpcIsOnTheNextPort()
    {
        const string message = "the server does not speak HTTP/2 on this port; gRPC is on the next one, 8081 by default";
        using var client = new AffectClient(fixture.Host.Gateway.HttpAddress.GetLeftPart(UriPartial.Authority));
        var error = await Assert.ThrowsAsync<AffectException>(() => client.ListModelsAsync(cancellation: Cancellation));
        Assert.Equal((StatusCode.Unavailable, message), (error.StatusCode, error.Message));

        await using var call = client.StartCall(new StreamOptions { Audio = new AudioFormat(AudioEncoding.L16, 8000, [SpeakerRole.Customer]) }, Cancellation);
        var ended = await Assert.ThrowsAsync<AffectException>(async () =>
        {
            await foreach (var _ in call.Results)
            {
            }
        });
        Assert.Equal((StatusCode.Unavailable, message), (ended.StatusCode, ended.Message));
    }

    [Fact]
    public async Task Request_DeadlineExceeded_Fails()
    {
        await using var gateway = await FlakyGateway.StartAsync(hang: true);
        using var client = new AffectClient(new AffectClientOptions { Address = gateway.Address, Deadline = TimeSpan.FromMilliseconds(300) });
        var error = await Assert.ThrowsAsync<AffectException>(() => client.AnalyzeAsync(new Clip { Images = [Picture] }, Cancellation));
        Assert.Equal(StatusCode.DeadlineExceeded, error.StatusCode);
    }

    [Fact]
    public async Task Request_TokenCanceled_IsCanceled()
    {
        await using var gateway = await FlakyGateway.StartAsync(hang: true);
        using var client = new AffectClient(gateway.Address);
        using var source = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var call = client.AnalyzeAsync(new Clip { Images = [Picture] }, source.Token);
        await gateway.Entered;
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
    }

    [Fact]
    public async Task Requests_NameWithSeveralAddresses_SpreadOverAll()
    {
        // One port on two addresses, both of which "localhost" resolves to if IPv6 is enabled.
        Assert.SkipUnless((await Dns.GetHostAddressesAsync("localhost", Cancellation)).Length > 1, "localhost has one address here");
        await using var four = await FlakyGateway.StartAsync();
        await using var six = await FlakyGateway.StartAsync(address: "::1", port: new Uri(four.Address).Port);
        using var client = new AffectClient($"dns:///localhost:{new Uri(four.Address).Port}");
        while (four.Calls == 0 || six.Calls == 0)
            await client.AnalyzeAsync(new Clip { Images = [Picture] }, Cancellation);
        for (var i = 0; i < 10; i++)
            await client.AnalyzeAsync(new Clip { Images = [Picture] }, Cancellation);
        Assert.True(four.Calls >= 5 && six.Calls >= 5, $"{four.Calls} and {six.Calls} calls");
    }

    [Fact]
    public async Task Request_KeyRequired_SendsKeyOrIsUnauthenticated()
    {
        await using var gateway = await FlakyGateway.StartAsync();
        using var client = new AffectClient(gateway.Address, apiKey: "secret");
        await client.AnalyzeAsync(new Clip { Images = [Picture] }, Cancellation);
        Assert.Equal("secret", gateway.LastKey);
    }

    [Fact]
    public void AddAffectClient_Configuration_IsBound()
    {
        var services = new ServiceCollection();
        services.AddSingleton<IConfiguration>(new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Affect:Address"] = "dns:///affect-gateway:8081",
            ["Affect:Deadline"] = "00:00:05",
        }).Build());
        services.AddAffectClient(options => options.ApiKey = "secret");
        using var provider = services.BuildServiceProvider();

        var options = provider.GetRequiredService<IOptions<AffectClientOptions>>().Value;
        Assert.Equal("dns:///affect-gateway:8081", options.Address);
        Assert.Equal(TimeSpan.FromSeconds(5), options.Deadline);
        Assert.Equal("secret", options.ApiKey);
        Assert.Same(provider.GetRequiredService<AffectClient>(), provider.GetRequiredService<AffectClient>());
    }

    [Fact]
    public void AddAffectClient_InvalidConfiguration_NamesEveryMistake()
    {
        var services = new ServiceCollection();
        services.AddSingleton<IConfiguration>(new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Affect:Address"] = "gateway:8081",
            ["Affect:Deadline"] = "00:00:00",
            ["Affect:MaxAttempts"] = "50",
        }).Build());
        services.AddAffectClient();
        using var provider = services.BuildServiceProvider();

        var error = Assert.Throws<OptionsValidationException>(provider.GetRequiredService<AffectClient>);
        Assert.Equal(3, error.Failures.Count());
    }
}
