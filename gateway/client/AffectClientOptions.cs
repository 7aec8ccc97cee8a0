using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace Affect.Client;

/// <summary>How to reach Affect: section <c>Affect</c> of the configuration.</summary>
public sealed class AffectClientOptions
{
    /// <summary>Where <c>deploy/run</c> serves gRPC.</summary>
    public const string DefaultAddress = "http://localhost:8081";

    /// <summary>
    /// The gateway's gRPC address: <c>http://host:port</c>, <c>https://host:port</c>, or
    /// <c>dns:///name:port</c> to spread calls over all addresses that the name has (without TLS).
    /// </summary>
    [Required]
    public string Address { get; set; } = DefaultAddress;

    /// <summary>The key that each call carries; none where null. It is only as secret as the connection.</summary>
    public string? ApiKey { get; set; }

    /// <summary>How long a request may take in all, repeats included; 60 s by default. <see cref="AffectClient.StartCall"/> has no end but its own.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "01:00:00")]
    public TimeSpan Deadline { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>
    /// How often a call is tried at the most where the server cannot be reached (UNAVAILABLE) or says how
    /// long to wait (RESOURCE_EXHAUSTED); 1 to 5, 4 by default.
    /// </summary>
    [Range(1, 5)]
    public int MaxAttempts { get; set; } = 4;

    /// <summary>Whether <paramref name="address"/> has one of the forms that <see cref="Address"/> takes.</summary>
    internal static bool IsAddress(string? address) =>
        Uri.TryCreate(address, UriKind.Absolute, out var uri) &&
        (uri.Scheme is "http" or "https" ? uri.Host.Length > 0 : uri.Scheme == "dns" && uri.AbsolutePath.Length > 1);
}

[OptionsValidator]
internal sealed partial class AffectClientOptionsValidator : IValidateOptions<AffectClientOptions>;
