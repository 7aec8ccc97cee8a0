using System.ComponentModel.DataAnnotations;
using Affect.Hosting;
using Microsoft.Extensions.Options;

namespace Affect.Gateway;

/// <summary>Access, limits and the address of fusion: section <c>Gateway</c>.</summary>
public sealed class GatewayOptions : IValidatableObject
{
    /// <summary>Address of the fusion service: "http://host:8081" or "dns:///headless-service:8081".</summary>
    [Required]
    public string FusionAddress { get; set; } = "http://localhost:8081";

    /// <summary>True (the default) if requests need a key or token; the one-process host turns it off.</summary>
    public bool RequireApiKey { get; set; } = true;

    /// <summary>The keys by the name of their holder.</summary>
    public Dictionary<string, ApiKeyOptions> ApiKeys { get; set; } = [];

    /// <summary>The identity provider whose tokens are accepted besides keys.</summary>
    [Required, ValidateObjectMembers]
    public JwtOptions Jwt { get; set; } = new();

    /// <summary>Limits of each remote address without a key.</summary>
    [Required, ValidateObjectMembers]
    public LimitOptions Anonymous { get; set; } = new();

    /// <summary>Deadline of a unary request; the client's own applies if it is earlier.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:10:00")]
    public TimeSpan Deadline { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>
    /// Bytes of request bodies that are held concurrently; beyond it requests get RESOURCE_EXHAUSTED with RetryInfo. A clip takes about twice
    /// its size while it is forwarded.
    /// </summary>
    [Range(64 << 20, int.MaxValue)]
    public int MaxBufferedBytes { get; set; } = 320 << 20;

    /// <summary>Minimum rate at which a request must arrive, over any 10 s.</summary>
    [Range(1, 1 << 30)]
    public int MinUploadBytesPerSecond { get; set; } = 8192;

    /// <summary>Time after which a client that reads nothing of its response is disconnected.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "01:00:00")]
    public TimeSpan ResponseTimeout { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>Notice in every analysis for the persons concerned (EU AI Act, Art. 50(3)).</summary>
    [Required]
    public string Notice { get; set; } =
        "An AI system inferred emotions from a voice or a face. Regulation (EU) 2024/1689, Art. 50(3), requires that the persons "
        + "concerned are informed. Scores are probabilities, not facts, and must not be the sole basis of a decision.";

    /// <summary>
    /// Origins whose pages may use the API, for example "https://app.example". The gateway's own origin is always allowed;
    /// programs send no origin and are not restricted.
    /// </summary>
    public IList<string> AllowedOrigins { get; set; } = [];

    /// <summary>
    /// Host names by which clients may address the gateway, besides localhost and IP addresses: "affect.example",
    /// "*.affect.example", or "*" for any. Empty means any name if keys are required, otherwise none.
    /// </summary>
    public IList<string> AllowedHosts { get; set; } = [];

    /// <summary>Publishing of call events.</summary>
    [Required, ValidateObjectMembers]
    public EventsOptions Events { get; set; } = new();

    /// <inheritdoc/>
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (!string.IsNullOrEmpty(FusionAddress) && !PeerChannel.IsAddress(FusionAddress))
            yield return new($"FusionAddress: '{FusionAddress}' must be http://host:port, https://host:port or dns:///host:port.", [nameof(FusionAddress)]);
        if (RequireApiKey && ApiKeys.Count == 0 && Jwt.Authority.Length == 0)
            yield return new("ApiKeys: add a key, set Jwt:Authority, or set RequireApiKey to false.", [nameof(ApiKeys)]);
        if (Jwt.Authority.Length > 0 && !(Uri.TryCreate(Jwt.Authority, UriKind.Absolute, out var authority)
                && (authority.Scheme == Uri.UriSchemeHttps || (authority.Scheme == Uri.UriSchemeHttp && authority.IsLoopback))))
            yield return new($"Jwt:Authority: '{Jwt.Authority}' must be an https:// address.", [nameof(Jwt)]);
        if (Jwt.Authority.Length > 0 && Jwt.Audience.Length == 0)
            yield return new("Jwt:Audience: required with Jwt:Authority; otherwise tokens for other services would be accepted.", [nameof(Jwt)]);

        foreach (var origin in AllowedOrigins)
            if (!Uri.TryCreate(origin, UriKind.Absolute, out var uri) || uri.GetLeftPart(UriPartial.Authority) != origin)
                yield return new($"AllowedOrigins: '{origin}' must be an origin such as https://app.example.", [nameof(AllowedOrigins)]);
        foreach (var host in AllowedHosts)
            if (host != "*" && Uri.CheckHostName(host.StartsWith("*.", StringComparison.Ordinal) ? host[2..] : host) is not UriHostNameType.Dns)
                yield return new($"AllowedHosts: '{host}' must be a host name such as affect.example or *.affect.example, or *.", [nameof(AllowedHosts)]);
        if (Events.AtLeastOnce && Events.PubSub.Length == 0)
            yield return new("Events:AtLeastOnce: requires Events:PubSub.", [nameof(Events)]);

        // The generated validator skips dictionaries.
        foreach (var (name, key) in ApiKeys)
        {
            var results = new List<ValidationResult>();
            Validator.TryValidateObject(key, new ValidationContext(key), results, validateAllProperties: true);
            foreach (var result in results)
                yield return new($"ApiKeys:{name}: {result.ErrorMessage}", [nameof(ApiKeys)]);
            foreach (var scope in key.Scopes.Except(Access.Scopes.All))
                yield return new($"ApiKeys:{name}: '{scope}' is not a scope; must be one of {string.Join(", ", Access.Scopes.All)}.", [nameof(ApiKeys)]);
        }
        foreach (var twins in ApiKeys.GroupBy(key => key.Value.Sha256, StringComparer.OrdinalIgnoreCase).Where(group => group.Count() > 1))
            yield return new($"ApiKeys: {string.Join(" and ", twins.Select(key => key.Key))} have the same key.", [nameof(ApiKeys)]);
    }
}

/// <summary>Publishing of call events: section <c>Gateway:Events</c>.</summary>
public sealed class EventsOptions
{
    /// <summary>Name of the Dapr pub/sub component; empty to send events to this process's dashboards only.</summary>
    [RegularExpression("^[A-Za-z0-9._-]*$")]
    public string PubSub { get; set; } = "";

