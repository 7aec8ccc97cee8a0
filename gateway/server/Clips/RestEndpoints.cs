using System.Text;
using Affect.Gateway.Access;
using Affect.Gateway.Calls;
using Affect.Gateway.Errors;
using Affect.Gateway.Events;
using Affect.Hosting;
using Affect.V1;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.AspNetCore.Http.Features;

namespace Affect.Gateway.Clips;

/// <summary>The public API over HTTP: the proto JSON of the same messages, with fields named as in the protos.</summary>
internal static class RestEndpoints
{
    private const int PartBytes = 1 << 16;

    public static IEndpointConventionBuilder MapRest(this IEndpointRouteBuilder routes)
    {
        var v1 = routes.MapGroup("/v1").AddEndpointFilter<RestErrorFilter>();
        v1.MapPost("/analyze", AnalyzeAsync).RequireAuthorization(Scopes.Analyze);
        v1.MapMethods("/models", GatewayHosting.GetAndHead, ListModelsAsync).RequireAuthorization(Scopes.Analyze);
        v1.MapMethods("/models/{name}", GatewayHosting.GetAndHead, GetModelAsync).RequireAuthorization(Scopes.Analyze);
        v1.MapGet("/stream", CallSocket.AcceptAsync).RequireAuthorization(Scopes.Stream);
        v1.MapGet("/events", EventEndpoints.GetOwn).RequireAuthorization(Scopes.Stream);
        v1.MapGet("/admin/events", EventEndpoints.GetAll).RequireAuthorization(Scopes.Admin);
        return v1;
    }

    [LimitConcurrency(ConcurrentResource.Clips)]
    private static async Task<IResult> AnalyzeAsync(HttpContext context, FusionClient fusion)
    {
        if (!ClipReader.CanRead(context.Request))
        {
            await context.WriteErrorAsync(
                RpcErrors.Status(StatusCode.InvalidArgument, "The body must be multipart/form-data or application/json."),
                StatusCodes.Status415UnsupportedMediaType);
            return Results.Empty;
        }
        var clip = await ClipReader.ReadAsync(context.Request, context.RequestAborted);
        return await context.WriteAsync(await fusion.AnalyzeAsync(clip, context.GetPartitionKey(), DateTime.MaxValue, context.RequestAborted));
    }

    private static async Task<IResult> ListModelsAsync(HttpContext context, FusionClient fusion, string? modality)
    {
        var filter = modality switch
        {
            null or "" => Modality.Unspecified,
            "speech" or "MODALITY_SPEECH" => Modality.Speech,
            "face" or "MODALITY_FACE" => Modality.Face,
            _ => throw RpcErrors.InvalidArgument("modality", "Must be speech or face."),
        };
        return await context.WriteAsync(new ListModelsResponse { Models = { await fusion.ListModelsAsync(filter, context.GetPartitionKey(), DateTime.MaxValue, context.RequestAborted) } });
    }

    private static async Task<IResult> GetModelAsync(HttpContext context, FusionClient fusion, string name) =>
        await context.WriteAsync(await fusion.GetModelAsync(name, context.GetPartitionKey(), DateTime.MaxValue, context.RequestAborted));

    /// <summary>Writes in parts, so that a client that reads slowly has the time for each.</summary>
    private static async Task<IResult> WriteAsync(this HttpContext context, IMessage message)
    {
        ReadOnlyMemory<byte> json = Encoding.UTF8.GetBytes(ProtoJson.Format(message));
        var timeout = context.Features.GetRequiredFeature<ResponseTimeout>();
        context.Response.ContentType = "application/json; charset=utf-8";
        context.Response.ContentLength = json.Length;
        for (; !json.IsEmpty; json = json[Math.Min(json.Length, PartBytes)..])
            await timeout.LimitAsync(context.Response.BodyWriter.WriteAsync(json[..Math.Min(json.Length, PartBytes)], context.RequestAborted).AsTask());
        return Results.Empty;
    }
}

/// <summary>Turns the exceptions of REST endpoints into problems; logs what clients must not see.</summary>
internal sealed class RestErrorFilter(ILogger<RestErrorFilter> logger) : IEndpointFilter
{
    public async ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        var http = context.HttpContext;
        try
        {
            return await next(context);
        }
        catch (Exception) when (http.RequestAborted.IsCancellationRequested)
        {
            // The client disconnected: a response has no reader.
        }
        catch (RpcException exception)
        {
            await http.WriteErrorAsync(exception, RequestBodyMiddleware.GetHttpStatus(http), renameField: field => ClipReader.ToRequestField(http.Request, field));
        }
        catch (BadHttpRequestException exception) when (exception.StatusCode == StatusCodes.Status413PayloadTooLarge)
        {
            await RequestBodyMiddleware.WriteTooLargeAsync(http);
        }
        catch (BadHttpRequestException exception)
        {
            await http.WriteErrorAsync(
                RpcErrors.Status(StatusCode.InvalidArgument, "The request is incomplete or malformed."), exception.StatusCode);
        }
        catch (Exception exception)
        {
            Log.RequestFailed(logger, http.Request.Path, exception);
            await http.WriteErrorAsync(RpcErrors.Status(StatusCode.Internal, "Internal error."));
        }
        return Results.Empty;
    }
}
