using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Text;
using Affect.Gateway;
using Affect.Testing;
using Affect.V1;
using Google.Rpc;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.Extensions.Logging.Testing;

namespace Affect.FunctionalTests;

/// <summary>The limits of each client of the gateway. Fusion is a fake: see there.</summary>
public sealed class LimitsTests : IAsyncLifetime
{
    private readonly FakeLogCollector _logs = new();
    private readonly FakeFusion _fusion = new();
    private TestService? _fusionService;
    private TestService? _gateway;
    private GrpcChannel? _channel;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private TestService Gateway => _gateway!;

    public async ValueTask InitializeAsync()
    {
        _fusionService = await _fusion.StartAsync(_logs);
        _gateway = await TestService.StartAsync(
            "affect-gateway", _logs, GatewayHosting.AddGateway, GatewayHosting.MapGateway,
            new Dictionary<string, string?>
            {
                ["Gateway:FusionAddress"] = _fusionService.GrpcAddress,
                ["Gateway:ApiKeys:few:Sha256"] = Sha256("few"),
                ["Gateway:ApiKeys:few:RequestsPerMinute"] = "1000000",
                ["Gateway:ApiKeys:few:MaxConcurrentCalls"] = "1",
                ["Gateway:ApiKeys:few:MaxConcurrentClips"] = "1",
                ["Gateway:ApiKeys:few:MaxEventStreams"] = "1",
                ["Gateway:ApiKeys:other:Sha256"] = Sha256("other"),
            },
            http: true);
        _channel = Gateway.CreateChannel();
    }

    public async ValueTask DisposeAsync()
    {
        _channel!.Dispose();
        await Gateway.DisposeAsync();
        await _fusionService!.DisposeAsync();
        _logs.ThrowOnErrors();
    }

    [Fact]
    public async Task Calls_BeyondLimitOfKey_AreRejectedUntilOneEnds()
    {
        using (var first = await StartCallAsync("few"))
        {
            using var second = new EmotionService.EmotionServiceClient(_channel!).AnalyzeStream(Key("few"), cancellationToken: Cancellation);
            var error = await Assert.ThrowsAsync<RpcException>(() => second.ResponseStream.MoveNext(Cancellation));
            Assert.Equal(StatusCode.ResourceExhausted, error.StatusCode);
            Assert.NotNull(error.GetRpcStatus()!.GetDetail<RetryInfo>());
            Assert.Equal("Limit of 1 concurrent calls exceeded.", error.Status.Detail);

            using var socket = new ClientWebSocket();
            socket.Options.CollectHttpResponseDetails = true;
            socket.Options.SetRequestHeader("x-api-key", "few");
            await Assert.ThrowsAsync<WebSocketException>(
                () => socket.ConnectAsync(new UriBuilder(Gateway.HttpAddress) { Scheme = "ws", Path = "/v1/stream" }.Uri, Cancellation));
            Assert.Equal(HttpStatusCode.TooManyRequests, socket.HttpStatusCode);
            Assert.Contains("1", socket.HttpResponseHeaders!["Retry-After"]);

            using var other = await StartCallAsync("other");
            await first.RequestStream.CompleteAsync();
            while (await first.ResponseStream.MoveNext(Cancellation))
            {
            }
        }

        using var next = await RetryAsync(() => StartCallAsync("few"));
    }

    [Fact]
    public async Task Clips_BeyondLimitOfKey_AreRejectedFromFirstByteOn()
    {
        using var http = new HttpClient { BaseAddress = Gateway.HttpAddress };
        using (var upload = new TcpClient())
        {
            await upload.ConnectAsync(Gateway.HttpAddress.Host, Gateway.HttpAddress.Port, Cancellation);
            await upload.GetStream().WriteAsync(
                Encoding.ASCII.GetBytes("POST /v1/analyze HTTP/1.1\r\nHost: localhost\r\nx-api-key: few\r\nContent-Type: application/json\r\n"
                    + "Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n"),
                Cancellation);
            // Sent when the gateway reads the body, and then the clip counts.
            using var reader = new StreamReader(upload.GetStream());
            Assert.Equal("HTTP/1.1 100 Continue", await reader.ReadLineAsync(Cancellation));

            using var rejected = await PostAsync(http, "few");
            Assert.Equal(HttpStatusCode.TooManyRequests, rejected.StatusCode);
            Assert.Equal(TimeSpan.FromSeconds(1), rejected.Headers.RetryAfter!.Delta);
            var error = await Assert.ThrowsAsync<RpcException>(async () => await new EmotionService.EmotionServiceClient(_channel!)
                .AnalyzeAsync(new(), Key("few"), cancellationToken: Cancellation));
            Assert.Equal("Limit of 1 concurrent clips exceeded.", error.Status.Detail);
            using var other = await PostAsync(http, "other");
            Assert.Equal(HttpStatusCode.BadRequest, other.StatusCode);
        }

        HttpResponseMessage next;
        while ((next = await PostAsync(http, "few")).StatusCode != HttpStatusCode.BadRequest)
            next.Dispose();
        next.Dispose();
    }

    [Fact]
    public async Task EventStreams_BeyondLimitOfKey_AreRejected()
    {
        using var http = new HttpClient { BaseAddress = Gateway.HttpAddress };
        using var first = await GetEventsAsync(http, "few");
        using var second = await GetEventsAsync(http, "few");
        using var other = await GetEventsAsync(http, "other");

        Assert.Equal(
            (HttpStatusCode.OK, HttpStatusCode.TooManyRequests, HttpStatusCode.OK), (first.StatusCode, second.StatusCode, other.StatusCode));
        Assert.NotNull(second.Headers.RetryAfter);
    }

    private async Task<AsyncDuplexStreamingCall<AnalyzeStreamRequest, AnalyzeStreamResponse>> StartCallAsync(string key)
    {
        var call = new EmotionService.EmotionServiceClient(_channel!).AnalyzeStream(Key(key), cancellationToken: Cancellation);
        await call.RequestStream.WriteAsync(new() { Config = new() }, Cancellation);
        Assert.True(await call.ResponseStream.MoveNext(Cancellation));
        return call;
    }

    private static async Task<T> RetryAsync<T>(Func<Task<T>> send)
    {
        while (true)
            try
            {
                return await send();
            }
            catch (RpcException exception) when (exception.StatusCode == StatusCode.ResourceExhausted)
            {
                await Task.Delay(20, Cancellation);
            }
    }

    private static async Task<HttpResponseMessage> PostAsync(HttpClient http, string key)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "v1/analyze") { Content = new StringContent("[]", Encoding.UTF8, "application/json") };
        request.Headers.Add("x-api-key", key);
        return await http.SendAsync(request, Cancellation);
    }

    private static async Task<HttpResponseMessage> GetEventsAsync(HttpClient http, string key)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "v1/events");
        request.Headers.Add("x-api-key", key);
        return await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancellation);
    }

    private static Metadata Key(string key) => new() { { "x-api-key", key } };

    private static string Sha256(string key) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)));
}
