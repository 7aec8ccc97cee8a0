using System.Diagnostics.Metrics;
using System.Net.ServerSentEvents;
using System.Text.Json;
using Affect.Gateway;
using Affect.Gateway.Events;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Time.Testing;

namespace Affect.UnitTests.Gateway;

public sealed class DashboardsTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private readonly Lifetime _lifetime = new();

    public void Dispose()
    {
        _services.Dispose();
        _lifetime.Dispose();
    }

    [Fact]
    public async Task Open_SlowReader_ReceivesDroppedCount()
    {
        var dashboards = Create();
        await using var reader = dashboards.Open("app", null).GetAsyncEnumerator(TestContext.Current.CancellationToken);
        Assert.Equal("heartbeat", (await NextAsync(reader)).EventType);

        for (var i = 0; i < 5; i++)
            dashboards.Send(Event($"{i}"));
        dashboards.Send(Event("of another tenant", "elsewhere"));

        var dropped = await NextAsync(reader);
        Assert.Equal(("dropped", """{"count":3}"""), (dropped.EventType, dropped.Data));
        Assert.Equal("3", (await NextAsync(reader)).EventId);
        Assert.Equal("4", (await NextAsync(reader)).EventId);
    }

    [Fact]
    public async Task Open_NoEvents_SendsHeartbeatsUntilShutdown()
    {
        var dashboards = Create();
        await using var reader = dashboards.Open("app", "c-17").GetAsyncEnumerator(TestContext.Current.CancellationToken);
        await NextAsync(reader);
        Assert.True(dashboards.Any);

        for (var i = 0; i < 2; i++)
        {
            var next = NextAsync(reader);
            dashboards.Send(Event("another session"));
            _time.Advance(Dashboards.HeartbeatInterval);
            Assert.Equal("heartbeat", (await next).EventType);
        }

        var last = reader.MoveNextAsync();
        _lifetime.StopApplication();
        Assert.False(await last);
        Assert.False(dashboards.Any);
    }

    [Fact]
    public void Parse_EventFromToJson_RoundTrips()
    {
        var sent = Event("1", "a \"name\"");

        using var json = JsonDocument.Parse(sent.ToJson());

        Assert.Equal(sent, CallEvent.Parse(json.RootElement));
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"id":"1","type":"dev.affect.call.nonsense.v1","subject":"c","time":"2026-01-01T00:00:00Z","data":{"tenant":""}}""")]
    [InlineData("""{"id":"1\n","type":"dev.affect.call.alert.v1","subject":"c","time":"2026-01-01T00:00:00Z","data":{"tenant":""}}""")]
    [InlineData("""{"id":"1","type":"dev.affect.call.alert.v1","subject":"c","time":"soon","data":{"tenant":""}}""")]
    [InlineData("""{"id":"1","type":"dev.affect.call.alert.v1","subject":"c","time":"2026-01-01T00:00:00Z","data":{}}""")]
    public void Parse_ForeignEvent_ReturnsNull(string json)
    {
        using var parsed = JsonDocument.Parse(json);

        Assert.Null(CallEvent.Parse(parsed.RootElement));
    }

    private Dashboards Create() => new(
        new GatewayOptions { Events = new() { DashboardQueueLength = 2 } }, new GatewayMetrics(_services.GetRequiredService<IMeterFactory>()), _time, _lifetime);

    private static CallEvent Event(string id, string tenant = "app") =>
        new(id, CallEvent.Alert, "session", tenant, DateTimeOffset.UnixEpoch, $$"""{"tenant":{{JsonSerializer.Serialize(tenant)}}}""");

    private static async Task<SseItem<string>> NextAsync(IAsyncEnumerator<SseItem<string>> reader)
    {
        Assert.True(await reader.MoveNextAsync());
        return reader.Current;
    }

    private sealed class Lifetime : IHostApplicationLifetime, IDisposable
    {
        private readonly CancellationTokenSource _stopping = new();

        public CancellationToken ApplicationStarted => CancellationToken.None;

        public CancellationToken ApplicationStopping => _stopping.Token;

        public CancellationToken ApplicationStopped => CancellationToken.None;

        public void StopApplication() => _stopping.Cancel();

        public void Dispose() => _stopping.Dispose();
    }
}
