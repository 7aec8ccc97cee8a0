using System.Net;
using System.Net.Http.Headers;
using System.Net.ServerSentEvents;
using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using Affect.Testing;
using Affect.V1;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Affect.FunctionalTests;

/// <summary>Permissions of keys and tokens over gRPC, REST, WebSocket and server-sent events.</summary>
public sealed class ScopesTests : IDisposable
{
    private const string Audience = "affect";

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

    /// <summary>A fake identity provider, because tests cannot use a real one: discovery and keys over HTTP, arbitrary tokens.</summary>
    private sealed class Issuer : IAsyncDisposable
    {
        private readonly RsaSecurityKey _key = new(RSA.Create(2048)) { KeyId = "1" };
        private readonly WebApplication _app;

        private Issuer(WebApplication app) => _app = app;

        public Dictionary<string, string?> Configuration => new()
        {
            ["Gateway:RequireApiKey"] = "true",
            ["Gateway:Jwt:Authority"] = Address,
            ["Gateway:Jwt:Audience"] = Audience,
        };

        private string Address => _app.Urls.Single();

        public static async Task<Issuer> StartAsync()
        {
            var builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            builder.WebHost.UseSetting("urls", "http://127.0.0.1:0");
            var issuer = new Issuer(builder.Build());
            // https://openid.net/specs/openid-connect-discovery-1_0.html
            issuer._app.MapGet("/.well-known/openid-configuration", () => Results.Text(
                $$"""{"issuer": "{{issuer.Address}}", "jwks_uri": "{{issuer.Address}}/keys"}""", "application/json"));
            var key = JsonWebKeyConverter.ConvertFromRSASecurityKey(new(issuer._key.Rsa.ExportParameters(false)) { KeyId = "1" });
            issuer._app.MapGet("/keys", () => Results.Text(
                $$"""{"keys": [{"kty": "RSA", "use": "sig", "kid": "1", "n": "{{key.N}}", "e": "{{key.E}}"}]}""", "application/json"));
            await issuer._app.StartAsync(Cancellation);
            return issuer;
        }

        public AuthenticationHeaderValue Token(
            string scope, string? subject = "someone", string audience = Audience, string? from = null, DateTime? expires = null, SecurityKey? key = null)
        {
            var claims = new ClaimsIdentity([new("scope", scope)]);
            if (subject is not null)
                claims.AddClaim(new("sub", subject));
            var until = expires ?? DateTime.UtcNow.AddHours(1);
            return new("Bearer", new JsonWebTokenHandler().CreateToken(new SecurityTokenDescriptor
            {
                Issuer = from ?? Address,
                Audience = audience,
                Subject = claims,
                NotBefore = until.AddHours(-2),
                Expires = until,
                SigningCredentials = new(key ?? _key, SecurityAlgorithms.RsaSha256),
            }));
        }

        public ValueTask DisposeAsync() => _app.DisposeAsync();
    }
}
