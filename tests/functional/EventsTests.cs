using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Affect.Gateway;
using Affect.Testing;
using Affect.V1;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Testing;

namespace Affect.FunctionalTests;

/// <summary>Events of calls, to a broker through Dapr and to dashboards. Fusion and Dapr are fakes: see there.</summary>
public sealed class EventsTests : IAsyncLifetime
{
    private const string AppToken = "token-of-sidecar";

    private readonly FakeLogCollector _logs = new();
    private readonly FakeFusion _fusion = new();
    private TestService? _fusionService;
    private FakeDapr? _dapr;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private FakeDapr Dapr => _dapr!;

    public async ValueTask InitializeAsync()
    {
        _fusionService = await _fusion.StartAsync(_logs);
        _dapr = await FakeDapr.StartAsync(_logs);
    }

    public async ValueTask DisposeAsync()
    {
        await Dapr.DisposeAsync();
        await _fusionService!.DisposeAsync();
        _logs.ThrowOnErrors();
    }

    [Fact]
    public async Task Events_Call_ArePublishedAsCloudEvents()
    {
        await using var gateway = await StartAsync(Broker());
        await CallAsync(gateway, "c-17");

        var events = new List<JsonNode>();
        do
            events.Add(await Dapr.NextAsync(Cancellation));
        while ((string)events[^1]["type"]! != "dev.affect.call.ended.v1");

        Assert.Equal(
            ["dev.affect.call.started.v1", "dev.affect.call.window.v1", "dev.affect.call.alert.v1", "dev.affect.call.ended.v1"],
            events.Select(happened => (string)happened["type"]!));
        Assert.All(events, happened =>
        {
            Assert.Equal(
                ("1.0", "/affect/gateway", "c-17", "application/json"),
                ((string)happened["specversion"]!, (string)happened["source"]!, (string)happened["subject"]!, (string)happened["datacontenttype"]!));
            Assert.InRange((DateTimeOffset)happened["time"]!, DateTimeOffset.UtcNow.AddMinutes(-1), DateTimeOffset.UtcNow);
            Assert.Equal("app", (string)happened["data"]!["tenant"]!);
            Assert.Equal((string)events[0]["data"]!["call"]!, (string)happened["data"]!["call"]!);
        });
        Assert.Equal(4, events.Select(happened => (string)happened["id"]!).Distinct().Count());
        Assert.Contains("2024/1689", (string)events[0]["data"]!["started"]!["notice"]!, StringComparison.Ordinal);
        Assert.Equal("7s", (string)events[1]["data"]!["window"]!["start"]!);
        Assert.Equal("rule", (string)events[2]["data"]!["alert"]!["rule"]!);
        Assert.Equal("OK", (string)events[3]["data"]!["ended"]!["status"]!);
        Assert.Equal("CALL_END_COMPLETED", (string)events[3]["data"]!["ended"]!["summary"]!["end"]!);
    }