    /// <summary>Topic of all events.</summary>
    [Required, RegularExpression("^[A-Za-z0-9._-]+$")]
    public string Topic { get; set; } = "affect-calls";

    /// <summary>True (the default) to publish each window, one per hop and channel, besides starts, alerts and ends.</summary>
    public bool Windows { get; set; } = true;

    /// <summary>True to make a call wait until the broker has its events; false (the default) to drop events when the queue is full.</summary>
    public bool AtLeastOnce { get; set; }

    /// <summary>Events queued for the broker; the oldest are dropped first.</summary>
    [Range(8, 1_000_000)]
    public int QueueLength { get; set; } = 8192;

    /// <summary>Timeout of publishing one event.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:01:00")]
    public TimeSpan PublishTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Dashboards of all clients that may be open concurrently; <see cref="LimitOptions.MaxEventStreams"/> limits each client.</summary>
    [Range(1, 10_000)]
    public int MaxDashboards { get; set; } = 1000;

    /// <summary>Events queued for one dashboard; the oldest are dropped first.</summary>
    [Range(1, 100_000)]
    public int DashboardQueueLength { get; set; } = 256;
}

/// <summary>Limits of one client: a key, the subject of a token, or a remote address.</summary>
public class LimitOptions
{
    /// <summary>Upper bound of <see cref="MaxRequestBytes"/>, 32 MiB; the limits of fusion and features are slightly higher.</summary>
    public const int MaxRequestBytesLimit = 32 << 20;

    /// <summary>Requests per minute, and size of a burst.</summary>
    [Range(1, 1_000_000)]
    public int RequestsPerMinute { get; set; } = 600;

    /// <summary>Largest request in bytes: the message over gRPC, the body over REST.</summary>
    [Range(1024, MaxRequestBytesLimit)]
    public int MaxRequestBytes { get; set; } = MaxRequestBytesLimit;

    /// <summary>Concurrent calls.</summary>
    [Range(1, 100_000)]
    public int MaxConcurrentCalls { get; set; } = 1000;

    /// <summary>Concurrent clips, each from the first byte of its upload to its answer.</summary>
    [Range(1, 10_000)]
    public int MaxConcurrentClips { get; set; } = 16;

    /// <summary>Streams of events that are open concurrently.</summary>
    [Range(1, 10_000)]
    public int MaxEventStreams { get; set; } = 20;
}

/// <summary>A key, its scopes and its limits.</summary>
public sealed class ApiKeyOptions : LimitOptions
{
    /// <summary>
    /// SHA-256 of the key in hexadecimal. A fast hash is enough for random keys of 32 bytes, which cannot be guessed.
    /// </summary>
    [Required]
    [RegularExpression("^[0-9a-fA-F]{64}$", ErrorMessage = "Sha256 must be 64 hexadecimal digits.")]
    public string Sha256 { get; set; } = "";

    /// <summary>Scopes of the key: analyze, stream, admin. Empty means analyze and stream.</summary>
    public IList<string> Scopes { get; set; } = [];
}

/// <summary>The identity provider, and the limits of each subject: section <c>Gateway:Jwt</c>.</summary>
public sealed class JwtOptions : LimitOptions
{
    /// <summary>Address of the issuer's OpenID Connect discovery, "https://login.example/realms/x"; empty to accept no tokens.</summary>
    public string Authority { get; set; } = "";

    /// <summary>Required audience of tokens.</summary>
    public string Audience { get; set; } = "";
}

[OptionsValidator]
internal sealed partial class GatewayOptionsValidator : IValidateOptions<GatewayOptions>;
