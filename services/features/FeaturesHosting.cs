using Affect.Features.Audio;
using Affect.Features.Pictures;
using Affect.Scheduling;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;
using OpenCvSharp;

namespace Affect.Features;

/// <summary>Adds and maps the service in its container, in the one-process host and in tests.</summary>
public static class FeaturesHosting
{
    /// <summary>Largest request in bytes: 32 MiB of audio or one picture, and the other fields.</summary>
    public const int MaxRequestBytes = 33 << 20;

    /// <summary>
    /// Keys of the limiters: audio files and pictures, calls, and the cores, on which tenants take turns to extract features in units of
    /// about a millisecond. In one process, other services have limiters too.
    /// </summary>
    internal const string Files = "features: files", Calls = "features: calls", Cores = "features: cores";

    /// <summary>Adds the service on top of <c>AddAffectDefaults</c>.</summary>
    public static void AddFeatures(this WebApplicationBuilder builder)
    {
        var services = builder.Services;
        services.AddSingleton<IValidateOptions<FeaturesOptions>, FeaturesOptionsValidator>();
        services.AddSingleton<IValidateOptions<FeaturesOptions>, FeaturesRequirements>();
        services.AddOptions<FeaturesOptions>().BindConfiguration("Features").ValidateOnStart();

        services.AddSingleton<Ffmpeg>();
        services.AddSingleton<AudioDecoder>();
        services.AddSingleton<MediaMemory>();
        services.AddSingleton<FeaturesMetrics>();
        services.AddSingleton(provider => CreateDetector(Options(provider), provider.GetRequiredService<ILogger<FaceDetector>>()));
        services.AddSingleton(provider => new FaceExtractor(
            provider.GetRequiredService<FaceDetector>(), provider.GetRequiredService<Ffmpeg>(), Options(provider).MaxFaces));

        AddLimiter(Files, options => new(options.MaxConcurrency, queueLimit: options.MaxWaiting));
        // A tenant cannot take the places of all others.
        AddLimiter(Calls, options => new(options.MaxCalls, Math.Max(1, options.MaxCalls / 2), queueLimit: 0));
        AddLimiter(Cores, _ => new(Environment.ProcessorCount));

        services.AddHostedService<WarmUp>();
        services.AddHealthChecks().AddCheck("features", () => HealthCheckResult.Healthy());
        services.AddGrpc().AddServiceOptions<FeaturesService>(grpc => grpc.MaxReceiveMessageSize = MaxRequestBytes);

        void AddLimiter(string key, Func<FeaturesOptions, FairLimiter> create) =>
            services.AddKeyedSingleton(key, (provider, _) => create(Options(provider)));

        static FeaturesOptions Options(IServiceProvider provider) =>
            provider.GetRequiredService<IOptions<FeaturesOptions>>().Value;
    }

    /// <summary>Maps the service.</summary>
    public static void MapFeatures(this WebApplication app) =>
        app.MapGrpcService<FeaturesService>().WithMetadata(new BodyLimit());

    private static FaceDetector CreateDetector(FeaturesOptions options, ILogger logger)
    {
        // Requests already use all cores: threads of OpenCV would only compete with them.
        Cv2.SetNumThreads(1);
        // Clients get an error for a broken picture; OpenCV would also write each to standard error.
        Cv2.SetLogLevel(OpenCvSharp.LogLevel.SILENT);
        if (File.Exists(options.FaceDetectorPath))
        {
            Log.DetectorIsYuNet(logger, options.FaceDetectorPath);
            return new YuNetDetector(options.FaceDetectorPath, options.MinFaceConfidence, options.DetectionEdge);
        }

        var cascade = HaarDetector.CascadePath(options.HaarCascadesPath);
        Log.DetectorIsHaar(logger, options.FaceDetectorPath is { Length: > 0 } path ? $"'{path}'" : "not set", cascade);
        return new HaarDetector(cascade);
    }

    /// <summary>Removes Kestrel's limit of 30 MB: that of gRPC, <see cref="MaxRequestBytes"/>, applies.</summary>
    private sealed class BodyLimit : IRequestSizeLimitMetadata
    {
        public long? MaxRequestBodySize => null;
    }

    /// <summary>Loads the face detector before the server accepts connections, so that the first requests do not wait for it.</summary>
    private sealed class WarmUp(FaceDetector detector, Ffmpeg ffmpeg, IOptions<FeaturesOptions> options, ILogger<WarmUp> logger)
        : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken)
        {
            if (!ffmpeg.IsInstalled)
                Log.FfmpegMissing(logger, options.Value.FfmpegPath);
            return Task.Run(
                () =>
                {
                    using var picture = new Mat(480, 640, MatType.CV_8UC3, Scalar.Black);
                    detector.Detect(picture);
                },
                cancellationToken);
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
