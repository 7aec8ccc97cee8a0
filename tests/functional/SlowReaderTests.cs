using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text;
using Affect.Gateway;
using Affect.Gateway.Events;
using Affect.Testing;
using Affect.V1;
using Google.Protobuf;
using Grpc.Net.Client;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;

namespace Affect.FunctionalTests;

/// <summary>Clients that never read their responses are disconnected after a minute. Fusion is a fake: see there.</summary>
public sealed class SlowReaderTests : IAsyncLifetime
{
    private const int SmallWindow = 65_535;

    private readonly FakeLogCollector _logs = new();
    private readonly FakeFusion _fusion = new();
    private readonly FakeTimeProvider _time = new(DateTimeOffset.UtcNow);
    private TestService? _fusionService;
    private TestService? _gateway;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private TestService Gateway => _gateway!;

    public async ValueTask InitializeAsync()
    {
        _fusionService = await _fusion.StartAsync(_logs);
        _gateway = await TestService.StartAsync(
            "affect-gateway", _logs,
            builder =>
            {
                builder.AddGateway();
                builder.Services.AddSingleton<TimeProvider>(_time);
            },
            GatewayHosting.MapGateway,
            new Dictionary<string, string?>
            {
                ["Gateway:FusionAddress"] = _fusionService.GrpcAddress,
                ["Gateway:RequireApiKey"] = "false",
                ["Gateway:Anonymous:MaxConcurrentClips"] = "1",
            },
            http: true);
    }

    public async ValueTask DisposeAsync()
    {
        await Gateway.DisposeAsync();
        await _fusionService!.DisposeAsync();
        _logs.ThrowOnErrors();
    }

    [Fact]
    public async Task Call_GrpcClientReadsNothing_IsCanceled()
    {
        using var handler = new SocketsHttpHandler { InitialHttp2StreamWindowSize = SmallWindow };
        using var channel = GrpcChannel.ForAddress(Gateway.GrpcAddress, new GrpcChannelOptions { HttpHandler = handler });
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        using var call = new EmotionService.EmotionServiceClient(channel).AnalyzeStream(cancellationToken: stop.Token);
        var sending = SendAsync();

        await AdvanceUntilAsync(() => _fusion.Canceled.Task.IsCompleted);

        await Assert.ThrowsAnyAsync<Exception>(() => sending);

        async Task SendAsync()
        {
            await call.RequestStream.WriteAsync(new() { Config = new() }, stop.Token);
            for (var i = 0L; ; i++)
                await call.RequestStream.WriteAsync(new() { Audio = new() { Position = i, Data = ByteString.CopyFrom(1) } }, stop.Token);
        }
    }

    [Fact]
    public async Task Call_WebSocketClientReadsNothing_IsCanceled()
    {
        using var handler = new SocketsHttpHandler
        {
            ConnectCallback = async (context, cancellation) =>
            {
                var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4096 };
                await socket.ConnectAsync(context.DnsEndPoint, cancellation);
                return new NetworkStream(socket, ownsSocket: true);
            },
        };
        using var invoker = new HttpMessageInvoker(handler);
        using var socket = new ClientWebSocket();
        await socket.ConnectAsync(new UriBuilder(Gateway.HttpAddress) { Scheme = "ws", Path = "/v1/stream" }.Uri, invoker, Cancellation);
        var sending = SendAsync();

        await AdvanceUntilAsync(() => _fusion.Canceled.Task.IsCompleted);

        await Assert.ThrowsAnyAsync<Exception>(() => sending);

        async Task SendAsync()
        {
            await socket.SendAsync(Encoding.UTF8.GetBytes("{}"), WebSocketMessageType.Text, endOfMessage: true, Cancellation);
            var message = new byte[] { 1, 0, 0, 0, 0, 0, 0, 0, 0, 7 };
            for (var i = 0L; ; i++)
            {
                BinaryPrimitives.WriteInt64LittleEndian(message.AsSpan(1), i);
                await socket.SendAsync(message, WebSocketMessageType.Binary, endOfMessage: true, Cancellation);
            }
        }
    }

    [Fact]
    public async Task Clip_GrpcClientReadsNothing_IsReleased()
    {
        using var http = Http2();
        using var slow = await http.SendAsync(Analyze(), HttpCompletionOption.ResponseHeadersRead, Cancellation);
        Assert.Equal(HttpStatusCode.OK, slow.StatusCode);
        using (var rejected = await http.SendAsync(Analyze(), HttpCompletionOption.ResponseHeadersRead, Cancellation))
            Assert.Equal("8", Assert.Single(rejected.Headers.GetValues("grpc-status")));

        _time.Advance(TimeSpan.FromSeconds(59));
        using (var rejected = await http.SendAsync(Analyze(), HttpCompletionOption.ResponseHeadersRead, Cancellation))
            Assert.Equal("8", Assert.Single(rejected.Headers.GetValues("grpc-status")));
        _time.Advance(TimeSpan.FromSeconds(1));

        await Assert.ThrowsAnyAsync<Exception>(() => slow.Content.ReadAsByteArrayAsync(Cancellation));
        HttpResponseMessage next;
        while ((next = await http.SendAsync(Analyze(), HttpCompletionOption.ResponseHeadersRead, Cancellation)).Headers.Contains("grpc-status"))
            next.Dispose();
        Assert.NotEmpty(await next.Content.ReadAsByteArrayAsync(Cancellation));
        next.Dispose();
    }

    [Fact]
    public async Task Events_ClientReadsNothing_AreClosed()
    {
        using var http = Http2();
        using var request = new HttpRequestMessage(HttpMethod.Get, "v1/events") { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        using var events = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancellation);
        var dashboards = Gateway.Services.GetRequiredService<Dashboards>();
        Assert.True(dashboards.Any);

        using var channel = Gateway.CreateChannel();
        using var call = new EmotionService.EmotionServiceClient(channel).AnalyzeStream(cancellationToken: Cancellation);
        await call.RequestStream.WriteAsync(new() { Config = new() }, Cancellation);
        Assert.True(await call.ResponseStream.MoveNext(Cancellation));
        for (var i = 0; i < 1000; i++)
        {
            await call.RequestStream.WriteAsync(new() { Audio = new() { Position = i, Data = ByteString.CopyFrom(1, 2) } }, Cancellation);
            Assert.True(await call.ResponseStream.MoveNext(Cancellation));
        }

        await AdvanceUntilAsync(() => !dashboards.Any);
    }

    private HttpClient Http2() => new(new SocketsHttpHandler { InitialHttp2StreamWindowSize = SmallWindow }) { BaseAddress = new(Gateway.GrpcAddress) };

    private static HttpRequestMessage Analyze() => new(HttpMethod.Post, "affect.v1.EmotionService/Analyze")
    {
        Version = HttpVersion.Version20,
        VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        Content = new ByteArrayContent(new byte[5]) { Headers = { ContentType = new("application/grpc") } },
        Headers = { { "TE", "trailers" } },
    };

    private async Task AdvanceUntilAsync(Func<bool> condition)
    {
        while (!condition())
        {
            _time.Advance(TimeSpan.FromSeconds(5));
            await Task.Delay(100, Cancellation);
        }
    }
}
