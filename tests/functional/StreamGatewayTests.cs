using System.Buffers.Binary;
using System.Net;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Affect.Gateway;
using Affect.Testing;
using Affect.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.Extensions.Logging.Testing;

namespace Affect.FunctionalTests;

/// <summary>A call through the gateway over gRPC and WebSocket. Fusion is a fake: see there.</summary>
public sealed class StreamGatewayTests : IAsyncLifetime
{
    private const string Config = """{"session_id": "c-17", "audio": {"encoding": "AUDIO_ENCODING_MULAW", "sample_rate": 8000, "channels": [{"role": "SPEAKER_ROLE_CUSTOMER"}]}}""";

    private readonly FakeLogCollector _logs = new();
    private readonly FakeFusion _fusion = new();
    private TestService? _fusionService;
    private TestService? _gateway;
    private GrpcChannel? _channel;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private TestService Gateway => _gateway!;

    private EmotionService.EmotionServiceClient Client => new(_channel!);

    public async ValueTask InitializeAsync()
    {
        _fusionService = await _fusion.StartAsync(_logs);
        _gateway = await TestService.StartAsync(
            "affect-gateway", _logs, GatewayHosting.AddGateway, GatewayHosting.MapGateway,
            new Dictionary<string, string?>
            {
                ["Gateway:FusionAddress"] = _fusionService.GrpcAddress,
                ["Gateway:RequireApiKey"] = "true",
                ["Gateway:ApiKeys:app:Sha256"] = Sha256("key-of-app"),
                ["Gateway:ApiKeys:once:Sha256"] = Sha256("key-of-once"),
                ["Gateway:ApiKeys:once:RequestsPerMinute"] = "1",
                ["Gateway:AllowedOrigins:0"] = "https://app.example",
                // A call lasts longer than the deadline.
                ["Gateway:Deadline"] = "00:00:01",
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
    public async Task Stream_Grpc_AnswersDuringAndAfterInput()
    {
        using var call = Start();
        await call.RequestStream.WriteAsync(new() { Config = new() { SessionId = "c-17" } }, Cancellation);
        var started = (await NextAsync(call)).Started;
        Assert.Equal("c-17", started.SessionId);
        Assert.Contains("2024/1689", started.Notice, StringComparison.Ordinal);

        foreach (var position in (long[])[0, 160])
        {
            await call.RequestStream.WriteAsync(Audio(position, 160), Cancellation);
            Assert.Equal(position, (await NextAsync(call)).Window.Start.Seconds);
        }
        await call.RequestStream.WriteAsync(
            new() { Frame = new() { Time = new Duration { Nanos = 40_000_000 }, Image = ByteString.CopyFrom(1, 2) } }, Cancellation);
        await call.RequestStream.CompleteAsync();

        Assert.Equal(CallEnd.Completed, (await NextAsync(call)).Summary.End);
        Assert.False(await call.ResponseStream.MoveNext(Cancellation));
        Assert.Equal(40_000_000, Assert.Single(_fusion.Frames).Time.Nanos);
    }

    [Fact]
    public async Task Stream_FusionRejectsInput_ErrorReachesClient()
    {
        using var wrong = Start();
        await wrong.RequestStream.WriteAsync(new() { Config = new() { SpeechModel = FakeFusion.Refuses } }, Cancellation);
        var invalid = await Assert.ThrowsAsync<RpcException>(() => NextAsync(wrong));
        Assert.Equal(StatusCode.InvalidArgument, invalid.StatusCode);
        Assert.Equal("config.audio.sample_rate", Assert.Single(invalid.GetRpcStatus()!.GetDetail<BadRequest>().FieldViolations).Field);

        using var none = Start();
        await none.RequestStream.WriteAsync(Audio(0, 2), Cancellation);
        var order = await Assert.ThrowsAsync<RpcException>(() => NextAsync(none));
        Assert.Equal(StatusCode.FailedPrecondition, order.StatusCode);
        Assert.Equal("a stream begins with its configuration", order.Status.Detail);
    }

    [Fact]
    public async Task Stream_FusionLost_IsUnavailableAndNotRetried()
    {
        using (var call = Start())
        {
            await call.RequestStream.WriteAsync(new() { Config = new() { SpeechModel = FakeFusion.Lost } }, Cancellation);
            await NextAsync(call);
            await call.RequestStream.WriteAsync(Audio(0, 2), Cancellation);
            AssertUnavailable(await Assert.ThrowsAsync<RpcException>(() => NextAsync(call)));
        }

        await _fusionService!.StopAsync();
        using (var call = Start())
            AssertUnavailable(await Assert.ThrowsAsync<RpcException>(() => NextAsync(call)));

        static void AssertUnavailable(RpcException error)
        {
            Assert.Equal(StatusCode.Unavailable, error.StatusCode);
            Assert.DoesNotContain("127.0.0.1", error.Status.Detail, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Stream_ClientCancels_CancelsFusion()
    {
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        using var call = Start(cancellation: cancel.Token);
        await call.RequestStream.WriteAsync(new() { Config = new() }, Cancellation);
        await NextAsync(call);

        await cancel.CancelAsync();

        await _fusion.Canceled.Task.WaitAsync(Cancellation);
    }

    [Fact]
    public async Task Stream_FusionEndsFirst_ClientSeesEnd()
    {
        using var call = Start();
        await call.RequestStream.WriteAsync(new() { Config = new() { SpeechModel = FakeFusion.Stalls } }, Cancellation);
        await call.RequestStream.WriteAsync(Audio(0, 2), Cancellation);
        await NextAsync(call);
        await NextAsync(call);

        Assert.Equal(CallEnd.Stalled, (await NextAsync(call)).Summary.End);
        Assert.False(await call.ResponseStream.MoveNext(Cancellation));
        Assert.Equal(StatusCode.OK, call.GetStatus().StatusCode);
    }

    [Fact]
    public async Task Stream_SlowFusion_ClientIsThrottled()
    {
        const int Chunks = 48, Chunk = 1 << 20;
        using var call = Start();
        await call.RequestStream.WriteAsync(new() { Config = new() { SpeechModel = FakeFusion.Blocked } }, Cancellation);
        await NextAsync(call);

        var sent = 0;
        var sending = Task.Run(
            async () =>
            {
                for (; sent < Chunks; sent++)
                    await call.RequestStream.WriteAsync(Audio((long)sent * Chunk, Chunk), Cancellation);
                await call.RequestStream.CompleteAsync();
            }, Cancellation);
        // Also beyond the deadline of unary requests.
        await Assert.ThrowsAsync<TimeoutException>(() => sending.WaitAsync(TimeSpan.FromSeconds(2), Cancellation));
        Assert.InRange(sent, 0, 16);

        _fusion.Release.SetResult();
        AnalyzeStreamResponse last;
        do
            last = await NextAsync(call);
        while (last.Summary is null);
        await sending;
        Assert.Equal((long)Chunks * Chunk, last.Summary.Duration.Seconds);
    }

    [Fact]
    public async Task Stream_MessageTooLarge_ErrorNamesField()
    {
        using var call = Start();
        await call.RequestStream.WriteAsync(new() { Config = new() }, Cancellation);
        await NextAsync(call);
        await call.RequestStream.WriteAsync(Audio(0, (1 << 20) + 1), Cancellation);

        var error = await Assert.ThrowsAsync<RpcException>(() => NextAsync(call));
        Assert.Equal("audio.data", Assert.Single(error.GetRpcStatus()!.GetDetail<BadRequest>().FieldViolations).Field);
    }

    [Fact]
    public async Task Stream_Call_CountsOnceAgainstRate()
    {
        using var first = Start("key-of-once");
        await first.RequestStream.WriteAsync(new() { Config = new() }, Cancellation);
        await NextAsync(first);
        await first.RequestStream.WriteAsync(Audio(0, 2), Cancellation);
        await NextAsync(first);

        using var second = Start("key-of-once");
        var error = await Assert.ThrowsAsync<RpcException>(() => NextAsync(second));
        Assert.Equal(StatusCode.ResourceExhausted, error.StatusCode);

        using var stranger = Start("nonsense");
        Assert.Equal(StatusCode.Unauthenticated, (await Assert.ThrowsAsync<RpcException>(() => NextAsync(stranger))).StatusCode);
    }

    [Fact]
    public async Task Stream_GatewayStops_CallsMoveToAnother()
    {
        using var call = Start();
        await call.RequestStream.WriteAsync(new() { Config = new() }, Cancellation);
        await NextAsync(call);
        using var socket = await ConnectAsync();
        await SendAsync(socket, Config);
        await NextAsync(socket);

        var stopping = Gateway.StopAsync();

        Assert.Equal(StatusCode.Unavailable, (await Assert.ThrowsAsync<RpcException>(() => NextAsync(call))).StatusCode);
        Assert.Equal("UNAVAILABLE", (string)(await NextAsync(socket))["code"]!);
        await AssertClosedAsync(socket, 1013);
        await stopping;
    }

    [Fact]
    public async Task WebSocket_Call_HasAnswers()
    {
        using var socket = await ConnectAsync();
        await SendAsync(socket, Config);
        var started = (await NextAsync(socket))["started"]!;
        Assert.Equal("c-17", (string)started["session_id"]!);
        Assert.NotEmpty((string)started["notice"]!);
        Assert.Equal("0", (string)started["audio_position"]!); // default values are written

        await SendAsync(socket, Media(1, 160, new byte[160]));
        Assert.Equal("160s", (string)(await NextAsync(socket))["window"]!["start"]!);
        await SendAsync(socket, Media(2, 1_040_000, [1, 2, 3]));
        await SendAsync(socket, """{"end": true}""");

        Assert.Equal("CALL_END_COMPLETED", (string)(await NextAsync(socket))["summary"]!["end"]!);
        await AssertClosedAsync(socket, 1000);
        var frame = Assert.Single(_fusion.Frames);
        Assert.Equal(TimeSpan.FromSeconds(1.04), frame.Time.ToTimeSpan());
        Assert.Equal([1, 2, 3], frame.Image.ToByteArray());
    }

    public static TheoryData<string, string> Mistakes { get; } = new()
    {
        { "!nonsense", "config" },
        { "![]", "config" },
        { """!{"session": "x", "audio": {"sample_rate": "fast", "channels": [{"role": "BOSS"}]}}""", "config.session config.audio.sample_rate config.audio.channels[0].role" },
        { """!{"speech_model": "refuses"}""", "config.audio.sample_rate" },
        { "nonsense", "end" },
        { """{"end": false}""", "end" },
        { Config, "end" },
        { "0x", "kind" },
        { "0x07", "kind" },
        { "0x0100", "audio.position" },
        { "0x0200", "frame.time" },
        { "large", "message" },
    };

    [Theory]
    [MemberData(nameof(Mistakes))]
    public async Task WebSocket_InvalidMessage_IsNamedAndCloses(string message, string fields)
    {
        using var socket = await ConnectAsync();
        if (message[0] != '!')
        {
            await SendAsync(socket, Config);
            await NextAsync(socket);
        }
        if (message == "large")
            await SendAsync(socket, Media(1, 0, new byte[(1 << 20) + 1]));
        else if (message.StartsWith("0x", StringComparison.Ordinal))
            await SendAsync(socket, Convert.FromHexString(message[2..]));
        else
            await SendAsync(socket, message.TrimStart('!'));

        var problem = await NextAsync(socket);
        Assert.Equal("INVALID_ARGUMENT", (string)problem["code"]!);
        Assert.Equal(fields, string.Join(' ', problem["errors"]!.AsObject().Select(error => error.Key)));
        await AssertClosedAsync(socket, 1008);
    }

    [Fact]
    public async Task WebSocket_FusionError_ReachesClient()
    {
        using (var socket = await ConnectAsync())
        {
            await SendAsync(socket, Media(1, 0, [0, 0]));
            Assert.Equal("FAILED_PRECONDITION", (string)(await NextAsync(socket))["code"]!);
            await AssertClosedAsync(socket, 1008);
        }
        using (var socket = await ConnectAsync())
        {
            await SendAsync(socket, """{"speech_model": "stalls"}""");
            await SendAsync(socket, Media(1, 0, [0, 0]));
            await NextAsync(socket);
            await NextAsync(socket);
            Assert.Equal("CALL_END_STALLED", (string)(await NextAsync(socket))["summary"]!["end"]!);
            await AssertClosedAsync(socket, 1000);
        }
        await _fusionService!.StopAsync();
        using (var socket = await ConnectAsync())
        {
            await SendAsync(socket, Config);
            Assert.Equal("UNAVAILABLE", (string)(await NextAsync(socket))["code"]!);
            await AssertClosedAsync(socket, 1013);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task WebSocket_LostOrClosedEarly_CancelsCall(bool politely)
    {
        using var socket = await ConnectAsync();
        await SendAsync(socket, Config);
        await NextAsync(socket);

        if (politely)
            await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, Cancellation);
        else
            socket.Abort();

        await _fusion.Canceled.Task.WaitAsync(Cancellation);
    }

    [Fact]
    public async Task WebSocket_SlowFusion_ClientIsThrottled()
    {
        const int Chunks = 32, Chunk = 1 << 20;
        using var socket = await ConnectAsync();
        await SendAsync(socket, """{"speech_model": "blocked"}""");
        await NextAsync(socket);
        var sent = 0;
        var sending = Task.Run(
            async () =>
            {
                for (; sent < Chunks; sent++)
                    await SendAsync(socket, Media(1, (long)sent * Chunk, new byte[Chunk]));
                await SendAsync(socket, """{"end": true}""");
            }, Cancellation);

        await Assert.ThrowsAsync<TimeoutException>(() => sending.WaitAsync(TimeSpan.FromSeconds(2), Cancellation));
        Assert.InRange(sent, 0, 24); // the socket buffers of both sides hold some MiB

        _fusion.Release.SetResult();
        JsonNode last;
        do
            last = await NextAsync(socket);
        while (last["summary"] is null);
        await sending;
        Assert.Equal($"{Chunks * Chunk}s", (string)last["summary"]!["duration"]!);
    }

    [Theory]
    [InlineData("key-of-app", null, null)]
    [InlineData("key-of-app", "https://app.example", null)]
    [InlineData("key-of-app", "same", null)]
    [InlineData("key-of-app", "https://elsewhere.example", HttpStatusCode.Forbidden)]
    [InlineData("key-of-app", "null", HttpStatusCode.Forbidden)]
    [InlineData("wrong", null, HttpStatusCode.Unauthorized)]
    [InlineData(null, null, HttpStatusCode.Unauthorized)]
    public async Task WebSocket_NoKeyOrForeignOrigin_IsRejected(string? key, string? origin, HttpStatusCode? refused)
    {
        using var socket = new ClientWebSocket();
        socket.Options.CollectHttpResponseDetails = true;
        socket.Options.AddSubProtocol("affect.v1");
        if (key is not null)
            socket.Options.AddSubProtocol($"affect.key.{key}");
        if (origin is not null)
            socket.Options.SetRequestHeader("Origin", origin == "same" ? Gateway.HttpAddress.GetLeftPart(UriPartial.Authority) : origin);

        var connecting = socket.ConnectAsync(StreamUri, Cancellation);
        if (refused is null)
        {
            await connecting;
            Assert.Equal("affect.v1", socket.SubProtocol);
        }
        else
        {
            await Assert.ThrowsAsync<WebSocketException>(() => connecting);
            Assert.Equal(refused, socket.HttpStatusCode);
        }
        Assert.DoesNotContain(_logs.GetSnapshot(), record => key is not null && record.Message.Contains(key, StringComparison.Ordinal));
    }

    [Fact]
    public async Task WebSocket_PlainRequest_RequiresUpgrade()
    {
        using var http = new HttpClient { BaseAddress = Gateway.HttpAddress };
        http.DefaultRequestHeaders.Add("x-api-key", "key-of-app");

        using var response = await http.GetAsync("v1/stream", Cancellation);

        Assert.Equal(HttpStatusCode.UpgradeRequired, response.StatusCode);
        Assert.Equal("websocket", Assert.Single(response.Headers.Upgrade).Name);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
    }

    private Uri StreamUri => new UriBuilder(Gateway.HttpAddress) { Scheme = "ws", Path = "/v1/stream" }.Uri;

    private static string Sha256(string key) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)));

    private static AnalyzeStreamRequest Audio(long position, int length) => new()
    {
        Audio = new() { Position = position, Data = UnsafeByteOperations.UnsafeWrap(new byte[length]) },
    };

    private static byte[] Media(byte kind, long number, byte[] data)
    {
        var message = new byte[9 + data.Length];
        message[0] = kind;
        BinaryPrimitives.WriteInt64LittleEndian(message.AsSpan(1), number);
        data.CopyTo(message, 9);
        return message;
    }

    private AsyncDuplexStreamingCall<AnalyzeStreamRequest, AnalyzeStreamResponse> Start(
        string key = "key-of-app", CancellationToken? cancellation = null) =>
        Client.AnalyzeStream(new Metadata { { "x-api-key", key } }, cancellationToken: cancellation ?? Cancellation);

    private static async Task<AnalyzeStreamResponse> NextAsync(AsyncDuplexStreamingCall<AnalyzeStreamRequest, AnalyzeStreamResponse> call)
    {
        Assert.True(await call.ResponseStream.MoveNext(Cancellation), "the stream ended");
        return call.ResponseStream.Current;
    }

    private async Task<ClientWebSocket> ConnectAsync()
    {
        var socket = new ClientWebSocket();
        socket.Options.SetRequestHeader("x-api-key", "key-of-app");
        await socket.ConnectAsync(StreamUri, Cancellation);
        return socket;
    }

    private static Task SendAsync(ClientWebSocket socket, string text) =>
        socket.SendAsync(Encoding.UTF8.GetBytes(text), WebSocketMessageType.Text, endOfMessage: true, Cancellation);

    private static Task SendAsync(ClientWebSocket socket, byte[] message) =>
        socket.SendAsync(message, WebSocketMessageType.Binary, endOfMessage: true, Cancellation);

    private static async Task<JsonNode> NextAsync(ClientWebSocket socket)
    {
        var buffer = new byte[1 << 16];
        var length = 0;
        ValueWebSocketReceiveResult part;
        do
        {
            part = await socket.ReceiveAsync(buffer.AsMemory(length), Cancellation);
            length += part.Count;
        }
        while (!part.EndOfMessage);
        Assert.Equal(WebSocketMessageType.Text, part.MessageType);
        return JsonNode.Parse(buffer.AsSpan(0, length))!;
    }

    private static async Task AssertClosedAsync(ClientWebSocket socket, int status)
    {
        Assert.Equal(WebSocketMessageType.Close, (await socket.ReceiveAsync(new byte[1].AsMemory(), Cancellation)).MessageType);
        Assert.Equal(status, (int?)socket.CloseStatus);
        await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, Cancellation);
    }
}
