using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace Affect.Hosting;

/// <summary>Listeners of a process, and the TLS certificates between peers: section <c>Server</c>.</summary>
public sealed class ServerOptions : IValidatableObject
{
    /// <summary>IP address to listen on; "*" for all.</summary>
    [Required]
    public string Address { get; set; } = "*";

    /// <summary>Port for gRPC (HTTP/2); 0 lets the system choose.</summary>
    [Range(0, 65535)]
    public int GrpcPort { get; set; } = 8081;

    /// <summary>Port for REST and web pages (HTTP/1.1), if the process serves them; 0 lets the system choose.</summary>
    [Range(0, 65535)]
    public int HttpPort { get; set; } = 8080;

    /// <summary>
    /// Port dedicated to gRPC health checks, always without TLS because kubelets do not support it; null serves them on
    /// <see cref="GrpcPort"/> alone.
    /// </summary>
    [Range(0, 65535)]
    public int? HealthPort { get; set; }

    /// <summary>Port dedicated to /metrics for Prometheus (HTTP/1.1 without TLS); null serves no metrics.</summary>
    [Range(0, 65535)]
    public int? MetricsPort { get; set; }

    /// <summary>Folder with this server's <see cref="TlsFolder">certificate</see>; null serves without TLS.</summary>
    public string? TlsPath { get; set; }

    /// <summary>True if clients must present a certificate issued by ca.crt in <see cref="TlsPath"/>.</summary>
    public bool RequireClientCertificate { get; set; }

    /// <summary>Folder with the <see cref="TlsFolder">certificate</see> presented to peers and the ca.crt that issued theirs; null connects without TLS.</summary>
    public string? PeerTlsPath { get; set; }

    /// <summary>True if gRPC reflection is served, as grpcurl needs.</summary>
    public bool Reflection { get; set; }

    /// <summary>
    /// Age at which the server closes a connection, after the requests in flight. Clients then spread over new pods;
    /// an HTTP/2 connection would stay with one pod otherwise.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:10", "1.00:00:00")]
    public TimeSpan MaxConnectionAge { get; set; } = TimeSpan.FromMinutes(10);

    /// <inheritdoc/>
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (TlsPath is not null && TlsFolder.Validate(TlsPath, authority: RequireClientCertificate) is { } own)
            yield return new($"TlsPath: {own}", [nameof(TlsPath)]);
        if (PeerTlsPath is not null && TlsFolder.Validate(PeerTlsPath, authority: true) is { } peers)
            yield return new($"PeerTlsPath: {peers}", [nameof(PeerTlsPath)]);
        if (RequireClientCertificate && TlsPath is null)
            yield return new("RequireClientCertificate: requires TlsPath.", [nameof(RequireClientCertificate)]);
    }
}

[OptionsValidator]
internal sealed partial class ServerOptionsValidator : IValidateOptions<ServerOptions>;
