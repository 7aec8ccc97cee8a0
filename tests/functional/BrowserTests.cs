using System.Net;
using System.Net.WebSockets;
using System.Text.Json.Nodes;
using Affect.Gateway;
using Affect.Testing;
using Affect.V1;
using Google.Rpc;
using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Net.Client;
using Microsoft.Extensions.Logging.Testing;

namespace Affect.FunctionalTests;

/// <summary>The gateway as a browser sees it: host names, origins, CORS and methods. Keys are not required unless a test says so.</summary>
public sealed class BrowserTests : IAsyncLifetime
{
    private const string Allowed = "https://app.example", Foreign = "http://evil.example";

    private readonly FakeLogCollector _logs = new();
    private readonly HttpClient _http = new();
    private TestService? _gateway;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private Uri Address => _gateway!.HttpAddress;

    public ValueTask InitializeAsync() => StartAsync(("Gateway:AllowedOrigins:0", Allowed));

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _gateway!.DisposeAsync();
        _logs.ThrowOnErrors();
    }

    [Theory]
    [InlineData("localhost", true)]
    [InlineData("LOCALHOST.", true)]
    [InlineData("affect.localhost", true)]
    [InlineData("127.0.0.1", true)]
    [InlineData("[::1]", true)]
    [InlineData("192.0.2.7", true)] // the address cannot be another server's
    [InlineData("evil.example", false)]
    [InlineData("localhost.evil.example", false)]
    [InlineData("notlocalhost", false)]
    [InlineData("xn--", false)] // not valid punycode
    [InlineData("127.0.0.1.evil.example", false)]
    public async Task Host_NoKeyRequired_IsLocalhostOrAddress(string name, bool accepted)
    {
        var host = $"{name}:{Address.Port}";
        foreach (var path in (string[])["", "openapi.json", "v1/events", "nothing"])
        {
            using var response = await SendAsync(HttpMethod.Get, path, ("Host", host));
            Assert.Equal(accepted, response.StatusCode is HttpStatusCode.OK or HttpStatusCode.NotFound);
            if (!accepted)
                await AssertProblemAsync(response, HttpStatusCode.BadRequest, "host");
        }

        // A page of the name's owner, which the name now leads here.
        Assert.Equal(accepted ? null : HttpStatusCode.BadRequest, await ConnectAsync($"http://{host}", host));
        using var post = await SendAsync(HttpMethod.Post, "v1/analyze", ("Host", host), ("Origin", $"http://{host}"));
        Assert.Equal(accepted ? HttpStatusCode.UnsupportedMediaType : HttpStatusCode.BadRequest, post.StatusCode);

        // Probes name the host as they like.
        using var probe = await SendAsync(HttpMethod.Get, "healthz/ready", ("Host", host));
        Assert.Equal(HttpStatusCode.OK, probe.StatusCode);
    }

    [Fact]
    public async Task Host_OverGrpc_IsChecked()
    {
        using var handler = new AuthorityHandler(Foreign.Replace("http://", ""));
        using var channel = GrpcChannel.ForAddress(_gateway!.GrpcAddress, new() { HttpHandler = handler });

        var error = await Assert.ThrowsAsync<RpcException>(
            () => new EmotionService.EmotionServiceClient(channel).ListModelsAsync(new(), cancellationToken: Cancellation).ResponseAsync);

        Assert.Equal(StatusCode.InvalidArgument, error.StatusCode);
        Assert.Equal("host", Assert.Single(error.GetRpcStatus()!.GetDetail<BadRequest>().FieldViolations).Field);
        Assert.Equal(
            HealthCheckResponse.Types.ServingStatus.Serving,
            (await new Health.HealthClient(channel).CheckAsync(new(), cancellationToken: Cancellation)).Status);
    }

    [Theory]
    [InlineData(null, "affect.example", true)] // keys protect against pages
    [InlineData("affect.example", "affect.example", true)]
    [InlineData("affect.example", "a.affect.example", false)]
    [InlineData("affect.example", "evil.example", false)]
    [InlineData("*.affect.example", "a.affect.example", true)]
    [InlineData("*.affect.example", "affect.example.evil.example", false)]
    [InlineData("*", "anything.example", true)]
    [InlineData("*", "xn--", true)]
    public async Task Host_KeyRequired_IsAllowedHost(string? allowed, string name, bool accepted)
    {
        await _gateway!.DisposeAsync();
        await StartAsync(("Gateway:RequireApiKey", "true"), ("Gateway:ApiKeys:app:Sha256", new string('a', 64)), ("Gateway:AllowedHosts:0", allowed));

        using var response = await SendAsync(HttpMethod.Get, "v1/models", ("Host", name));
        Assert.Equal(accepted ? HttpStatusCode.Unauthorized : HttpStatusCode.BadRequest, response.StatusCode);
        using var page = await SendAsync(HttpMethod.Get, "", ("Host", name));
        Assert.Equal(accepted ? HttpStatusCode.OK : HttpStatusCode.BadRequest, page.StatusCode);
    }

    [Theory]
    [InlineData(null, true)]
    [InlineData("same", true)]
    [InlineData(Allowed, true)]
    [InlineData(Foreign, false)]
    [InlineData("null", false)]
    [InlineData("http://localhost:1", false)]
    public async Task Origin_OfSimpleRequest_IsChecked(string? origin, bool accepted)
    {
        origin = origin == "same" ? Address.GetLeftPart(UriPartial.Authority) : origin;
        // No preflight precedes either: https://fetch.spec.whatwg.org/#simple-header
        foreach (var (method, path) in ((HttpMethod, string)[])[(HttpMethod.Post, "v1/analyze"), (HttpMethod.Get, "v1/events")])
        {
            using var body = new MultipartFormDataContent { { new ByteArrayContent([]), "audio", "a.wav" } };
            using var request = new HttpRequestMessage(method, new Uri(Address, path)) { Content = method == HttpMethod.Post ? body : null };
            if (origin is not null)
                request.Headers.Add("Origin", origin);
            using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancellation);
            if (accepted)
                Assert.Equal(method == HttpMethod.Post ? HttpStatusCode.BadRequest : HttpStatusCode.OK, response.StatusCode);
            else
                await AssertProblemAsync(response, HttpStatusCode.Forbidden);
            // Only the allowed origin may read the answer, an error included.
            Assert.Equal(origin == Allowed ? Allowed : null, Header(response, "Access-Control-Allow-Origin"));
        }
    }

    [Theory]
    [InlineData("same-origin", "no-cors", HttpStatusCode.OK)]
    [InlineData("cross-site", "navigate", HttpStatusCode.OK)] // a link
    [InlineData("cross-site", "no-cors", HttpStatusCode.Forbidden)] // an image
    public async Task FetchMetadata_OfEmbeddedContent_IsChecked(string site, string mode, HttpStatusCode status)
    {
        using var response = await SendAsync(HttpMethod.Get, "v1/events", ("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", mode));

        Assert.Equal(status, response.StatusCode);
    }

    [Fact]
    public async Task Cors_Preflight_AllowsConfiguredOrigin()
    {
        foreach (var (path, method) in ((string, string)[])[("v1/analyze", "POST"), ("v1/models", "GET"), ("v1/models/x", "GET"), ("v1/events", "GET")])
        {
            using var allowed = await PreflightAsync(path, method, Allowed);
            Assert.Equal(HttpStatusCode.NoContent, allowed.StatusCode);
            Assert.Equal(Allowed, Header(allowed, "Access-Control-Allow-Origin"));
            Assert.Contains(method, Header(allowed, "Access-Control-Allow-Methods"), StringComparison.Ordinal);
            foreach (var header in (string[])["x-api-key", "authorization", "content-type"])
                Assert.Contains(header, Header(allowed, "Access-Control-Allow-Headers"), StringComparison.OrdinalIgnoreCase);

            using var foreign = await PreflightAsync(path, method, Foreign);
            Assert.Null(Header(foreign, "Access-Control-Allow-Origin"));
        }

        using var response = await SendAsync(HttpMethod.Get, "v1/models/x", ("Origin", Allowed));
        Assert.Contains("Retry-After", Header(response, "Access-Control-Expose-Headers"), StringComparison.OrdinalIgnoreCase);
        Assert.Equal("Origin", Header(response, "Vary"));
    }

    [Theory]
    [InlineData("OPTIONS", "v1/analyze", "POST")]
    [InlineData("GET", "v1/analyze", "POST")]
    [InlineData("PUT", "v1/analyze", "POST")]
    [InlineData("DELETE", "v1/models/x", "GET, HEAD")]
    [InlineData("POST", "v1/models", "GET, HEAD")]
    [InlineData("HEAD", "v1/events", "GET")]
    [InlineData("POST", "v1/stream", "GET")]
    [InlineData("PATCH", "v1/admin/events", "GET")]
    [InlineData("POST", "openapi.json", "GET, HEAD")]
    [InlineData("PUT", "", "GET, HEAD")]
    [InlineData("POST", "healthz/ready", "GET, HEAD")]
    [InlineData("NONSENSE", "v1/models", "GET, HEAD")]
    public async Task Method_NotOfEndpoint_IsNotAllowed(string method, string path, string allow)
    {
        using var response = await SendAsync(new(method), path);

        Assert.Equal(HttpStatusCode.MethodNotAllowed, response.StatusCode);
        Assert.Equal(allow.Split(", "), response.Content.Headers.Allow.Order());
        if (method != "HEAD")
            await AssertProblemAsync(response, HttpStatusCode.MethodNotAllowed);
    }

    [Theory]
    [InlineData("GET")]
    [InlineData("POST")]
    [InlineData("OPTIONS")]
    public async Task Path_Unknown_IsNotFound(string method)
    {
        foreach (var path in (string[])["nothing", "v1", "v1/nothing", "v1/models/x/y", "affect.v1.EmotionService/Nothing"])
        {
            using var response = await SendAsync(new(method), path);
            await AssertProblemAsync(response, HttpStatusCode.NotFound);
        }
    }

    [Fact]
    public async Task Grpc_UnknownService_IsUnimplemented()
    {
        using var channel = _gateway!.CreateChannel();

        var error = await Assert.ThrowsAsync<RpcException>(() => new Affect.Fusion.V1.FusionService.FusionServiceClient(channel)
            .ListModelsAsync(new(), cancellationToken: Cancellation).ResponseAsync);

        Assert.Equal(StatusCode.Unimplemented, error.StatusCode);
    }

    [Fact]
    public async Task Head_Resource_HasHeadersOfGet()
    {
        foreach (var path in (string[])["", "openapi.json", "healthz/live"])
        {
            using var get = await SendAsync(HttpMethod.Get, path);
            using var head = await SendAsync(HttpMethod.Head, path);
            Assert.Equal(HttpStatusCode.OK, head.StatusCode);
            Assert.Equal(get.Content.Headers.ContentType, head.Content.Headers.ContentType);
            Assert.Empty(await head.Content.ReadAsByteArrayAsync(Cancellation));
        }
    }

    private async ValueTask StartAsync(params (string Key, string? Value)[] settings)
    {
        var configuration = new Dictionary<string, string?> { ["Gateway:RequireApiKey"] = "false" };
        foreach (var (key, value) in settings)
            if (value is not null)
                configuration[key] = value;
        _gateway = await TestService.StartAsync(
            "affect-gateway", _logs, GatewayHosting.AddGateway, GatewayHosting.MapGateway, configuration, http: true);
    }

    private Task<HttpResponseMessage> PreflightAsync(string path, string method, string origin) => SendAsync(
        HttpMethod.Options, path, ("Origin", origin), ("Access-Control-Request-Method", method),
        ("Access-Control-Request-Headers", "authorization,content-type,x-api-key"));

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, new Uri(Address, path));
        foreach (var (name, value) in headers)
            Assert.True(request.Headers.TryAddWithoutValidation(name, value));
        return await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancellation);
    }

    /// <summary>The status of a refused WebSocket; null if it was accepted.</summary>
    private async Task<HttpStatusCode?> ConnectAsync(string origin, string host)
    {
        using var socket = new ClientWebSocket();
        socket.Options.CollectHttpResponseDetails = true;
        socket.Options.SetRequestHeader("Origin", origin);
        socket.Options.SetRequestHeader("Host", host);
        try
        {
            await socket.ConnectAsync(new UriBuilder(Address) { Scheme = "ws", Path = "/v1/stream" }.Uri, Cancellation);
            return null;
        }
        catch (WebSocketException)
        {
            return socket.HttpStatusCode;
        }
    }

    private static string? Header(HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out var values) ? string.Join(", ", values) : null;

    private static async Task AssertProblemAsync(HttpResponseMessage response, HttpStatusCode status, params string[] fields)
    {
        Assert.Equal(status, response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        var problem = JsonNode.Parse(await response.Content.ReadAsStringAsync(Cancellation))!;
        Assert.Equal((int)status, (int)problem["status"]!);
        Assert.Equal(fields, (problem["errors"]?.AsObject() ?? []).Select(error => error.Key));
    }

    /// <summary>Sends requests with another :authority.</summary>
    private sealed class AuthorityHandler(string authority) : DelegatingHandler(new SocketsHttpHandler())
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            request.Headers.Host = authority;
            return base.SendAsync(request, cancellationToken);
        }
    }
}
