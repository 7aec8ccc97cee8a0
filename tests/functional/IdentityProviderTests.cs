using System.Net;
using System.Security.Cryptography;
using Affect.Gateway;
using Affect.Testing;
using Affect.V1;
using Google.Rpc;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.IdentityModel.Tokens;

namespace Affect.FunctionalTests;

/// <summary>An identity provider that fails delays only requests with its tokens, and these for a bounded time.</summary>
public sealed class IdentityProviderTests : IAsyncLifetime
{
    private readonly FakeLogCollector _logs = new();
    private readonly ShiftedTime _time = new();
    private HttpClient _http = new();
    private Issuer? _issuer;
    private TestService? _gateway;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private Issuer Issuer => _issuer!;

    public async ValueTask InitializeAsync()
    {
        _issuer = await Issuer.StartAsync();
        await StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _gateway!.DisposeAsync();
        await _issuer!.DisposeAsync();
        _logs.ThrowOnErrors();
    }

    public static TheoryData<string> Failures { get; } = ["silent", "slow", "endless", "not JSON", "no keys", "error"];

    [Theory]
    [MemberData(nameof(Failures))]
    public async Task Token_ProviderFails_IsUnavailableAndCached(string kind)
    {
        Issuer.Failure = Failure(kind);
        var token = Issuer.Token("stream").ToString();

        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => StatusAsync("v1/events", token)));
        var requests = Issuer.Requests;

        Assert.All(answers, answer => Assert.Equal((HttpStatusCode.ServiceUnavailable, TimeSpan.FromSeconds(10)), answer));
        Assert.InRange(requests, 1, 4); // one fetch of two documents, each of which may be tried twice
        // The failure is cached, for gRPC too.
        using var channel = _gateway!.CreateChannel();
        var error = await Assert.ThrowsAsync<RpcException>(() => new EmotionService.EmotionServiceClient(channel)
            .ListModelsAsync(new(), new Metadata { { "authorization", token } }, cancellationToken: Cancellation).ResponseAsync);
        Assert.Equal(StatusCode.Unavailable, error.StatusCode);
        Assert.Equal(10, error.GetRpcStatus()!.GetDetail<RetryInfo>().RetryDelay.Seconds);
        Assert.Equal(requests, Issuer.Requests);

        Issuer.Failure = null;
        _time.Shift = TimeSpan.FromSeconds(10);
        Assert.Equal(HttpStatusCode.OK, (await StatusAsync("v1/events", token)).Status);
    }

    /// <summary>As an anonymous request it would succeed, but its calls would belong to another tenant.</summary>
    [Fact]
    public async Task Token_ProviderFailsAndNoKeyRequired_IsUnavailable()
    {
        await _gateway!.DisposeAsync();
        await StartAsync(("Gateway:RequireApiKey", "false"));
        Issuer.Failure = Failure("error");

        Assert.Equal(HttpStatusCode.OK, (await StatusAsync("v1/events")).Status);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await StatusAsync("v1/events", Issuer.Token("stream").ToString())).Status);
    }

    [Fact]
    public async Task NoTokenRequired_ProviderSilent_IsNotAsked()
    {
        Issuer.Failure = Failure("silent");
        var token = Issuer.Token("stream").ToString();

        foreach (var path in (string[])["", "openapi.json", "healthz/live", "healthz/ready", "icon.svg", "docs/"])
            Assert.NotEqual(HttpStatusCode.ServiceUnavailable, (await StatusAsync(path, token)).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await StatusAsync("v1/nothing", token)).Status);
        Assert.Equal(HttpStatusCode.OK, (await StatusAsync("v1/events", key: "key-of-app")).Status);
        Assert.Equal(HttpStatusCode.OK, (await StatusAsync("v1/events", token, "key-of-app")).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await StatusAsync("v1/events")).Status);

        Assert.Equal(0, Issuer.Requests);
    }

    [Fact]
    public async Task Token_ProviderFailsLater_KeysStayValid()
    {
        var token = Issuer.Token("stream").ToString();
        Assert.Equal(HttpStatusCode.OK, (await StatusAsync("v1/events", token)).Status);
        Issuer.Failure = Failure("silent");
        _time.Shift = TimeSpan.FromDays(1);

        Assert.Equal(HttpStatusCode.OK, (await StatusAsync("v1/events", token)).Status);
        var stranger = Issuer.Token("stream", key: new RsaSecurityKey(RSA.Create(2048)) { KeyId = "unknown" }).ToString();
        Assert.Equal(HttpStatusCode.Unauthorized, (await StatusAsync("v1/events", stranger)).Status);
        Assert.Equal(HttpStatusCode.OK, (await StatusAsync("v1/events", token)).Status);
    }

    [Fact]
    public async Task Token_NewKey_IsFetchedAtMostOnceAMinute()
    {
        Assert.Equal(HttpStatusCode.OK, (await StatusAsync("v1/events", Issuer.Token("stream").ToString())).Status);
        Issuer.Rotate("2");
        var token = Issuer.Token("stream").ToString();
        var requests = Issuer.Requests;

        Assert.Equal(HttpStatusCode.Unauthorized, (await StatusAsync("v1/events", token)).Status);
        Assert.Equal(requests, Issuer.Requests);
        _time.Shift = TimeSpan.FromMinutes(1);
        Assert.Equal(HttpStatusCode.OK, (await StatusAsync("v1/events", token)).Status);
    }

    private async Task StartAsync(params (string Key, string Value)[] settings)
    {
        var configuration = Issuer.Configuration;
        foreach (var (key, value) in settings)
            configuration[key] = value;
        configuration["Gateway:ApiKeys:app:Sha256"] = Convert.ToHexStringLower(SHA256.HashData("key-of-app"u8));
        _gateway = await TestService.StartAsync(
            "affect-gateway", _logs,
            builder =>
            {
                builder.AddGateway();
                builder.Services.AddSingleton<TimeProvider>(_time);
            },
            GatewayHosting.MapGateway, configuration, http: true);
        _http.Dispose();
        _http = new() { BaseAddress = _gateway.HttpAddress, Timeout = TimeSpan.FromSeconds(30) };
    }

    private async Task<(HttpStatusCode Status, TimeSpan? RetryAfter)> StatusAsync(string path, string? token = null, string? key = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        if (token is not null)
            request.Headers.TryAddWithoutValidation("Authorization", token);
        if (key is not null)
            request.Headers.Add("x-api-key", key);
        using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancellation);
        return (response.StatusCode, response.Headers.RetryAfter?.Delta);
    }

    private static RequestDelegate Failure(string kind) => kind switch
    {
        "silent" => context => UntilAbortedAsync(context, () => Task.Delay(Timeout.Infinite, context.RequestAborted)),
        "slow" => context => UntilAbortedAsync(context, async () =>
        {
            await context.Response.WriteAsync(" ", context.RequestAborted);
            await Task.Delay(100, context.RequestAborted);
        }),
        "endless" => context => UntilAbortedAsync(context, () => context.Response.WriteAsync(new string(' ', 1 << 16), context.RequestAborted)),
        "not JSON" => context => context.Response.WriteAsync("<html>{]\ud83d"),
        "no keys" => context => context.Response.WriteAsync("""{"issuer": "http://127.0.0.1", "keys": [1, {"kty": "?"}], "jwks_uri": []}"""),
        _ => context => Results.StatusCode(StatusCodes.Status500InternalServerError).ExecuteAsync(context),
    };

    private static async Task UntilAbortedAsync(HttpContext context, Func<Task> step)
    {
        try
        {
            while (true)
                await step();
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            // The gateway gave up.
        }
    }

    private sealed class ShiftedTime : TimeProvider
    {
        public TimeSpan Shift { get; set; }

        public override long GetTimestamp() => base.GetTimestamp() + (long)(Shift.TotalSeconds * TimestampFrequency);
    }
}
