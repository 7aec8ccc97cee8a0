using System.Net.Sockets;
using System.Security.Authentication;
using Affect.Hosting;
using Grpc.Core;
using Microsoft.IdentityModel.Protocols;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;

namespace Affect.Gateway.Access;

/// <summary>
/// The published keys of the identity provider, from OpenID Connect discovery. One fetch at a time, which all requests share.
/// Keys stay valid while the provider is down. Thread-safe.
/// </summary>
internal sealed class IdentityProvider(GatewayOptions gateway, TimeProvider time, ILogger<IdentityProvider> logger)
    : IConfigurationManager<OpenIdConnectConfiguration>, IDisposable
{
    /// <summary>Time for the discovery document and the keys together.</summary>
    public static readonly TimeSpan FetchTimeout = TimeSpan.FromSeconds(5);

    /// <summary>Time during which a failed fetch is not repeated.</summary>
    public static readonly TimeSpan FailureLifetime = TimeSpan.FromSeconds(10);

    /// <summary>Age at which keys are fetched again.</summary>
    private static readonly TimeSpan KeyLifetime = TimeSpan.FromHours(12);

    /// <summary>Least time between fetches while keys are held: tokens that name unknown keys cannot cause more.</summary>
    private static readonly TimeSpan MinRefreshInterval = TimeSpan.FromMinutes(1);

    /// <summary>Largest discovery document or key set.</summary>
    private const int MaxDocumentBytes = 1 << 20;

    private readonly HttpClient _http = new() { MaxResponseContentBufferSize = MaxDocumentBytes };
    private readonly Lock _starting = new();
    private volatile OpenIdConnectConfiguration? _configuration;
    private Task _fetch = Task.CompletedTask;
    private long? _fetched;
    private volatile bool _failed;

    /// <summary>Makes keys available. Waits only while there are none, or none with the given id.</summary>
    /// <param name="keyId">Id of the key that a token names; null if it names none.</param>
    /// <param name="cancellation">Stops waiting; the fetch continues for other requests.</param>
    /// <exception cref="RpcException">UNAVAILABLE with RetryInfo: the provider has not answered yet.</exception>
    public async Task LoadAsync(string? keyId, CancellationToken cancellation)
    {
        if (_configuration is { } known)
        {
            if (keyId is null || known.SigningKeys.Any(key => key.KeyId == keyId))
                _ = Fetch(_failed ? MinRefreshInterval : KeyLifetime);
            else
                await Fetch(MinRefreshInterval).WaitAsync(cancellation);
            return;
        }
        await Fetch(FailureLifetime).WaitAsync(cancellation);
        if (_configuration is null)
            throw RpcErrors.Unavailable("The identity provider is unavailable; try again later.", FailureLifetime);
    }

    /// <summary>The keys that <see cref="LoadAsync"/> has made available.</summary>
    public Task<OpenIdConnectConfiguration> GetConfigurationAsync(CancellationToken cancel) =>
        Task.FromResult(_configuration ?? throw new InvalidOperationException("No keys are loaded."));

    /// <summary>Fetches the keys in the background, because a token's signature does not match any.</summary>
    public void RequestRefresh() => Fetch(MinRefreshInterval);

    public void Dispose() => _http.Dispose();

    /// <summary>Returns the fetch in progress or the last one; starts one if the last ended at least <paramref name="minAge"/> ago.</summary>
    private Task Fetch(TimeSpan minAge)
    {
        lock (_starting)
        {
            if (_fetch.IsCompleted && (_fetched is not { } last || time.GetElapsedTime(last) >= minAge))
                _fetch = Task.Run(FetchAsync);
            return _fetch;
        }
    }

    private async Task FetchAsync()
    {
        var authority = gateway.Jwt.Authority;
        try
        {
            using var timeout = new CancellationTokenSource(FetchTimeout);
            var fetched = await OpenIdConnectConfigurationRetriever.GetAsync(
                $"{authority.TrimEnd('/')}/.well-known/openid-configuration",
                new HttpDocumentRetriever(_http) { RequireHttps = !new Uri(authority).IsLoopback },
                timeout.Token).WaitAsync(timeout.Token);
            if (string.IsNullOrEmpty(fetched.Issuer) || fetched.SigningKeys.Count == 0)
                throw new InvalidDataException("The documents name no issuer or no signing key.");
            _configuration = fetched;
            _failed = false;
        }
        catch (Exception exception)
        {
            // The documents are untrusted input, and parsing them throws many types.
            _failed = true;
            Log.IdentityProviderFailed(logger, authority, Describe(exception));
        }
        finally
        {
            lock (_starting)
                _fetched = time.GetTimestamp();
        }
    }

    /// <summary>Texts of other exceptions may quote the document.</summary>
    private static string Describe(Exception exception) => exception.GetBaseException() switch
    {
        OperationCanceledException => $"no complete answer within {FetchTimeout.TotalSeconds} s",
        Exception cause and (SocketException or AuthenticationException or InvalidDataException) => cause.Message,
        var cause => cause.GetType().Name,
    };
}
