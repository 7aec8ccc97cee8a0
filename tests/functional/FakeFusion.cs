using System.Collections.Concurrent;
using Affect.Fusion.V1;
using Affect.Hosting;
using Affect.Testing;
using Affect.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging.Testing;
using AnalyzeStreamRequest = Affect.Fusion.V1.AnalyzeStreamRequest;
using AnalyzeStreamResponse = Affect.Fusion.V1.AnalyzeStreamResponse;

namespace Affect.FunctionalTests;

/// <summary>
/// A fake of fusion that answers each chunk with a window immediately and fails on demand, selected by the name of the speech model.
/// It tests the gateway alone, in situations that the real fusion does not produce on demand.
/// </summary>
internal sealed class FakeFusion : FusionService.FusionServiceBase
{
    /// <summary>The connection is lost at the first chunk.</summary>
    public const string Lost = "lost";

    /// <summary>Fusion ends the call after the first chunk.</summary>
    public const string Stalls = "stalls";

    /// <summary>Reads nothing after the configuration until <see cref="Release"/> completes.</summary>
    public const string Blocked = "blocked";

    /// <summary>INVALID_ARGUMENT on config.audio.sample_rate.</summary>
    public const string Refuses = "refuses";

    public TaskCompletionSource Release { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes when a call is canceled.</summary>
    public TaskCompletionSource Canceled { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ConcurrentQueue<VideoFrame> Frames { get; } = new();

    public Task<TestService> StartAsync(FakeLogCollector logs) => TestService.StartAsync(
        "fake-fusion", logs,
        builder =>
        {
            builder.Services.AddSingleton(this).AddHealthChecks().AddCheck("fake-fusion", () => HealthCheckResult.Healthy());
            builder.Services.AddGrpc().AddServiceOptions<FakeFusion>(grpc => grpc.MaxReceiveMessageSize = 4 << 20);
        },
        app => app.MapGrpcService<FakeFusion>());

    /// <summary>A large response.</summary>
    public override Task<Affect.Fusion.V1.AnalyzeResponse> Analyze(Affect.Fusion.V1.AnalyzeRequest request, ServerCallContext context) => Task.FromResult(
        new Affect.Fusion.V1.AnalyzeResponse { Analysis = new() { Speech = new() { Windows = { Enumerable.Range(0, 200_000).Select(i => new SpeechWindow { Start = new() { Seconds = i } }) } } } });

    public override async Task AnalyzeStream(
        IAsyncStreamReader<AnalyzeStreamRequest> requestStream, IServerStreamWriter<AnalyzeStreamResponse> responseStream, ServerCallContext context)
    {
        using var canceled = context.CancellationToken.Register(() => Canceled.TrySetResult());
        if (!await requestStream.MoveNext() || requestStream.Current.Call.Config is not { } config)
            throw RpcErrors.Status(StatusCode.FailedPrecondition, "a stream begins with its configuration");
        if (config.SpeechModel == Refuses)
            throw RpcErrors.InvalidArgument("config.audio.sample_rate", "It must be 8,000 to 48,000.");

        await WriteAsync(new() { Started = new() { SessionId = config.SessionId, Channels = { new ChannelPolicy { Role = SpeakerRole.Customer, Emotion = true } } } });
        if (config.SpeechModel == Blocked)
            await Release.Task.WaitAsync(context.CancellationToken);

        var (index, bytes) = (0L, 0L);
        var end = CallEnd.Completed;
        while (await requestStream.MoveNext())
        {
            if (requestStream.Current.Call.Frame is { } frame)
            {
                Frames.Enqueue(frame);
                continue;
            }
            if (config.SpeechModel == Lost)
            {
                context.GetHttpContext().Abort();
                return;
            }
            var audio = requestStream.Current.Call.Audio;
            bytes += audio.Data.Length;
            // Returns the position as the start, so that the test sees that it was forwarded.
            await WriteAsync(new() { Window = new() { Index = index++, Start = new Duration { Seconds = audio.Position } } });
            if (audio.Data.Length == 1)
                await WriteAsync(new() { Alert = new() { Rule = "rule", State = AlertState.Raised } });
            if (config.SpeechModel == Stalls)
            {
                end = CallEnd.Stalled;
                break;
            }
        }
        await WriteAsync(new() { Summary = new() { End = end, Duration = new Duration { Seconds = bytes } } });

        Task WriteAsync(Affect.V1.AnalyzeStreamResponse response) => responseStream.WriteAsync(new() { Call = response });
    }
}
