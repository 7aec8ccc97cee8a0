using Affect.Classifier.V1;
using Affect.Features.V1;
using Affect.Fusion.Clips;
using Affect.Fusion.Peers;
using Affect.Fusion.Pooling;
using Affect.Hosting;
using Affect.Scheduling;
using Affect.V1;
using Grpc.Core;

namespace Affect.Fusion.Calls;

/// <summary>Analyzes calls: validates the configuration of each, then runs a session. Holds what all sessions share.</summary>
internal sealed class CallAnalysis(
    FeaturesService.FeaturesServiceClient features,
    [FromKeyedServices(Modality.Speech)] ClassifierService.ClassifierServiceClient speech,
    [FromKeyedServices(Modality.Speech)] FairLimiter speechLimiter,
    FaceAnalysis faces,
    ModelCatalog models,
    Fuser fuser,
    CheckpointSigner signer,
    FusionOptions options,
    FusionMetrics metrics,
    TimeProvider time,
    IHostApplicationLifetime lifetime,
    ILogger<CallAnalysis> logger)
{
    public FeaturesService.FeaturesServiceClient Features => features;

    public ClassifierService.ClassifierServiceClient Speech => speech;

    /// <summary>Limits the requests to <see cref="Speech"/>.</summary>
    public FairLimiter SpeechLimiter => speechLimiter;

    public FaceAnalysis Faces => faces;

    public ModelCatalog Models => models;

    public Fuser Fuser => fuser;

    public CheckpointSigner Signer => signer;

    public FusionOptions Options => options;

    public FusionMetrics Metrics => metrics;

    public TimeProvider Time => time;

    public ILogger Logger => logger;

    /// <param name="stream">Messages of the client.</param>
    /// <param name="write">Writes a response; never called concurrently.</param>
    /// <param name="tenant">Tenant of the call, passed on to the peers.</param>
    /// <param name="caller">Canceled when the client disconnects.</param>
    /// <exception cref="RpcException">The client broke the contract; UNAVAILABLE if the call should be resumed on another server.</exception>
    public async Task RunAsync(
        IAsyncStreamReader<AnalyzeStreamRequest> stream, Func<AnalyzeStreamResponse, Task> write, string tenant, CancellationToken caller)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(caller, lifetime.ApplicationStopping);
        try
        {
            await RunAsync(new CallRequests(stream, options.StallTimeout, time), write, tenant, ended.Token);
        }
        catch (OperationCanceledException) when (lifetime.ApplicationStopping.IsCancellationRequested && !caller.IsCancellationRequested)
        {
            throw RpcErrors.Status(StatusCode.Unavailable, "the server is shutting down; resume the call on another server");
        }
    }

    private async Task RunAsync(CallRequests requests, Func<AnalyzeStreamResponse, Task> write, string tenant, CancellationToken cancellation)
    {
        var config = await requests.ReadConfigAsync(cancellation);
        var plan = await PlanAsync(config, tenant, cancellation);
        var state = config.Resume.IsEmpty
            ? CallStates.Create(plan)
            : CallStates.Parse(signer.Verify(config.Resume), plan)
                ?? throw RpcErrors.InvalidArgument("config.resume", "must be the state of a checkpoint of a call with this configuration");
        if (options.AgentEmotion && plan.Channels.Any(channel => channel.Role != SpeakerRole.Customer))
            Log.AgentEmotionEnabled(logger, plan.SessionId);

        metrics.CallStarted();
        try
        {
            using var responses = new CallResponses(write, cancellation);
            using var session = new CallSession(plan, state, tenant, this, requests, responses, cancellation);
            await session.RunAsync();
        }
        finally
        {
            metrics.CallEnded();
        }
    }

    /// <summary>The requests of one window or frame.</summary>
    public PeerRequests CreateRequests(string tenant, CancellationToken cancellation) =>
        new(tenant, options.WindowBudget, time, DateTimeOffset.MaxValue, cancellation);

    private async Task<CallPlan> PlanAsync(StreamConfig config, string tenant, CancellationToken caller)
    {
        var violations = new Violations();
        using var requests = CreateRequests(tenant, caller);
        try
        {
            return await CallPlan.CreateAsync(config, options, (modality, name) => models.FindAsync(modality, name, requests), violations)
                ?? throw RpcErrors.InvalidArgument(violations.Ordered);
        }
        catch (Exception exception) when (requests.IsOutage(exception) && exception is not RpcException { StatusCode: StatusCode.InvalidArgument })
        {
            throw RpcErrors.Status(StatusCode.Unavailable, "the services that list the models are unavailable");
        }
    }
}
