using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Affect.Testing;
using Dapr.Client.Autogen.Grpc.v1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging.Testing;

namespace Affect.FunctionalTests;

/// <summary>
/// A fake of the part of the Dapr sidecar's API that DaprClient and a subscriber use: tests cannot download the sidecar, and no
/// broker hangs on demand. DaprClient and Kestrel are real.
/// </summary>
internal sealed class FakeDapr : DaprBase, IAsyncDisposable
{
    private readonly Channel<JsonNode> _published = Channel.CreateUnbounded<JsonNode>();
    private readonly List<(Uri Delivery, string Token)> _subscribers = [];
    private readonly TaskCompletionSource _entered = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly HttpClient _http = new();
    private TestService? _service;

    public TestService Service => _service!;

    /// <summary>If not null, no event is accepted before it completes.</summary>
    public TaskCompletionSource? Hang { get; set; }

    /// <summary>Holds events until they are delivered; if null, they are delivered while they are published.</summary>
    public RedisBroker? Broker { get; set; }

    /// <summary>Completes when an event is offered.</summary>
    public Task Entered => _entered.Task;

    public static async Task<FakeDapr> StartAsync(FakeLogCollector logs)
    {
        var dapr = new FakeDapr();
        dapr._service = await TestService.StartAsync(
            "fake-dapr", logs,
            builder => builder.Services.AddSingleton(dapr).AddHealthChecks().AddCheck("fake-dapr", () => HealthCheckResult.Healthy()),
            app => app.MapGrpcService<FakeDapr>());
        return dapr;
    }

    /// <summary>Asks an application for its subscriptions, as the sidecar does when the application starts.</summary>
    public async Task SubscribeAsync(Uri application, string token, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(application, "dapr/subscribe"));
        request.Headers.Add("dapr-api-token", token);
        using var response = await _http.SendAsync(request, cancellation);
        response.EnsureSuccessStatusCode();
        foreach (var subscription in JsonNode.Parse(await response.Content.ReadAsStringAsync(cancellation))!.AsArray())
        {
            Assert.Equal(("events", "affect-calls"), ((string)subscription!["pubsubname"]!, (string)subscription["topic"]!));
            _subscribers.Add((new Uri(application, (string)subscription["route"]!), token));
        }
    }

    public ValueTask<JsonNode> NextAsync(CancellationToken cancellation) => _published.Reader.ReadAsync(cancellation);

    public override async Task<Empty> PublishEvent(PublishEventRequest request, ServerCallContext context)
    {
        _entered.TrySetResult();
        if (Hang is { } hang)
            await hang.Task.WaitAsync(context.CancellationToken);
        Assert.Equal(("events", "affect-calls", "application/cloudevents+json"), (request.PubsubName, request.Topic, request.DataContentType));
        var json = JsonNode.Parse(request.Data.ToStringUtf8())!;
        if (Broker is { } broker && !await broker.TryPublishAsync(json.ToJsonString()))
            throw new RpcException(new Status(StatusCode.Internal, "error when publish to topic affect-calls in pubsub events"));
        _published.Writer.TryWrite(json.DeepClone());
        if (Broker is null)
            await DeliverAsync(json, request.PubsubName, request.Topic, context.CancellationToken);
        return new Empty();
    }

    /// <summary>Delivers the broker's events in order to all subscribers.</summary>
    public async Task DeliverAsync(CancellationToken cancellation)
    {
        await foreach (var happened in Broker!.ReadAsync(cancellation))
            await DeliverAsync(JsonNode.Parse(happened)!, "events", "affect-calls", cancellation);
    }

    private async Task DeliverAsync(JsonNode json, string pubsub, string topic, CancellationToken cancellation)
    {
        // The attributes that the sidecar adds to a CloudEvent.
        json["pubsubname"] = pubsub;
        json["topic"] = topic;
        json["traceparent"] = "00-00000000000000000000000000000000-0000000000000000-00";
        foreach (var (delivery, token) in _subscribers)
        {
            using var content = new StringContent(json.ToJsonString(), new MediaTypeHeaderValue("application/cloudevents+json"));
            content.Headers.Add("dapr-api-token", token);
            using var response = await _http.PostAsync(delivery, content, cancellation);
            response.EnsureSuccessStatusCode();
        }
    }

    public async ValueTask DisposeAsync()
    {
        Hang?.TrySetResult();
        await Service.DisposeAsync();
        _http.Dispose();
    }
}

/// <summary>The base class of the service; Dapr's package contains only the client.</summary>
[BindServiceMethod(typeof(DaprBase), nameof(BindService))]
internal abstract class DaprBase
{
    private static readonly Method<PublishEventRequest, Empty> PublishEventMethod = new(
        MethodType.Unary, "dapr.proto.runtime.v1.Dapr", nameof(PublishEvent),
        Marshallers.Create(message => Google.Protobuf.MessageExtensions.ToByteArray(message), PublishEventRequest.Parser.ParseFrom),
        Marshallers.Create(message => Google.Protobuf.MessageExtensions.ToByteArray(message), Empty.Parser.ParseFrom));

    public abstract Task<Empty> PublishEvent(PublishEventRequest request, ServerCallContext context);

    public static void BindService(ServiceBinderBase binder, DaprBase? service) =>
        binder.AddMethod(PublishEventMethod, service is null ? null! : service.PublishEvent);
}