    [Fact]
    public async Task Events_CallDisconnected_HasEndOnlyIfStarted()
    {
        await using var gateway = await StartAsync(new(Broker()) { ["Gateway:Events:Windows"] = "false" });
        await Assert.ThrowsAsync<RpcException>(() => CallAsync(gateway, "refused", FakeFusion.Refuses));
        await Assert.ThrowsAsync<RpcException>(() => CallAsync(gateway, "lost", FakeFusion.Lost));
        await CallAsync(gateway, "whole");

        var (lost, whole) = (new List<JsonNode>(), new List<JsonNode>());
        while (lost.Count < 2 || whole.Count < 3)
        {
            var happened = await Dapr.NextAsync(Cancellation);
            ((string)happened["subject"]! == "lost" ? lost : whole).Add(happened);
        }

        Assert.Equal("UNAVAILABLE", (string)lost[1]["data"]!["ended"]!["status"]!);
        Assert.Null(lost[1]["data"]!["ended"]!["summary"]);
        Assert.Equal(
            ["dev.affect.call.started.v1", "dev.affect.call.alert.v1", "dev.affect.call.ended.v1"],
            whole.Select(happened => (string)happened["type"]!));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Events_BrokerUnavailable_DoesNotDelayCalls(bool hangs)
    {
        if (hangs)
            Dapr.Hang = new(TaskCreationOptions.RunContinuationsAsynchronously);
        else
            await Dapr.Service.StopAsync();
        await using var gateway = await StartAsync(new(Broker()) { ["Gateway:Events:QueueLength"] = "8" });
        using var drops = new Drops(gateway);

        // One event is being sent and one is queued; every further event displaces one.
        await CallAsync(gateway, "c-17", chunks: 100);

        if (hangs)
            await Dapr.Entered.WaitAsync(Cancellation);
        await drops.AtLeastAsync(98, Cancellation);
        // The first to drop an event logs it, possibly after others have dropped the rest.
        while (!_logs.GetSnapshot().Any(IsTold))
            await Task.Delay(10, Cancellation);
        Assert.Single(_logs.GetSnapshot(), IsTold);

        static bool IsTold(FakeLogRecord record) => record.Id.Name == "events.dropped";
    }

    [Fact]
    public async Task Events_AtLeastOnce_CallWaitsForBroker()
    {
        Dapr.Hang = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var gateway = await StartAsync(new(Broker())
        {
            ["Gateway:Events:AtLeastOnce"] = "true",
            ["Gateway:Events:PublishTimeout"] = "00:00:00.2",
        });
        using var drops = new Drops(gateway);

        var call = CallAsync(gateway, "c-17");
        await Assert.ThrowsAsync<TimeoutException>(() => call.WaitAsync(TimeSpan.FromSeconds(1), Cancellation));
        var hang = Dapr.Hang;
        Dapr.Hang = null;
        hang.SetResult();
        await call;

        // At least: events that the fake was receiving when the time was up may arrive too.
        var types = new HashSet<string>();
        while (types.Count < 4)
            types.Add((string)(await Dapr.NextAsync(Cancellation))["type"]!);
        Assert.Equal(0, drops.Count);
    }

    [Fact]
    public async Task Events_TwoGateways_AreVisibleToOwnKeyOnly()
    {
        await using var one = await StartAsync(Broker());
        await using var other = await StartAsync(Broker());
        foreach (var gateway in (TestService[])[one, other])
            await Dapr.SubscribeAsync(gateway.HttpAddress, AppToken, Cancellation);
        await using var watched = await Dashboard.OpenAsync(other, "app");
        await using var narrowed = await Dashboard.OpenAsync(other, "app", "?session_id=second");
        await using var stranger = await Dashboard.OpenAsync(one, "elsewhere");

        await CallAsync(one, "first");
        await CallAsync(one, "second");
        await CallAsync(other, "third", key: "elsewhere");

        Assert.Equal(["first", "second"], (await watched.UntilEndsAsync(2)).Select(Subject).Distinct().Order());
        Assert.Equal(["second"], (await narrowed.UntilEndsAsync(1)).Select(Subject).Distinct());
        Assert.Equal(["third"], (await stranger.UntilEndsAsync(1)).Select(Subject).Distinct());
    }

    [Fact]
    public async Task Events_NoBroker_ShowCallsOfThisProcess()
    {
        await using var gateway = await StartAsync([]);
        await using var watched = await Dashboard.OpenAsync(gateway, "app");
        await using var stranger = await Dashboard.OpenAsync(gateway, "elsewhere");

        await CallAsync(gateway, "mine");
        await CallAsync(gateway, "theirs", key: "elsewhere");

        var events = await watched.UntilEndsAsync(1);
        Assert.Equal(["started", "window", "alert", "ended"], events.Select(happened => happened.EventType));
        Assert.All(events, happened => Assert.Equal((string)JsonNode.Parse(happened.Data)!["id"]!, happened.EventId));
        Assert.Equal(["theirs"], (await stranger.UntilEndsAsync(1)).Select(Subject).Distinct());
        using var http = new HttpClient { BaseAddress = gateway.HttpAddress };
        using var subscriptions = await http.GetAsync("dapr/subscribe", Cancellation);
        Assert.Equal(HttpStatusCode.NotFound, subscriptions.StatusCode);
    }

    [Theory]
    [InlineData(AppToken, AppToken, HttpStatusCode.OK)]
    [InlineData(AppToken, "wrong", HttpStatusCode.Forbidden)]
    [InlineData(AppToken, null, HttpStatusCode.Forbidden)]
    [InlineData("", null, HttpStatusCode.OK)] // from the loopback address, like a sidecar
    [InlineData("", "forwarded", HttpStatusCode.Forbidden)] // from the loopback address, but forwarded
    public async Task DaprEndpoint_WithoutSidecarToken_IsRejected(string token, string? given, HttpStatusCode expected)
    {
        await using var gateway = await StartAsync(new(Broker()) { ["APP_API_TOKEN"] = token });
        using var http = new HttpClient { BaseAddress = gateway.HttpAddress };
        if (given == "forwarded")
            http.DefaultRequestHeaders.Add("X-Forwarded-For", "127.0.0.1");
        else if (given is not null)
            http.DefaultRequestHeaders.Add("dapr-api-token", given);

        using var subscriptions = await http.GetAsync("dapr/subscribe", Cancellation);
        Assert.Equal(expected, subscriptions.StatusCode);
        using var delivery = await http.PostAsJsonAsync("dapr/calls", new { specversion = "1.0", type = "another" }, Cancellation);
        Assert.Equal(expected, delivery.StatusCode);
        if (expected == HttpStatusCode.OK)
            Assert.Equal("DROP", (string)(await delivery.Content.ReadFromJsonAsync<JsonNode>(Cancellation))!["status"]!);
    }

    [Fact]
    public async Task Events_RedisRestarted_Continue()
    {
        await using var redis = await RedisBroker.StartAsync(Cancellation);
        Dapr.Broker = redis;
        await using var gateway = await StartAsync(new(Broker()) { ["Gateway:Events:AtLeastOnce"] = "true" });
        await using var elsewhere = await StartAsync(Broker());
        await Dapr.SubscribeAsync(elsewhere.HttpAddress, AppToken, Cancellation);
        await using var dashboard = await Dashboard.OpenAsync(elsewhere, "app");
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var delivering = Dapr.DeliverAsync(stop.Token);

        await CallAsync(gateway, "before");
        await redis.KillAsync();
        // Waits for the broker, as configured.
        var during = CallAsync(gateway, "during");
        await Task.Delay(TimeSpan.FromSeconds(1), Cancellation);
        Assert.False(during.IsCompleted);
        redis.Start();
        await during;
        await CallAsync(gateway, "after");

        // On another gateway's dashboard, through Redis: each call complete and in order. Delivery is at least once, so duplicates are allowed.
        var seen = await dashboard.UntilEndsAsync(3);
        foreach (var session in (string[])["before", "during", "after"])
            Assert.Equal(["started", "window", "alert", "ended"], seen.Where(happened => Subject(happened) == session).DistinctBy(happened => happened.EventId).Select(happened => happened.EventType));
        Assert.Equal(12, (await redis.AllAsync()).Select(happened => (string)JsonNode.Parse(happened)!["id"]!).Distinct().Count());
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => delivering);
    }

