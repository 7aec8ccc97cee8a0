using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace Affect.Hosting;

/// <summary>Where a process listens, and how it and its peers prove who they are: section <c>Server</c>.</summary>
public sealed class ServerOptions : IValidatableObject
{
    /// <summary>IP address to listen on; "*" for every one.</summary>
    [Required]
    public string Address { get; set; } = "*";

    /// <summary>Port for gRPC (HTTP/2); 0 lets the system choose.</summary>
    [Range(0, 65535)]
    public int GrpcPort { get; set; } = 8081;

    /// <summary>Port for REST and the page (HTTP/1.1), where the process serves them; 0 lets the system choose.</summary>
    [Range(0, 65535)]
    public int HttpPort { get; set; } = 8080;

    /// <summary>
    /// Port for gRPC health checks and nothing else, never with TLS, for kubelets speak none; null leaves them to
    /// <see cref="GrpcPort"/>.
    /// </summary>
    [Range(0, 65535)]
    public int? HealthPort { get; set; }

    /// <summary>Port where Prometheus scrapes /metrics (HTTP/1.1 without TLS) and nothing else; null where it does not.</summary>
    [Range(0, 65535)]
    public int? MetricsPort { get; set; }

    /// <summary>Folder with this server's <see cref="TlsFolder">certificate</see>; null serves without TLS.</summary>
    public string? TlsPath { get; set; }

    /// <summary>Whether clients must show a certificate that ca.crt in <see cref="TlsPath"/> vouches for.</summary>
    public bool RequireClientCertificate { get; set; }

    /// <summary>Folder with the <see cref="TlsFolder">certificate</see> that peers are shown, and the ca.crt that vouches for theirs; null calls them without TLS.</summary>
    public string? PeerTlsPath { get; set; }

    /// <summary>Whether gRPC reflection is served (for grpcurl and the like).</summary>
    public bool Reflection { get; set; }

    /// <summary>
    /// Age at which a connection is told to go away (and its calls to finish), so that clients spread
    /// over new pods: HTTP/2 sticks to one otherwise.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:10", "1.00:00:00")]
    public TimeSpan MaxConnectionAge { get; set; } = TimeSpan.FromMinutes(10);

    /// <inheritdoc/>
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (TlsPath is not null && TlsFolder.Mistake(TlsPath, authority: RequireClientCertificate) is { } own)
            yield return new($"TlsPath: {own}", [nameof(TlsPath)]);
        if (PeerTlsPath is not null && TlsFolder.Mistake(PeerTlsPath, authority: true) is { } peers)
            yield return new($"PeerTlsPath: {peers}", [nameof(PeerTlsPath)]);
        if (RequireClientCertificate && TlsPath is null)
            yield return new("RequireClientCertificate: without TlsPath there is no TLS in which a certificate could be shown.", [nameof(RequireClientCertificate)]);
    }
}

[OptionsValidator]
internal sealed partial class ServerOptionsValidator : IValidateOptions<ServerOptions>;
