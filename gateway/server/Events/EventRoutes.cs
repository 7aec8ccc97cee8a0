using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Affect.Gateway.Access;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Affect.Gateway.Events;

/// <summary>Where events of calls leave, and where the broker's come in.</summary>
internal static class EventRoutes
{
    private const string Delivery = "/dapr/calls";

    /// <summary>Far larger than any event.</summary>
    private const int LargestEvent = 1 << 20;

    /// <summary>A broker may hand a gateway that is new all that it still has; dashboards show what is.</summary>
    private static readonly TimeSpan Stale = TimeSpan.FromMinutes(1);

    /// <summary>Calls of the caller's own key, as server-sent events.</summary>
    public static ServerSentEventsResult<string> Show(
        HttpContext context, Dashboards dashboards, [Microsoft.AspNetCore.Mvc.FromQuery(Name = "session_id")] string? sessionId) =>
        TypedResults.ServerSentEvents(dashboards.Open(context.Caller().Tenant, sessionId));

    /// <summary>Everybody's calls.</summary>
    public static ServerSentEventsResult<string> ShowAll(
        Dashboards dashboards, [Microsoft.AspNetCore.Mvc.FromQuery(Name = "session_id")] string? sessionId) =>
        TypedResults.ServerSentEvents(dashboards.Open(null, sessionId));

    /// <summary>What Dapr's sidecar asks of an application that subscribes; nothing where no component is configured.</summary>
    public static void MapDapr(this WebApplication app)
    {
        var options = app.Services.GetRequiredService<GatewayOptions>().Events;
        if (options.PubSub.Length == 0)
            return;
        // https://docs.dapr.io/reference/api/pubsub_api/
        var subscriptions = new[] { new { pubsubname = options.PubSub, topic = options.Topic, route = Delivery } };
        var dapr = app.MapGroup("").AddEndpointFilter<FromSidecar>();
        dapr.MapGet("/dapr/subscribe", () => Results.Json(subscriptions));
        dapr.MapPost(Delivery, DeliverAsync);
    }

    /// <summary>The answer tells the broker what becomes of the event: DROP stands for one that is no use to try again.</summary>
    private static async Task<IResult> DeliverAsync(HttpContext context, Dashboards dashboards, TimeProvider time)
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } body)
            body.MaxRequestBodySize = LargestEvent;
        CallEvent? happened;
        try
        {
            using var json = await JsonDocument.ParseAsync(context.Request.Body, cancellationToken: context.RequestAborted);
            happened = CallEvent.Parse(json.RootElement);
        }
        catch (Exception exception) when (exception is JsonException or BadHttpRequestException)
        {
            happened = null;
        }
        if (happened is null)
            return Results.Json(new { status = "DROP" });
        if (time.GetUtcNow() - happened.Time < Stale)
            dashboards.Show(happened);
        return Results.Json(new { status = "SUCCESS" });
    }

    /// <summary>
    /// Lets in whoever knows APP_API_TOKEN, which Dapr gives to sidecar and application; where there is none, whoever
    /// calls from this machine, as a sidecar does, and not through a proxy.
    /// </summary>
    private sealed class FromSidecar(IConfiguration configuration, ILogger<FromSidecar> logger) : IEndpointFilter
    {
        // https://docs.dapr.io/operations/security/app-api-token/
        private readonly byte[]? _token = configuration["APP_API_TOKEN"] is { Length: > 0 } token ? Encoding.UTF8.GetBytes(token) : null;

        public ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
        {
            var http = context.HttpContext;
            if (_token is null ? IsNear(http) : CryptographicOperations.FixedTimeEquals(_token, Encoding.UTF8.GetBytes(http.Request.Headers["dapr-api-token"].ToString())))
                return next(context);
            Log.EventRefused(logger, http.Connection.RemoteIpAddress, _token is null ? "not from this machine" : "wrong dapr-api-token");
            return ValueTask.FromResult<object?>(Results.StatusCode(StatusCodes.Status403Forbidden));
        }

        // ASP.NET's forwarded headers, where on, replace the address by what a client may have made up, and leave X-Original-For.
        private static bool IsNear(HttpContext http) =>
            http.Connection.RemoteIpAddress is { } address && IPAddress.IsLoopback(address)
            && !http.Request.Headers.ContainsKey("X-Forwarded-For") && !http.Request.Headers.ContainsKey("X-Original-For");
    }
}