    [Fact]
    public async Task Events_Subscribers_NeedKeyAndAreLimited()
    {
        await using var gateway = await StartAsync(new() { ["Gateway:Events:MaxDashboards"] = "1" });
        await using var first = await Dashboard.OpenAsync(gateway, "app");
        using var http = new HttpClient { BaseAddress = gateway.HttpAddress };

        using var anonymous = await http.GetAsync("v1/events", Cancellation);
        Assert.Equal(HttpStatusCode.Unauthorized, anonymous.StatusCode);
        http.DefaultRequestHeaders.Add("x-api-key", "key-of-app");
        using var second = await http.GetAsync("v1/events", Cancellation);
        Assert.Equal(HttpStatusCode.TooManyRequests, second.StatusCode);
    }

    private Dictionary<string, string?> Broker() => new()
    {
        ["DAPR_GRPC_ENDPOINT"] = Dapr.Service.GrpcAddress,
        ["APP_API_TOKEN"] = AppToken,
        ["Gateway:Events:PubSub"] = "events",
    };

    private Task<TestService> StartAsync(Dictionary<string, string?> configuration)
    {
        configuration["Gateway:FusionAddress"] = _fusionService!.GrpcAddress;
        configuration["Gateway:RequireApiKey"] = "true";
        foreach (var key in (string[])["app", "elsewhere"])
            configuration[$"Gateway:ApiKeys:{key}:Sha256"] = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"key-of-{key}")));
        return TestService.StartAsync(
            "affect-gateway", _logs, GatewayHosting.AddGateway, GatewayHosting.MapGateway, configuration, http: true);
    }

    /// <summary>A complete call; the first chunk, at position 7, raises an alert.</summary>
    private static async Task CallAsync(TestService gateway, string session, string model = "", int chunks = 1, string key = "app")
    {
        using var channel = gateway.CreateChannel();
        using var call = new EmotionService.EmotionServiceClient(channel).AnalyzeStream(
            new Metadata { { "x-api-key", $"key-of-{key}" } }, cancellationToken: Cancellation);
        await call.RequestStream.WriteAsync(new() { Config = new() { SessionId = session, SpeechModel = model } }, Cancellation);
        await call.ResponseStream.MoveNext(Cancellation);
        for (var chunk = 0; chunk < chunks; chunk++)
            await call.RequestStream.WriteAsync(
                new() { Audio = new() { Position = 7 + chunk, Data = ByteString.CopyFrom(new byte[chunk == 0 ? 1 : 2]) } }, Cancellation);
        await call.RequestStream.CompleteAsync();
        while (await call.ResponseStream.MoveNext(Cancellation))
        {
        }
    }

    private static string Subject(SseItem<string> happened) => (string)JsonNode.Parse(happened.Data)!["subject"]!;

    /// <summary>A reader of server-sent events, subscribed when it is open.</summary>
    private sealed class Dashboard : IAsyncDisposable
    {
        private readonly HttpClient _http = new();
        private HttpResponseMessage? _response;
        private IAsyncEnumerator<SseItem<string>>? _events;

        public static async Task<Dashboard> OpenAsync(TestService gateway, string key, string query = "")
        {
            var dashboard = new Dashboard();
            dashboard._http.DefaultRequestHeaders.Add("x-api-key", $"key-of-{key}");
            dashboard._response = await dashboard._http.GetAsync(
                new Uri(gateway.HttpAddress, $"v1/events{query}"), HttpCompletionOption.ResponseHeadersRead, Cancellation);
            Assert.Equal("text/event-stream", dashboard._response.Content.Headers.ContentType?.MediaType);
            dashboard._events = SseParser.Create(await dashboard._response.Content.ReadAsStreamAsync(Cancellation))
                .EnumerateAsync(Cancellation).GetAsyncEnumerator(Cancellation);
            Assert.True(await dashboard._events.MoveNextAsync());
            Assert.Equal("heartbeat", dashboard._events.Current.EventType);
            return dashboard;
        }

        public async Task<List<SseItem<string>>> UntilEndsAsync(int calls)
        {
            var events = new List<SseItem<string>>();
            while (calls > 0 && await _events!.MoveNextAsync())
            {
                if (_events.Current.EventType == "heartbeat")
                    continue;
                events.Add(_events.Current);
                if (_events.Current.EventType == "ended")
                    calls--;
            }
            return events;
        }

        public async ValueTask DisposeAsync()
        {
            if (_events is not null)
                await _events.DisposeAsync();
            _response?.Dispose();
            _http.Dispose();
        }
    }

    /// <summary>Counts the events that one gateway dropped.</summary>
    private sealed class Drops : IDisposable
    {
        private readonly MeterListener _listener = new();
        private readonly TaskCompletionSource _enough = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private long _count;
        private long _awaited = long.MaxValue;

        public Drops(TestService gateway)
        {
            var factory = gateway.Services.GetRequiredService<IMeterFactory>();
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Name == "affect.gateway.events.dropped" && instrument.Meter.Scope == factory)
                    listener.EnableMeasurementEvents(instrument);
            };
            _listener.SetMeasurementEventCallback<long>((_, dropped, _, _) =>
            {
                if (Interlocked.Add(ref _count, dropped) >= Volatile.Read(ref _awaited))
                    _enough.TrySetResult();
            });
            _listener.Start();
        }

        public long Count => Volatile.Read(ref _count);

        public Task AtLeastAsync(long count, CancellationToken cancellation)
        {
            Volatile.Write(ref _awaited, count);
            return Count >= count ? Task.CompletedTask : _enough.Task.WaitAsync(cancellation);
        }

        public void Dispose() => _listener.Dispose();
    }
}
