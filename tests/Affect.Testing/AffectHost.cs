using System.Security.Cryptography;
using Affect.Face;
using Affect.Features;
using Affect.Fusion;
using Affect.Gateway;
using Affect.Speech;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Logging.Testing;

namespace Affect.Testing;

/// <summary>
/// All services, each with its own Kestrel as in a cluster, connected by configuration. Disposing it fails if a service
/// logged an error.
/// </summary>
public sealed class AffectHost : IAsyncDisposable
{
    private AffectHost(FakeLogCollector logs, TestService features, TestService speech, TestService face, TestService fusion, TestService gateway)
    {
        Logs = logs;
        Features = features;
        Speech = speech;
        Face = face;
        Fusion = fusion;
        Gateway = gateway;
    }

    /// <summary>Key of the checkpoints of this process, so that fusion can be restarted.</summary>
    public static string CheckpointKey { get; } = Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));

    /// <summary>Log of all services.</summary>
    public FakeLogCollector Logs { get; }

    public TestService Features { get; }

    public TestService Speech { get; }

    public TestService Face { get; }

    public TestService Fusion { get; }

    /// <summary>The public API.</summary>
    public TestService Gateway { get; }

    /// <summary>Starts all services and waits until they are ready.</summary>
    /// <param name="configuration">Overrides the defaults of this host, for all services: "Gateway:RequireApiKey", "Speech:ModelsPath".</param>
    public static async Task<AffectHost> StartAsync(IReadOnlyDictionary<string, string?>? configuration = null)
    {
        var logs = new FakeLogCollector();
        var settings = new Dictionary<string, string?>
        {
            ["Features:FaceDetectorPath"] = Environment.GetEnvironmentVariable("AFFECT_YUNET"),
            ["Gateway:RequireApiKey"] = "false",
            ["Fusion:CheckpointKeys:0"] = CheckpointKey,
        };
        foreach (var (key, value) in configuration ?? new Dictionary<string, string?>())
            settings[key] = value;

        // Models warm up concurrently.
        var features = Start("affect-features", FeaturesHosting.AddFeatures, FeaturesHosting.MapFeatures);
        var speech = Start("affect-speech", SpeechHosting.AddSpeech, SpeechHosting.MapSpeech);
        var face = Start("affect-face", FaceHosting.AddFace, FaceHosting.MapFace);
        await Task.WhenAll(features, speech, face);
        settings.TryAdd("Fusion:FeaturesAddress", (await features).GrpcAddress);
        settings.TryAdd("Fusion:SpeechAddress", (await speech).GrpcAddress);
        settings.TryAdd("Fusion:FaceAddress", (await face).GrpcAddress);
        var fusion = await Start("affect-fusion", FusionHosting.AddFusion, FusionHosting.MapFusion);
        settings.TryAdd("Gateway:FusionAddress", fusion.GrpcAddress);
        var gateway = await Start("affect-gateway", GatewayHosting.AddGateway, GatewayHosting.MapGateway, http: true);
        return new AffectHost(logs, await features, await speech, await face, fusion, gateway);

        Task<TestService> Start(
            string name, Action<WebApplicationBuilder> add,
            Action<WebApplication> map, bool http = false) =>
            TestService.StartAsync(name, logs, add, map, settings, http);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var service in (TestService[])[Gateway, Fusion, Face, Speech, Features])
            await service.DisposeAsync();
        Logs.ThrowOnErrors();
    }
}
