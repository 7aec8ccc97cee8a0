using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Affect.Features.V1;
using Affect.Testing;
using Affect.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Affect.FunctionalTests;

/// <summary>A tenant waits behind its own work, not behind another's.</summary>
public sealed class FairnessTests : IDisposable
{
    private const string Noisy = "noisy", Quiet = "quiet";

    private static readonly TimeSpan Hop = TimeSpan.FromSeconds(0.1);

    private readonly ModelFolder _models = new();

    public FairnessTests()
    {
        TinyModel.Write(_models.Path, TinyModel.Speech());
        TinyModel.Write(_models.Path, TinyModel.Face());
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _models.Dispose();

    [Fact]
    public async Task ExtractCall_OtherTenantSentMinutesOfAudio_IsServedBeforeThem()
    {
        await using var host = await StartAsync();
        using var channel = host.Features.CreateChannel();
        var features = new FeaturesService.FeaturesServiceClient(channel);
        var flood = new List<Task>();
        var complete = 0;
        for (var i = 0; i < 4 * Environment.ProcessorCount; i++)
            flood.Add(Task.Run(async () =>
            {
                await ExtractAsync(Noisy, channels: 8, bytes: 1 << 20);
                Interlocked.Increment(ref complete);
            }, Cancellation));
        await Task.Delay(TimeSpan.FromSeconds(0.1), Cancellation);

        await ExtractAsync(Quiet, channels: 1, bytes: 4 * 8_000);

        Assert.InRange(Volatile.Read(ref complete), 0, flood.Count / 2);
        await Task.WhenAll(flood);

        async Task ExtractAsync(string tenant, int channels, int bytes)
        {
            using var call = features.ExtractCall(
                new Metadata { { "affect-tenant-bin", Encoding.UTF8.GetBytes(tenant) } }, cancellationToken: Cancellation);
            var config = new CallConfig
            {
                Encoding = AudioEncoding.Mulaw,
                SampleRate = 8_000,
                Input = new() { Features = FeatureKind.MfccZcrRms, Window = Duration.FromTimeSpan(TimeSpan.FromSeconds(3)) },
                Window = Duration.FromTimeSpan(TimeSpan.FromSeconds(3)),
                Hop = Duration.FromTimeSpan(Hop),
            };
            config.Windows.Add(Enumerable.Repeat(true, channels));
            var noise = new byte[bytes];
            new Random(1).NextBytes(noise);
            await call.RequestStream.WriteAsync(new() { Config = config }, Cancellation);
            await call.RequestStream.WriteAsync(new() { Audio = UnsafeByteOperations.UnsafeWrap(noise) }, Cancellation);
            await call.RequestStream.CompleteAsync();
            await foreach (var _ in call.ResponseStream.ReadAllAsync(Cancellation))
            {
            }
        }
    }

    [Fact]
    public async Task Analyze_OtherTenantHasClipsThatWait_IsAnalyzedImmediately()
    {
        await using var host = await StartAsync(("Fusion:MaxClipsPerTenant", "2"));
        var features = await ReplaceFeaturesAsync(host, new());
        using var channel = host.Gateway.CreateChannel();
        var noisy = Enumerable.Range(0, 6).Select(_ => AnalyzeAsync(channel, Noisy)).ToList();
        await features.EnteredAsync(2);

        var quiet = AnalyzeAsync(channel, Quiet);

        await features.EnteredAsync(3);
        Assert.Equal(["key noisy", "key noisy", "key quiet"], features.Tenants.Order(StringComparer.Ordinal));
        features.Open.SetResult();
        Assert.Equal(Outcome.NoSpeech, (await quiet).Speech.Judgement.Outcome);
        Assert.All(await Task.WhenAll(noisy), analysis => Assert.Equal(Outcome.NoSpeech, analysis.Speech.Judgement.Outcome));
    }

    [Fact]
    public async Task Analyze_LongClipWithProgress_OutlastsTheModalityTimeout()
    {
        await using var host = await StartAsync(("Fusion:MaxClipsPerTenant", "1"), ("Fusion:ModalityTimeout", "00:00:02"));
        var features = await ReplaceFeaturesAsync(host, new() { Windows = 8, Delay = TimeSpan.FromSeconds(0.4) });
        features.Open.SetResult();
        using var channel = host.Gateway.CreateChannel();

        // Each takes 3.2 s, and the second one waits for as long.
        var analyses = await Task.WhenAll(AnalyzeAsync(channel, Noisy), AnalyzeAsync(channel, Noisy));

        Assert.All(analyses, analysis => Assert.Equal(8, analysis.Speech.Windows.Count(window => window.Judgement.Outcome == Outcome.NoSpeech)));
    }

    [Fact]
    public async Task Analyze_ClipThatCannotFinish_IsGivenUpEarly()
    {
        await using var host = await StartAsync(("Gateway:Deadline", "00:00:10"));
        var features = await ReplaceFeaturesAsync(host, new() { Windows = 6_000, Delay = TimeSpan.FromMilliseconds(10) });
        features.Open.SetResult();
        using var channel = host.Gateway.CreateChannel();

        var error = await Assert.ThrowsAsync<RpcException>(() => AnalyzeAsync(channel, Noisy));

        Assert.Equal(StatusCode.ResourceExhausted, error.StatusCode);
        Assert.True(error.GetRpcStatus()!.GetDetail<RetryInfo>().RetryDelay.ToTimeSpan() > TimeSpan.Zero);
        await features.Canceled.Task.WaitAsync(TimeSpan.FromSeconds(10), Cancellation);
        Assert.InRange(features.Sent, 100, 500);
    }

    [Fact]
    public async Task Analyze_ClipWaitsForHalfOfItsTime_IsResourceExhausted()
    {
        await using var host = await StartAsync(("Gateway:Deadline", "00:00:02"), ("Fusion:MaxClipsPerTenant", "1"));
        var features = await ReplaceFeaturesAsync(host, new());
        using var channel = host.Gateway.CreateChannel();
        var first = AnalyzeAsync(channel, Noisy);
        await features.EnteredAsync(1);

        var error = await Assert.ThrowsAsync<RpcException>(() => AnalyzeAsync(channel, Noisy));

        Assert.Equal(StatusCode.ResourceExhausted, error.StatusCode);
        Assert.Single(features.Tenants);
        await Assert.ThrowsAsync<RpcException>(() => first);
    }

    [Fact]
    public async Task AnalyzeStream_TenantHasHalfOfTheCalls_LeavesTheOthersToOtherTenants()
    {
        await using var host = await StartAsync(("Fusion:MaxCalls", "4"));
        using var channel = host.Gateway.CreateChannel();
        using var first = await StartCallAsync(Noisy);
        using var second = await StartCallAsync(Noisy);

        var error = await Assert.ThrowsAsync<RpcException>(() => StartCallAsync(Noisy));

        Assert.Equal(StatusCode.ResourceExhausted, error.StatusCode);
        using var other = await StartCallAsync(Quiet);

        async Task<AsyncDuplexStreamingCall<AnalyzeStreamRequest, AnalyzeStreamResponse>> StartCallAsync(string key)
        {
            var call = new EmotionService.EmotionServiceClient(channel).AnalyzeStream(Key(key), cancellationToken: Cancellation);
            await call.RequestStream.WriteAsync(
                new() { Config = new() { Audio = new() { Encoding = AudioEncoding.Mulaw, SampleRate = 8_000, Channels = { new AudioChannel { Role = SpeakerRole.Customer } } } } },
                Cancellation);
            Assert.True(await call.ResponseStream.MoveNext(Cancellation));
            return call;
        }
    }

    private static Metadata Key(string name) => new() { { "x-api-key", $"key-of-{name}" } };

    private static async Task<Analysis> AnalyzeAsync(GrpcChannel channel, string key) =>
        (await new EmotionService.EmotionServiceClient(channel).AnalyzeAsync(
            new() { Clip = new() { Audio = ByteString.CopyFrom(TestMedia.Speech()), Hop = Duration.FromTimeSpan(Hop) } },
            Key(key), cancellationToken: Cancellation)).Analysis;

    private Task<AffectHost> StartAsync(params (string Name, string Value)[] settings)
    {
        var configuration = settings.ToDictionary(setting => setting.Name, setting => (string?)setting.Value);
        configuration["Speech:ModelsPath"] = configuration["Face:ModelsPath"] = _models.Path;
        foreach (var key in (string[])[Noisy, Quiet])
            configuration[$"Gateway:ApiKeys:{key}:Sha256"] = Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes($"key-of-{key}")));
        return AffectHost.StartAsync(configuration);
    }

    private static async Task<SlowFeatures> ReplaceFeaturesAsync(AffectHost host, SlowFeatures features)
    {
        await host.Features.ReplaceAsync(
            builder => builder.Services.AddSingleton(features).AddHealthChecks().AddCheck("slow-features", () => HealthCheckResult.Healthy()),
            app => app.MapGrpcService<SlowFeatures>());
        return features;
    }

    /// <summary>A fake of features: the real one is as fast as the machine, and cannot be stopped.</summary>
    private sealed class SlowFeatures : FeaturesService.FeaturesServiceBase
    {
        /// <summary>Completes to answer the requests.</summary>
        public TaskCompletionSource Open { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Canceled { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>Tenants of the requests so far.</summary>
        public ConcurrentQueue<string> Tenants { get; } = new();

        /// <summary>Windows of a clip, all without speech, and the delay before each.</summary>
        public int Windows { get; init; } = 5;

        /// <inheritdoc cref="Windows"/>
        public TimeSpan Delay { get; init; }

        /// <summary>Windows sent.</summary>
        public int Sent { get; private set; }

        /// <summary>Waits until a number of requests have arrived.</summary>
        public async Task EnteredAsync(int requests)
        {
            while (Tenants.Count < requests)
                await Task.Delay(TimeSpan.FromMilliseconds(5), Cancellation);
        }

        public override async Task ExtractSpeech(
            ExtractSpeechRequest request, IServerStreamWriter<ExtractSpeechResponse> responseStream, ServerCallContext context)
        {
            Tenants.Enqueue(Encoding.UTF8.GetString(context.RequestHeaders.GetValueBytes("affect-tenant-bin")!));
            using var canceled = context.CancellationToken.Register(() => Canceled.TrySetResult());
            await Open.Task.WaitAsync(context.CancellationToken);
            var duration = Duration.FromTimeSpan(Windows * Hop);
            await responseStream.WriteAsync(
                new() { Header = new() { Duration = duration, Segments = { new SpeechSegment { Start = new(), End = duration } } } }, context.CancellationToken);
            for (var i = 0; i < Windows; i++)
            {
                await Task.Delay(Delay, context.CancellationToken);
                Sent++;
                await responseStream.WriteAsync(
                    new() { Window = new() { Start = Duration.FromTimeSpan(i * Hop), End = Duration.FromTimeSpan((i + 1) * Hop) } }, context.CancellationToken);
            }
        }
    }
}
