using System.Net;
using System.Net.ServerSentEvents;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Affect.Gateway.Access;
using Affect.Hosting;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;

namespace Affect.Gateway.Events;

/// <summary>Endpoints that stream events to dashboards and receive them from the broker.</summary>
internal static class EventEndpoints
{
    private const string DeliveryRoute = "/dapr/calls";

    /// <summary>Far above the size of any event.</summary>
    private const int MaxEventBytes = 1 << 20;

    /// <summary>Older events are not shown: a broker may deliver its whole backlog to a new gateway.</summary>
    private static readonly TimeSpan MaxEventAge = TimeSpan.FromMinutes(1);

    /// <summary>The events of the tenant's own calls, as server-sent events.</summary>
    [LimitConcurrency(ConcurrentResource.EventStreams)]
    public static ServerSentEventsResult<string> GetOwn(
        HttpContext context, Dashboards dashboards, [FromQuery(Name = "session_id")] string? sessionId) =>
        Stream(context, dashboards.Open(context.GetClient().Tenant, Check(sessionId)));

    /// <summary>The events of every tenant's calls, as server-sent events.</summary>
    [LimitConcurrency(ConcurrentResource.EventStreams)]
    public static ServerSentEventsResult<string> GetAll(
        HttpContext context, Dashboards dashboards, [FromQuery(Name = "session_id")] string? sessionId) =>
        Stream(context, dashboards.Open(null, Check(sessionId)));

    private static ServerSentEventsResult<string> Stream(HttpContext context, IAsyncEnumerable<SseItem<string>> events) =>
        TypedResults.ServerSentEvents(context.Features.GetRequiredFeature<ResponseTimeout>().LimitAsync(events));

    private static string? Check(string? sessionId) => RequestLimits.CheckName("session_id", sessionId ?? "").ToList() is { Count: > 0 } violations
        ? throw RpcErrors.InvalidArgument(violations)
        : sessionId;

    /// <summary>Maps the endpoints of a Dapr subscriber, if a pub/sub component is configured.</summary>
    public static void MapDapr(this WebApplication app)
    {
        var options = app.Services.GetRequiredService<GatewayOptions>().Events;
        if (options.PubSub.Length == 0)
            return;
        // https://docs.dapr.io/reference/api/pubsub_api/
        var subscriptions = new[] { new { pubsubname = options.PubSub, topic = options.Topic, route = DeliveryRoute } };
        var dapr = app.MapGroup("").AddEndpointFilter<SidecarFilter>();
        dapr.MapGet("/dapr/subscribe", () => Results.Json(subscriptions));
        dapr.MapPost(DeliveryRoute, DeliverAsync);
    }

    /// <summary>Answers SUCCESS, or DROP for an event whose redelivery would not help.</summary>
    private static async Task<IResult> DeliverAsync(HttpContext context, Dashboards dashboards, TimeProvider time)
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } body)
            body.MaxRequestBodySize = MaxEventBytes;
        CallEvent? callEvent;
        try
        {
            using var json = await JsonDocument.ParseAsync(context.Request.Body, cancellationToken: context.RequestAborted);
            callEvent = CallEvent.Parse(json.RootElement);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            callEvent = null;
        }
        if (callEvent is null)
            return Results.Json(new { status = "DROP" });
        if (time.GetUtcNow() - callEvent.Time < MaxEventAge)
            dashboards.Send(callEvent);
        return Results.Json(new { status = "SUCCESS" });
    }

    /// <summary>
    /// Accepts requests with APP_API_TOKEN, which Dapr gives to the sidecar and the application; without that setting,
    /// requests from this machine that no proxy forwarded.
    /// </summary>
    private sealed class SidecarFilter(IConfiguration configuration, ILogger<SidecarFilter> logger) : IEndpointFilter
    {
        // https://docs.dapr.io/operations/security/app-api-token/
        private readonly byte[]? _token = configuration["APP_API_TOKEN"] is { Length: > 0 } token ? Encoding.UTF8.GetBytes(token) : null;

        public ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
        {
            var http = context.HttpContext;
            if (_token is null ? IsLocal(http) : HasToken(http, _token))
                return next(context);
            Log.EventRejected(logger, http.Connection.RemoteIpAddress, _token is null ? "not from this machine" : "wrong dapr-api-token");
            return ValueTask.FromResult<object?>(Results.StatusCode(StatusCodes.Status403Forbidden));
        }

        private static bool HasToken(HttpContext http, byte[] token) =>
            CryptographicOperations.FixedTimeEquals(token, Encoding.UTF8.GetBytes(http.Request.Headers["dapr-api-token"].ToString()));

        // With forwarded headers enabled, ASP.NET Core replaces the address by one that a client can forge, and leaves X-Original-For.
        private static bool IsLocal(HttpContext http) =>
            http.Connection.RemoteIpAddress is { } address && IPAddress.IsLoopback(address)
            && !http.Request.Headers.ContainsKey("X-Forwarded-For") && !http.Request.Headers.ContainsKey("X-Original-For");
    }
}
