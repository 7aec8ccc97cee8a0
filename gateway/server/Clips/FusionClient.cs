using Affect.Fusion.V1;
using Affect.Gateway.Errors;
using Affect.Hosting;
using Affect.V1;
using Grpc.Core;

namespace Affect.Gateway.Clips;

/// <summary>
/// Unary requests to fusion, shared by gRPC and REST: applies the deadline, names the tenant, adds the notice and removes inner details from errors.
/// </summary>
internal sealed class FusionClient(FusionService.FusionServiceClient fusion, GatewayOptions options, TimeProvider time)
{
    private const int MaxRetries = 2;

    private static readonly Backoff Backoff = new(First: TimeSpan.FromMilliseconds(100), Max: TimeSpan.FromSeconds(1));

    /// <param name="clip">The clip; fusion validates it.</param>
    /// <param name="tenant">Key by which fusion schedules the work.</param>
    /// <param name="deadline">Deadline of the client, UTC.</param>
    /// <param name="cancellation">Canceled when the client disconnects.</param>
    /// <exception cref="RpcException">Can be shown to clients.</exception>
    public async Task<Analysis> AnalyzeAsync(Clip? clip, string tenant, DateTime deadline, CancellationToken cancellation)
    {
        if (clip is not null && RequestLimits.Check(clip).ToList() is { Count: > 0 } violations)
            throw RpcErrors.InvalidArgument(violations);
        var response = await SendAsync(
            requestOptions => fusion.AnalyzeAsync(new() { Clip = clip }, requestOptions), tenant, deadline, cancellation);
        response.Analysis.Notice = options.Notice;
        return response.Analysis;
    }

    /// <exception cref="RpcException">Can be shown to clients.</exception>
    public async Task<IReadOnlyList<Model>> ListModelsAsync(Modality modality, string tenant, DateTime deadline, CancellationToken cancellation)
    {
        if (!Enum.IsDefined(modality))
            throw RpcErrors.InvalidArgument("modality", "Must be MODALITY_SPEECH or MODALITY_FACE.");
        var response = await SendAsync(requestOptions => fusion.ListModelsAsync(new(), requestOptions), tenant, deadline, cancellation);
        return [.. response.Models.Where(model => modality is Modality.Unspecified || model.Modality == modality)];
    }

    /// <exception cref="RpcException">Can be shown to clients; NOT_FOUND if the model does not exist.</exception>
    public async Task<Model> GetModelAsync(string name, string tenant, DateTime deadline, CancellationToken cancellation)
    {
        if (name.Length == 0)
            throw RpcErrors.InvalidArgument("name", "Required.");
        if (RequestLimits.CheckName("name", name).ToList() is { Count: > 0 } violations)
            throw RpcErrors.InvalidArgument(violations);
        var models = await ListModelsAsync(Modality.Unspecified, tenant, deadline, cancellation);
        if (models.FirstOrDefault(model => model.Reference.Name == name) is { } found)
            return found;
        // A modality without models is one whose service did not answer; it may have the model.
        var answered = models.Select(model => model.Modality).Distinct().Count();
        throw answered < Enum.GetValues<Modality>().Length - 1
            ? RpcErrors.Status(StatusCode.Unavailable, "A service that may have this model did not answer.")
            : RpcErrors.NotFound("model", name);
    }

    /// <summary>Sends a request; repeats it if it was lost between gateway and fusion. Fusion repeats its own requests.</summary>
    private async Task<T> SendAsync<T>(Func<CallOptions, AsyncUnaryCall<T>> send, string tenant, DateTime deadline, CancellationToken cancellation)
    {
        var latest = time.GetUtcNow().UtcDateTime + options.Deadline;
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                using var request = send(new CallOptions(deadline: deadline < latest ? deadline : latest, cancellationToken: cancellation).WithTenant(tenant));
                return await request;
            }
            catch (RpcException exception) when (!cancellation.IsCancellationRequested)
            {
                if (attempt == MaxRetries || !exception.IsLost() || exception.GetRpcStatus() is not null)
                    throw FusionErrors.ToClientError(exception);
            }

            await Task.Delay(Backoff.Delay(attempt), time, cancellation);
        }
    }
}
