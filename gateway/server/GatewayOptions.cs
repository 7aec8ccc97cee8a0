using System.ComponentModel.DataAnnotations;
using Affect.Hosting;
using Microsoft.Extensions.Options;

namespace Affect.Gateway;

/// <summary>Who may, how much, and whom the gateway asks: section <c>Gateway</c>.</summary>
public sealed class GatewayOptions : IValidatableObject
{
    /// <summary>Where the fusion service is: "http://host:8081" or "dns:///headless-service:8081".</summary>
    [Required]
    public string FusionAddress { get; set; } = "http://localhost:8081";

    /// <summary>Whether calls need a key. On unless somebody turns it off, as the local host does.</summary>
    public bool RequireApiKey { get; set; } = true;

    /// <summary>The keys by the name of who holds them.</summary>
    public Dictionary<string, ApiKeyOptions> ApiKeys { get; set; } = [];

    /// <summary>Whose tokens are taken beside keys.</summary>
    [Required, ValidateObjectMembers]
    public JwtOptions Jwt { get; set; } = new();

    /// <summary>Limits of each remote address that calls without a key.</summary>
    [Required, ValidateObjectMembers]
    public LimitOptions Anonymous { get; set; } = new();

    /// <summary>What one call may take; a caller's deadline that is nearer counts instead.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:10:00")]
    public TimeSpan Deadline { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>What every analysis carries for the people concerned (EU AI Act, Art. 50(3)).</summary>
    [Required]
    public string Notice { get; set; } =
        "An AI system inferred emotions from a voice or a face. The law (Regulation (EU) 2024/1689, Art. 50(3)) asks "
        + "that the people concerned are told. Scores are probabilities, not facts, and no ground for a decision on their own.";

    /// <summary>
    /// Whose pages may open a WebSocket, as browsers name them: "https://app.example". Those that come from here
    /// always may, and so may programs, which name none.
    /// </summary>
    public IList<string> AllowedOrigins { get; set; } = [];

    /// <summary>What is told of calls while they last.</summary>
    [Required, ValidateObjectMembers]
    public EventsOptions Events { get; set; } = new();

    /// <inheritdoc/>
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (!string.IsNullOrEmpty(FusionAddress) && !PeerChannel.IsAddress(FusionAddress))
            yield return new($"FusionAddress: '{FusionAddress}' is none of http://host:port, https://host:port and dns:///host:port.", [nameof(FusionAddress)]);
        if (RequireApiKey && ApiKeys.Count == 0 && Jwt.Authority.Length == 0)
            yield return new("ApiKeys: there is none, so nobody could call; add one, name a Jwt:Authority, or set RequireApiKey to false.", [nameof(ApiKeys)]);
        if (Jwt.Authority.Length > 0 && !(Uri.TryCreate(Jwt.Authority, UriKind.Absolute, out var authority)
                && (authority.Scheme == Uri.UriSchemeHttps || (authority.Scheme == Uri.UriSchemeHttp && authority.IsLoopback))))
            yield return new($"Jwt:Authority: '{Jwt.Authority}' is no https:// address.", [nameof(Jwt)]);
        if (Jwt.Authority.Length > 0 && Jwt.Audience.Length == 0)
            yield return new("Jwt:Audience: without one, tokens for other services would be taken.", [nameof(Jwt)]);

        foreach (var origin in AllowedOrigins)
            if (!Uri.TryCreate(origin, UriKind.Absolute, out var uri) || uri.GetLeftPart(UriPartial.Authority) != origin)
                yield return new($"AllowedOrigins: '{origin}' is no origin, as in https://app.example.", [nameof(AllowedOrigins)]);
        if (Events.AtLeastOnce && Events.PubSub.Length == 0)
            yield return new("Events:AtLeastOnce: without Events:PubSub there is no broker to wait for.", [nameof(Events)]);

        // The generated validator does not look into dictionaries.
        foreach (var (name, key) in ApiKeys)
        {
            var results = new List<ValidationResult>();
            Validator.TryValidateObject(key, new ValidationContext(key), results, validateAllProperties: true);
            foreach (var result in results)
                yield return new($"ApiKeys:{name}: {result.ErrorMessage}", [nameof(ApiKeys)]);
            foreach (var scope in key.Scopes.Except(Access.Scopes.All))
                yield return new($"ApiKeys:{name}: '{scope}' is no scope; there are {string.Join(", ", Access.Scopes.All)}.", [nameof(ApiKeys)]);
        }
        foreach (var twins in ApiKeys.GroupBy(key => key.Value.Sha256, StringComparer.OrdinalIgnoreCase).Where(group => group.Count() > 1))
            yield return new($"ApiKeys: {string.Join(" and ", twins.Select(key => key.Key))} have the same key.", [nameof(ApiKeys)]);
    }
}

