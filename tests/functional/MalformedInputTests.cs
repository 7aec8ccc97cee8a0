using System.Net;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json.Nodes;
using Affect.Gateway;
using Affect.Testing;
using Microsoft.Extensions.Logging.Testing;

namespace Affect.FunctionalTests;

/// <summary>Bytes that are not JSON, Unicode or multipart are the client's mistake: reported immediately, and not an error in the log.</summary>
public sealed class MalformedInputTests : IAsyncLifetime
{
    private const string Multipart = "multipart/form-data; boundary=b";

    private readonly FakeLogCollector _logs = new();
    private readonly FakeFusion _fusion = new();
    private readonly HttpClient _http = new();
    private TestService? _fusionService;
    private TestService? _gateway;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _fusionService = await _fusion.StartAsync(_logs);
        _gateway = await TestService.StartAsync(
            "affect-gateway", _logs, GatewayHosting.AddGateway, GatewayHosting.MapGateway,
            new Dictionary<string, string?> { ["Gateway:FusionAddress"] = _fusionService.GrpcAddress, ["Gateway:RequireApiKey"] = "false" },
            http: true);
        _http.BaseAddress = _gateway.HttpAddress;
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _gateway!.DisposeAsync();
        await _fusionService!.DisposeAsync();
        _logs.ThrowOnErrors();
    }

    /// <summary>Texts in which ÿ stands for the byte 0xFF, which UTF-8 does not have, and the fields that the error names.</summary>
    public static TheoryData<string, string> Bodies { get; } = new()
    {
        { """{"speech_model": "\ud800"}""", "speech_model" },
        { """{"speech_model": "\udc00\ud800"}""", "speech_model" },
        { """{"speech_model": "ÿ"}""", "speech_model" },
        { """{"audio": "\ud800"}""", "audio" },
        { """{"audio": "ÿ"}""", "audio" },
        { """{"images": ["AAAA", "\ud800"]}""", "images[1]" },
        { """{"hop": "\ud800s"}""", "hop" },
        { """{"hop": "ÿs"}""", "hop" },
        { """{"hop": 1e999}""", "hop" },
        { """{"\ud800": 1}""", "body" },
        { """{"ÿ": 1}""", "body" },
        { """{"\ud800": 1, "audio": ""}""", "body" },
        { """ÿ""", "body" },
        { """{"audio": "AAAA""", "body" },
        { "", "body" },
        { new string('[', 5000), "body" },
        { """"\ud800"""", "body" },
    };

    [Theory]
    [MemberData(nameof(Bodies))]
    public async Task Json_Malformed_ProblemNamesField(string body, string field) =>
        await AssertProblemAsync("application/json", Encoding.Latin1.GetBytes(body), field);

    public static TheoryData<string, string, string> Forms { get; } = new()
    {
        { $"multipart/form-data; boundary={new string('b', 5000)}", "--b--\r\n", "body" },
        { $"multipart/form-data; boundary={new string('b', 71)}", "--b--\r\n", "body" },
        { "multipart/form-data", "--b--\r\n", "body" },
        { "multipart/form-data; boundary=\"\"", "--b--\r\n", "body" },
        { Multipart, "", "body" },
        { Multipart, "nonsense", "body" },
        { Multipart, Part("audio", "RIFF")[..^9], "body" }, // without its end
        { Multipart, $"--b\r\nContent-Disposition: form-data; name=audio; x={new string('x', 20_000)}\r\n\r\nRIFF\r\n--b--\r\n", "body" },
        { Multipart, $"--b\r\n{string.Concat(Enumerable.Range(0, 100).Select(i => $"X-{i}: 1\r\n"))}\r\nRIFF\r\n--b--\r\n", "body" },
        { Multipart, "--b\r\nno header\r\n\r\nRIFF\r\n--b--\r\n", "body" },
        { Multipart, "--b\r\nContent-Disposition: form-data; name=\"ÿ\"\r\n\r\n1\r\n--b--\r\n", "\ufffd" },
        { Multipart, "--b\r\nContent-Disposition: nonsense; ;;=\r\n\r\n1\r\n--b--\r\n", "" },
        { Multipart, Part("hop\r\nContent-Type: text/plain; charset=utf-7", "1"), "body" }, // .NET refuses to decode it
        { Multipart, Part("hop", "ÿ"), "hop" },
        { Multipart, Part("hop", new string('9', 100)), "hop" },
    };

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task Multipart_Malformed_ProblemNamesPart(string type, string body, string field) =>
        await AssertProblemAsync(type, Encoding.Latin1.GetBytes(body), field);

    public static TheoryData<string, string> Configurations { get; } = new()
    {
        { """{"session_id": "\ud800"}""", "config.session_id" },
        { """{"\ud800": 1}""", "config" },
        { """{"audio": {"\udfff": 1}}""", "config.audio" },
        { """{"audio": {"encoding": "\ud800"}}""", "config.audio.encoding" },
        { """{"resume": "\ud800"}""", "config.resume" },
        { """{"hop": "\ud800s"}""", "config.hop" },
        { new string('[', 5000), "config" },
        { "", "config" },
    };

    [Theory]
    [MemberData(nameof(Configurations))]
    public async Task WebSocket_MalformedConfiguration_IsNamedAndCloses(string text, string field)
    {
        using var socket = await ConnectAsync();
        await socket.SendAsync(Encoding.UTF8.GetBytes(text), WebSocketMessageType.Text, endOfMessage: true, Cancellation);

        await AssertErrorAsync(socket, field);
    }

    [Fact]
    public async Task WebSocket_MalformedEnd_IsNamedAndCloses()
    {
        using var socket = await ConnectAsync();
        await socket.SendAsync("{}"u8.ToArray(), WebSocketMessageType.Text, endOfMessage: true, Cancellation);
        await ReceiveAsync(socket);
        await socket.SendAsync("""{"\ud800": true}"""u8.ToArray(), WebSocketMessageType.Text, endOfMessage: true, Cancellation);

        await AssertErrorAsync(socket, "end");
    }

    [Fact]
    public async Task WebSocket_TextOfInvalidUtf8_IsClosed()
    {
        using var socket = await ConnectAsync();
        await socket.SendAsync(new byte[] { (byte)'{', 0xff, (byte)'}' }, WebSocketMessageType.Text, endOfMessage: true, Cancellation);

        var end = await socket.ReceiveAsync(new byte[1], Cancellation);
        Assert.Equal(WebSocketMessageType.Close, end.MessageType);
        Assert.Equal(WebSocketCloseStatus.InvalidPayloadData, end.CloseStatus);
    }

    private static string Part(string name, string content) => $"--b\r\nContent-Disposition: form-data; name={name}\r\n\r\n{content}\r\n--b--\r\n";

    private async Task AssertProblemAsync(string type, byte[] body, string field)
    {
        using var content = new ByteArrayContent(body);
        Assert.True(content.Headers.TryAddWithoutValidation("Content-Type", type));
        using var response = await _http.PostAsync("v1/analyze", content, Cancellation);

        var text = await response.Content.ReadAsStringAsync(Cancellation);
        Assert.True(response.StatusCode == HttpStatusCode.BadRequest, $"{response.StatusCode}: {text}");
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        Assert.Contains(field, JsonNode.Parse(text)!["errors"]!.AsObject().Select(error => error.Key));
    }

    private async Task<ClientWebSocket> ConnectAsync()
    {
        var socket = new ClientWebSocket();
        await socket.ConnectAsync(new UriBuilder(_gateway!.HttpAddress) { Scheme = "ws", Path = "/v1/stream" }.Uri, Cancellation);
        return socket;
    }

    private static async Task<JsonNode> ReceiveAsync(ClientWebSocket socket)
    {
        var buffer = new byte[1 << 16];
        // Well below the minute after which fusion ends a call without input.
        var part = await socket.ReceiveAsync(buffer, Cancellation).WaitAsync(TimeSpan.FromSeconds(20), Cancellation);
        Assert.Equal((WebSocketMessageType.Text, true), (part.MessageType, part.EndOfMessage));
        return JsonNode.Parse(buffer.AsSpan(0, part.Count))!;
    }

    private static async Task AssertErrorAsync(ClientWebSocket socket, string field)
    {
        var problem = await ReceiveAsync(socket);
        Assert.Equal("INVALID_ARGUMENT", (string)problem["code"]!);
        Assert.Equal([field], problem["errors"]!.AsObject().Select(error => error.Key));
        Assert.Equal(WebSocketMessageType.Close, (await socket.ReceiveAsync(new byte[1], Cancellation)).MessageType);
        Assert.Equal(WebSocketCloseStatus.PolicyViolation, socket.CloseStatus);
    }
}
