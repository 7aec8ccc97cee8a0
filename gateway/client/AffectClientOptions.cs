using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace Affect.Client;

/// <summary>Address and credentials of Affect: section <c>Affect</c> of the configuration.</summary>
public sealed class AffectClientOptions
{
    /// <summary>The gRPC address of <c>deploy/run</c>.</summary>
    public const string DefaultAddress = "http://localhost:8081";

    /// <summary>
    /// The gateway's gRPC address: <c>http://host:port</c>, <c>https://host:port</c>, or
    /// <c>dns:///name:port</c> to balance requests over all addresses of the name (without TLS).
    /// </summary>
    [Required]
    public string Address { get; set; } = DefaultAddress;

    /// <summary>API key sent with each request; null for none. Use TLS to keep it secret.</summary>
    public string? ApiKey { get; set; }

    /// <summary>Deadline of a request, retries included; 60 s by default. Calls (<see cref="AffectClient.StartCall"/>) have no deadline.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "01:00:00")]
    public TimeSpan Deadline { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>
    /// Maximum number of attempts if the server is unreachable (UNAVAILABLE) or asks to retry later
    /// (RESOURCE_EXHAUSTED); 1 to 5, 4 by default.
    /// </summary>
    [Range(1, 5)]
    public int MaxAttempts { get; set; } = 4;

    /// <summary>True if <paramref name="address"/> is valid for <see cref="Address"/>.</summary>
    internal static bool IsAddress(string? address) =>
        Uri.TryCreate(address, UriKind.Absolute, out var uri) &&
        (uri.Scheme is "http" or "https" ? uri.Host.Length > 0 : uri.Scheme == "dns" && uri.AbsolutePath.Length > 1);
}

[OptionsValidator]
internal sealed partial class AffectClientOptionsValidator : IValidateOptions<AffectClientOptions>;