/// <summary>Where events of calls go: section <c>Gateway:Events</c>.</summary>
public sealed class EventsOptions
{
    /// <summary>Name of the Dapr component that events go through; empty for this process's dashboards alone.</summary>
    [RegularExpression("^[A-Za-z0-9._-]*$")]
    public string PubSub { get; set; } = "";

    /// <summary>The topic of all events.</summary>
    [Required, RegularExpression("^[A-Za-z0-9._-]+$")]
    public string Topic { get; set; } = "affect-calls";

    /// <summary>Whether windows are told, one a second for each channel, or only beginnings, alerts and ends.</summary>
    public bool Windows { get; set; } = true;

    /// <summary>Whether a call waits until the broker has its events, however long; if not, what is in the way is dropped.</summary>
    public bool AtLeastOnce { get; set; }

    /// <summary>Events that wait for the broker; more push out the oldest.</summary>
    [Range(8, 1_000_000)]
    public int QueueLength { get; set; } = 8192;

    /// <summary>What the broker may take for one event.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:01:00")]
    public TimeSpan PublishTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Dashboards that may be open at once.</summary>
    [Range(1, 10_000)]
    public int MaxDashboards { get; set; } = 100;

    /// <summary>Events that wait for one dashboard; more push out the oldest.</summary>
    [Range(1, 100_000)]
    public int DashboardQueueLength { get; set; } = 256;
}

/// <summary>How much one caller may.</summary>
public class LimitOptions
{
    /// <summary>Largest request that a limit can allow, 32 MiB; fusion and features take little more.</summary>
    public const int LargestRequest = 32 << 20;

    /// <summary>Calls that may be made in a minute; as many may come at once.</summary>
    [Range(1, 1_000_000)]
    public int RequestsPerMinute { get; set; } = 600;

    /// <summary>Size of one request in bytes: the message over gRPC, the body over REST.</summary>
    [Range(1024, LargestRequest)]
    public int MaxRequestBytes { get; set; } = LargestRequest;
}

/// <summary>One key and what its holder may.</summary>
public sealed class ApiKeyOptions : LimitOptions
{
    /// <summary>
    /// SHA-256 of the key in hexadecimal. A plain hash is enough for keys that are drawn at random
    /// (32 bytes): nobody guesses those, however fast.
    /// </summary>
    [Required]
    [RegularExpression("^[0-9a-fA-F]{64}$", ErrorMessage = "Sha256 must be 64 hexadecimal digits.")]
    public string Sha256 { get; set; } = "";

    /// <summary>What the holder may: analyze, stream, admin. Where none is named, analyze and stream.</summary>
    public IList<string> Scopes { get; set; } = [];
}

/// <summary>Whose tokens are taken, and how much each of their subjects may: section <c>Gateway:Jwt</c>.</summary>
public sealed class JwtOptions : LimitOptions
{
    /// <summary>The issuer, where its OpenID Connect discovery is: "https://login.example/realms/x". Empty takes no tokens.</summary>
    public string Authority { get; set; } = "";

    /// <summary>What tokens must say that they are for.</summary>
    public string Audience { get; set; } = "";
}

[OptionsValidator]
internal sealed partial class GatewayOptionsValidator : IValidateOptions<GatewayOptions>;
