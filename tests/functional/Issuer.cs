using System.Net.Http.Headers;
using System.Security.Claims;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Affect.FunctionalTests;

/// <summary>
/// A fake identity provider, because tests cannot use a real one: discovery and keys over HTTP, arbitrary tokens, and the ways in
/// which a provider fails.
/// </summary>
internal sealed class Issuer : IAsyncDisposable
{
    private const string Audience = "affect";

    private readonly WebApplication _app;
    private RsaSecurityKey _key = CreateKey("1");
    private int _requests;

    private Issuer(WebApplication app) => _app = app;

    public Dictionary<string, string?> Configuration => new()
    {
        ["Gateway:RequireApiKey"] = "true",
        ["Gateway:Jwt:Authority"] = Address,
        ["Gateway:Jwt:Audience"] = Audience,
    };

    /// <summary>If not null, answers every request instead of the provider.</summary>
    public RequestDelegate? Failure { get; set; }

    /// <summary>Number of requests so far.</summary>
    public int Requests => _requests;

    private string Address => _app.Urls.Single();

    public static async Task<Issuer> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseSetting("urls", "http://127.0.0.1:0");
        var issuer = new Issuer(builder.Build());
        issuer._app.Use((context, next) =>
        {
            Interlocked.Increment(ref issuer._requests);
            return issuer.Failure is { } failure ? failure(context) : next(context);
        });
        // https://openid.net/specs/openid-connect-discovery-1_0.html
        issuer._app.MapGet("/.well-known/openid-configuration", () => Results.Text(
            $$"""{"issuer": "{{issuer.Address}}", "jwks_uri": "{{issuer.Address}}/keys"}""", "application/json"));
        issuer._app.MapGet("/keys", () =>
        {
            var key = JsonWebKeyConverter.ConvertFromRSASecurityKey(new(issuer._key.Rsa.ExportParameters(false)));
            return Results.Text(
                $$"""{"keys": [{"kty": "RSA", "use": "sig", "kid": "{{issuer._key.KeyId}}", "n": "{{key.N}}", "e": "{{key.E}}"}]}""", "application/json");
        });
        await issuer._app.StartAsync(TestContext.Current.CancellationToken);
        return issuer;
    }

    /// <summary>Replaces the key that signs tokens, and publishes the new one.</summary>
    public void Rotate(string keyId) => _key = CreateKey(keyId);

    public AuthenticationHeaderValue Token(
        string scope, string? subject = "someone", string audience = Audience, string? from = null, DateTime? expires = null,
        SecurityKey? key = null, string? critical = null)
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
            AdditionalHeaderClaims = critical is null ? null : new Dictionary<string, object> { ["crit"] = new[] { critical }, [critical] = 1 },
        }));
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private static RsaSecurityKey CreateKey(string id) => new(RSA.Create(2048)) { KeyId = id };
}
