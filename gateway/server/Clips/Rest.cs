using System.Text;
using Affect.Gateway.Access;
using Affect.Gateway.Calls;
using Affect.Gateway.Errors;
using Affect.Gateway.Events;
using Affect.Hosting;
using Affect.V1;
using Google.Protobuf;
using Grpc.Core;

namespace Affect.Gateway.Clips;

/// <summary>The public API over HTTP and JSON: the proto JSON of the same messages, fields named as in the proto.</summary>
internal static class Rest
{
    // Defaults are written, so that a score of 0 is not a score that is missing.
    internal static readonly JsonFormatter Json = new(
        JsonFormatter.Settings.Default.WithPreserveProtoFieldNames(true).WithFormatDefaultValues(true));

    public static IEndpointConventionBuilder MapRest(this IEndpointRouteBuilder routes)
    {
        var v1 = routes.MapGroup("/v1").AddEndpointFilter<RestErrors>();
        v1.MapPost("/analyze", AnalyzeAsync).RequireAuthorization(Scopes.Analyze);
        v1.MapGet("/models", ListModelsAsync).RequireAuthorization(Scopes.Analyze);
        v1.MapGet("/models/{name}", GetModelAsync).RequireAuthorization(Scopes.Analyze);
        v1.MapGet("/stream", CallSocket.AcceptAsync).RequireAuthorization(Scopes.Stream);
        v1.MapGet("/events", EventRoutes.Show).RequireAuthorization(Scopes.Stream);
        v1.MapGet("/admin/events", EventRoutes.ShowAll).RequireAuthorization(Scopes.Admin);
        return v1;
    }

    private static async Task<IResult> AnalyzeAsync(HttpContext context, Upstream upstream)
    {
        if (!ClipReader.CanRead(context.Request))
        {
            await context.RefuseAsync(
                RpcErrors.Status(StatusCode.InvalidArgument, "The body must be multipart/form-data or application/json."),
                StatusCodes.Status415UnsupportedMediaType);
            return Results.Empty;
        }
        var clip = await ClipReader.ReadAsync(context.Request, context.RequestAborted);
        return Text(await upstream.AnalyzeAsync(clip, DateTime.MaxValue, context.RequestAborted));
    }

    private static async Task<IResult> ListModelsAsync(HttpContext context, Upstream upstream, string? modality)
    {
        var asked = modality switch
        {
            null or "" => Modality.Unspecified,
            "speech" or "MODALITY_SPEECH" => Modality.Speech,
            "face" or "MODALITY_FACE" => Modality.Face,
            _ => throw RpcErrors.InvalidArgument("modality", "It must be speech or face."),
        };
        return Text(new ListModelsResponse { Models = { await upstream.ListModelsAsync(asked, DateTime.MaxValue, context.RequestAborted) } });
    }

    private static async Task<IResult> GetModelAsync(HttpContext context, Upstream upstream, string name) =>
        Text(await upstream.GetModelAsync(name, DateTime.MaxValue, context.RequestAborted));

    private static IResult Text(IMessage message) => Results.Text(Json.Format(message), "application/json", Encoding.UTF8);
}

/// <summary>The one place where REST's exceptions become problems; the log has what clients do not get.</summary>
internal sealed class RestErrors(ILogger<RestErrors> logger) : IEndpointFilter
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
            // Nobody is there to read an answer.
        }
        catch (RpcException exception)
        {
            await http.RefuseAsync(exception, rename: field => ClipReader.Rename(http.Request, field));
        }
        catch (BadHttpRequestException exception) when (exception.StatusCode == StatusCodes.Status413PayloadTooLarge)
        {
            await SizeLimit.RefuseAsync(http, http.Caller().MaxRequestBytes);
        }
        catch (BadHttpRequestException exception)
        {
            await http.RefuseAsync(
                RpcErrors.Status(StatusCode.InvalidArgument, "The request broke off or is no HTTP."), exception.StatusCode);
        }
        catch (Exception exception)
        {
            Log.RequestFailed(logger, http.Request.Path, exception);
            await http.RefuseAsync(RpcErrors.Status(StatusCode.Internal, "An internal error; the log has it."));
        }
        return Results.Empty;
    }
}
