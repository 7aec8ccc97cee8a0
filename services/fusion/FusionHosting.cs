using Affect.Classifier.V1;
using Affect.Features.V1;
using Affect.Fusion.Calls;
using Affect.Fusion.Clips;
using Affect.Fusion.Peers;
using Affect.Fusion.Pooling;
using Affect.Hosting;
using Affect.Scheduling;
using Affect.V1;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;

namespace Affect.Fusion;

/// <summary>Adds and maps the service in its container, in the one-process host and in tests.</summary>
public static class FusionHosting
{
    /// <summary>Keys of the limiters that admit clips and calls. In one process, other services have limiters too.</summary>
    internal const string Clips = "fusion: clips", Calls = "fusion: calls";

    /// <summary>Adds fusion; its addresses and budgets come from section <c>Fusion</c>.</summary>
    public static void AddFusion(this WebApplicationBuilder builder)
    {
        var services = builder.Services;
        services.AddSingleton<IValidateOptions<FusionOptions>, FusionOptionsValidator>();
        services.AddOptions<FusionOptions>().BindConfiguration("Fusion").ValidateOnStart();
        services.TryAddSingleton(provider => provider.GetRequiredService<IOptions<FusionOptions>>().Value);

        AddChannel("features", options => options.FeaturesAddress);
        AddChannel("speech", options => options.SpeechAddress);
        AddChannel("face", options => options.FaceAddress);
        services.AddSingleton(provider => new FeaturesService.FeaturesServiceClient(Channel(provider, "features")));
        AddClassifier(Modality.Speech, "speech");
        AddClassifier(Modality.Face, "face");

        services.AddSingleton<FusionMetrics>();
        services.AddSingleton<ModelCatalog>();
        services.AddSingleton<ClipPace>();
        services.AddSingleton<VoiceAnalysis>();
        services.AddSingleton<FaceAnalysis>();
        services.AddSingleton<Fuser>();
        services.AddSingleton<ClipSession>();
        services.AddSingleton<CheckpointSigner>();
        services.AddSingleton<CallAnalysis>();
        // Clips that are analyzed, and those that wait, hold their media in memory.
        AddLimiter(Clips, options => new((options.MaxClips + 1) / 2, options.MaxClipsPerTenant, queueLimit: options.MaxClips / 2));
        // Rejects instead of queueing: a conversation does not wait.
        AddLimiter(Calls, options => new(options.MaxCalls, (options.MaxCalls + 1) / 2, queueLimit: 0));
        AddLimiter(Modality.Speech, options => new(options.MaxConcurrentRequests));
        AddLimiter(Modality.Face, options => new(options.MaxConcurrentRequests));
        services.AddGrpc().AddServiceOptions<FusionService>(grpc => grpc.MaxReceiveMessageSize = FusionOptions.MaxRequestBytes);
        // Ready as soon as it listens: if a peer is down, its modality is UNAVAILABLE.
        services.AddHealthChecks().AddCheck("fusion", () => HealthCheckResult.Healthy());

        void AddLimiter(object key, Func<FusionOptions, FairLimiter> create) =>
            services.AddKeyedSingleton(key, (provider, _) => create(provider.GetRequiredService<FusionOptions>()));

        void AddChannel(string peer, Func<FusionOptions, string> address) =>
            services.AddKeyedSingleton(Key(peer), (provider, _) => PeerChannel.Create(
                address(provider.GetRequiredService<FusionOptions>()),
                provider.GetRequiredService<IOptions<ServerOptions>>().Value.PeerTlsPath,
                inProcess: provider.GetService<InProcessTransport>()));

        void AddClassifier(Modality modality, string peer) =>
            services.AddKeyedSingleton(modality, (provider, _) => new ClassifierService.ClassifierServiceClient(Channel(provider, peer)));
    }

    /// <summary>Maps fusion's gRPC service.</summary>
    public static void MapFusion(this WebApplication app)
    {
        app.MapGrpcService<FusionService>().WithMetadata(new BodyLimit());
        // Created at the start, so that the log says early that keys are missing.
        app.Lifetime.ApplicationStarted.Register(() => app.Services.GetRequiredService<CheckpointSigner>());
    }

    private static GrpcChannel Channel(IServiceProvider provider, string peer) =>
        provider.GetRequiredKeyedService<GrpcChannel>(Key(peer));

    private static string Key(string peer) => $"fusion->{peer}";

    /// <summary>Removes Kestrel's limit of 30 MB: that of gRPC, <see cref="FusionOptions.MaxRequestBytes"/>, applies.</summary>
    private sealed class BodyLimit : IRequestSizeLimitMetadata
    {
        public long? MaxRequestBodySize => null;
    }
}
