using Affect.Fusion.V1;
using Affect.Hosting;
using Affect.V1;
using Google.Rpc;
using Grpc.Core;

namespace Affect.Gateway.Errors;

/// <summary>
/// What gRPC and REST have in common: asks fusion within the deadline, adds the notice, and lets
/// through what is meant for clients of an error, and nothing else of it.
/// </summary>
internal sealed class Upstream(FusionService.FusionServiceClient fusion, GatewayOptions options, TimeProvider time)
{
    /// <exception cref="RpcException">Fit for clients.</exception>
    public async Task<Analysis> AnalyzeAsync(Clip? clip, DateTime deadline, CancellationToken cancellation)
    {
        var response = await AskAsync(
            call => fusion.AnalyzeAsync(new() { Clip = clip }, call), deadline, cancellation);
        response.Analysis.Notice = options.Notice;
        return response.Analysis;
    }

    /// <exception cref="RpcException">Fit for clients.</exception>
    public async Task<IReadOnlyList<Model>> ListModelsAsync(Modality modality, DateTime deadline, CancellationToken cancellation)
    {
        if (!System.Enum.IsDefined(modality))
            throw RpcErrors.InvalidArgument("modality", "It is none of the modalities.");
        var response = await AskAsync(call => fusion.ListModelsAsync(new(), call), deadline, cancellation);
        return [.. response.Models.Where(model => modality is Modality.Unspecified || model.Modality == modality)];
    }

    /// <exception cref="RpcException">Fit for clients; NOT_FOUND where there is no such model.</exception>
    public async Task<Model> GetModelAsync(string name, DateTime deadline, CancellationToken cancellation)
    {
        if (name.Length == 0)
            throw RpcErrors.InvalidArgument("name", "It is missing.");
        var models = await ListModelsAsync(Modality.Unspecified, deadline, cancellation);
        if (models.FirstOrDefault(model => model.Reference.Name == name) is { } found)
            return found;
        // A modality without models is one whose service did not answer: the model may be one of its.
        var answered = models.Select(model => model.Modality).Distinct().Count();
        throw answered < System.Enum.GetValues<Modality>().Length - 1
            ? RpcErrors.Status(StatusCode.Unavailable, "a service that may have this model did not answer")
            : RpcErrors.NotFound("model", name);
    }

    private async Task<T> AskAsync<T>(Func<CallOptions, AsyncUnaryCall<T>> ask, DateTime deadline, CancellationToken cancellation)
    {
        var own = time.GetUtcNow().UtcDateTime + options.Deadline;
        try
        {
            using var call = ask(new CallOptions(deadline: deadline < own ? deadline : own, cancellationToken: cancellation));
            return await call;
        }
        catch (RpcException exception) when (!cancellation.IsCancellationRequested)
        {
            throw ForClients(exception);
        }
    }

    /// <summary>
    /// What fusion said on purpose goes on; what the channel says of hosts and sockets does not, nor do
    /// details that were not made for clients.
    /// </summary>
    internal static RpcException ForClients(RpcException exception)
    {
        if (exception.GetRpcStatus() is { } said
            && (StatusCode)said.Code
                is StatusCode.InvalidArgument or StatusCode.FailedPrecondition or StatusCode.ResourceExhausted or StatusCode.Unavailable)
        {
            var status = new Google.Rpc.Status { Code = said.Code, Message = said.Message };
            foreach (var detail in said.Details)
                if (detail.Is(BadRequest.Descriptor) || detail.Is(RetryInfo.Descriptor))
                    status.Details.Add(detail);
            return status.ToRpcException();
        }
        return exception.StatusCode switch
        {
            StatusCode.DeadlineExceeded => RpcErrors.Status(StatusCode.DeadlineExceeded, "the deadline passed"),
            StatusCode.Unavailable or StatusCode.Cancelled => Unreachable(),
            // A connection that breaks shows in several codes; what fusion says has no exception behind it.
            _ when exception.Status.DebugException is not null => Unreachable(),
            _ => RpcErrors.Status(StatusCode.Internal, "an internal error"),
        };

        static RpcException Unreachable() => RpcErrors.Status(StatusCode.Unavailable, "the service cannot be reached just now");
    }
}
