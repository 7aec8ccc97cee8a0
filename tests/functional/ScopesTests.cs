using System.Net;
using System.Net.ServerSentEvents;
using System.Security.Cryptography;
using System.Text;
using Affect.Testing;
using Affect.V1;
using Grpc.Core;
using Microsoft.IdentityModel.Tokens;

namespace Affect.FunctionalTests;

/// <summary>Permissions of keys and tokens over gRPC, REST, WebSocket and server-sent events.</summary>
public sealed class ScopesTests : IDisposable
{
    // Small models: their answers do not matter here.
    private readonly ModelFolder _models = new();

    public ScopesTests()
    {
        TinyModel.Write(_models.Path, TinyModel.Speech());
        TinyModel.Write(_models.Path, TinyModel.Face());
    }

    public void Dispose() => _models.Dispose();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("analyze", HttpStatusCode.OK, HttpStatusCode.Forbidden, HttpStatusCode.Forbidden)]
    [InlineData("stream", HttpStatusCode.Forbidden, HttpStatusCode.OK, HttpStatusCode.Forbidden)]
    [InlineData("admin", HttpStatusCode.Forbidden, HttpStatusCode.Forbidden, HttpStatusCode.OK)]
    [InlineData("", HttpStatusCode.OK, HttpStatusCode.OK, HttpStatusCode.Forbidden)]
    public async Task Key_Scopes_DecideAccess(string scope, HttpStatusCode models, HttpStatusCode events, HttpStatusCode everybody)
    {
        await using var host = await StartAsync(Key("app", scope));
        using var http = new HttpClient { BaseAddress = host.Gateway.HttpAddress };
        http.DefaultRequestHeaders.Add("x-api-key", "key-of-app");

        Assert.Equal(models, await StatusAsync(http, "v1/models"));
        Assert.Equal(events, await StatusAsync(http, "v1/events"));
        Assert.Equal(everybody, await StatusAsync(http, "v1/admin/events"));

        using var channel = host.Gateway.CreateChannel();
        var client = new EmotionService.EmotionServiceClient(channel);
        var key = new Metadata { { "x-api-key", "key-of-app" } };
        Assert.Equal(models, await StatusOfAsync(() => client.ListModelsAsync(new(), key, cancellationToken: Cancellation).ResponseAsync));
        Assert.Equal(events, await StatusOfAsync(async () =>
        {
            // If the call is permitted, fusion reports the missing configuration.
            using var call = client.AnalyzeStream(key, cancellationToken: Cancellation);
            await call.RequestStream.CompleteAsync();
            await call.ResponseStream.MoveNext(Cancellation);
        }));
    }

    [Fact]
    public async Task NoKeyRequired_AdminEvents_AreForbidden()
    {
        await using var host = await StartAsync([]);
        using var http = new HttpClient { BaseAddress = host.Gateway.HttpAddress };

        Assert.Equal(HttpStatusCode.OK, await StatusAsync(http, "v1/models"));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(http, "v1/events"));
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(http, "v1/admin/events"));
    }

    [Fact]
    public async Task AdminEvents_Admin_SeesCallsOfAllTenants()
    {
        var configuration = Key("app", "stream");
        foreach (var (name, value) in Key("operator", "admin"))
            configuration[name] = value;
        await using var host = await StartAsync(configuration);
        using var http = new HttpClient { BaseAddress = host.Gateway.HttpAddress };
        http.DefaultRequestHeaders.Add("x-api-key", "key-of-operator");
        using var response = await http.GetAsync("v1/admin/events", HttpCompletionOption.ResponseHeadersRead, Cancellation);
        await using var events = SseParser.Create(await response.Content.ReadAsStreamAsync(Cancellation))
            .EnumerateAsync(Cancellation).GetAsyncEnumerator(Cancellation);
        Assert.True(await events.MoveNextAsync());

        using var channel = host.Gateway.CreateChannel();
        using var call = new EmotionService.EmotionServiceClient(channel).AnalyzeStream(
            new Metadata { { "x-api-key", "key-of-app" } }, cancellationToken: Cancellation);
        await call.RequestStream.WriteAsync(new() { Config = new() { SessionId = "c-17", Video = new() } }, Cancellation);
        do
            Assert.True(await events.MoveNextAsync());
        while (events.Current.EventType != "started");
        Assert.Contains("c-17", events.Current.Data, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Token_Scopes_DecideAccess()
    {
        await using var issuer = await Issuer.StartAsync();
        await using var host = await StartAsync(issuer.Configuration);
        using var http = new HttpClient { BaseAddress = host.Gateway.HttpAddress };

        http.DefaultRequestHeaders.Authorization = issuer.Token("analyze profile");
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(http, "v1/models"));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(http, "v1/events"));

        using var channel = host.Gateway.CreateChannel();
        var client = new EmotionService.EmotionServiceClient(channel);
        var token = new Metadata { { "authorization", issuer.Token("analyze").ToString() } };
        Assert.NotEmpty((await client.ListModelsAsync(new(), token, cancellationToken: Cancellation)).Models);
        Assert.Equal(HttpStatusCode.Forbidden, await StatusOfAsync(async () =>
        {
            using var call = client.AnalyzeStream(token, cancellationToken: Cancellation);
            await call.ResponseStream.MoveNext(Cancellation);
        }));
    }

    [Theory]
    [InlineData("for another service")]
    [InlineData("of another issuer")]
    [InlineData("too old")]
    [InlineData("signed by another key")]
    [InlineData("without subject")]
    [InlineData("with an unknown critical parameter")]
    [InlineData("no token")]
    public async Task Token_Invalid_IsUnauthorized(string wrong)
    {
        await using var issuer = await Issuer.StartAsync();
        await using var host = await StartAsync(issuer.Configuration);
        using var http = new HttpClient { BaseAddress = host.Gateway.HttpAddress };
        http.DefaultRequestHeaders.Authorization = wrong switch
        {
            "for another service" => issuer.Token("analyze", audience: "another"),
            "of another issuer" => issuer.Token("analyze", from: "https://elsewhere.example"),
            "too old" => issuer.Token("analyze", expires: DateTime.UtcNow.AddHours(-1)),
            "signed by another key" => issuer.Token("analyze", key: new RsaSecurityKey(RSA.Create(2048))),
            "with an unknown critical parameter" => issuer.Token("analyze", critical: "exp"),
            "without subject" => issuer.Token("analyze", subject: null),
            _ => new("Bearer", "nonsense"),
        };

        using var response = await http.GetAsync("v1/models", Cancellation);
        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
        Assert.Equal("Bearer", Assert.Single(response.Headers.WwwAuthenticate).Scheme);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
    }

    [Fact]
    public async Task Token_Subjects_HaveSeparateRates()
    {
        await using var issuer = await Issuer.StartAsync();
        var configuration = issuer.Configuration;
        configuration["Gateway:Jwt:RequestsPerMinute"] = "1";
        await using var host = await StartAsync(configuration);
        using var http = new HttpClient { BaseAddress = host.Gateway.HttpAddress };

        http.DefaultRequestHeaders.Authorization = issuer.Token("analyze", subject: "one");
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(http, "v1/models"));
        Assert.Equal(HttpStatusCode.TooManyRequests, await StatusAsync(http, "v1/models"));
        http.DefaultRequestHeaders.Authorization = issuer.Token("analyze", subject: "two");
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(http, "v1/models"));
    }

    private Task<AffectHost> StartAsync(Dictionary<string, string?> configuration)
    {
        configuration["Speech:ModelsPath"] = configuration["Face:ModelsPath"] = _models.Path;
        return AffectHost.StartAsync(configuration);
    }

    private static Dictionary<string, string?> Key(string name, string scope)
    {
        var configuration = new Dictionary<string, string?>
        {
            ["Gateway:RequireApiKey"] = "true",
            [$"Gateway:ApiKeys:{name}:Sha256"] = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"key-of-{name}"))),
        };
        if (scope.Length > 0)
            configuration[$"Gateway:ApiKeys:{name}:Scopes:0"] = scope;
        return configuration;
    }

    private static async Task<HttpStatusCode> StatusAsync(HttpClient http, string path)
    {
        using var response = await http.GetAsync(path, HttpCompletionOption.ResponseHeadersRead, Cancellation);
        return response.StatusCode;
    }

    /// <summary>Forbidden if gRPC answers PERMISSION_DENIED; later errors are unrelated to scopes.</summary>
    private static async Task<HttpStatusCode> StatusOfAsync(Func<Task> call)
    {
        try
        {
            await call();
        }
        catch (RpcException exception) when (exception.StatusCode == StatusCode.PermissionDenied)
        {
            return HttpStatusCode.Forbidden;
        }
        catch (RpcException exception) when (exception.StatusCode == StatusCode.FailedPrecondition)
        {
            // Permitted.
        }
        return HttpStatusCode.OK;
    }
}
