using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace Affect.Hosting;

/// <summary>Where a process listens: section <c>Server</c>.</summary>
public sealed class ServerOptions
{
    /// <summary>IP address to listen on; "*" for every one.</summary>
    [Required]
    public string Address { get; set; } = "*";

    /// <summary>Port for gRPC (HTTP/2 without TLS); 0 lets the system choose.</summary>
    [Range(0, 65535)]
    public int GrpcPort { get; set; } = 8081;

    /// <summary>Port for REST and the page (HTTP/1.1), where the process serves them; 0 lets the system choose.</summary>
    [Range(0, 65535)]
    public int HttpPort { get; set; } = 8080;

    /// <summary>Whether gRPC reflection is served (for grpcurl and the like).</summary>
    public bool Reflection { get; set; }

    /// <summary>
    /// Age at which a connection is told to go away (and its calls to finish), so that clients spread
    /// over new pods: HTTP/2 sticks to one otherwise.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:10", "1.00:00:00")]
    public TimeSpan MaxConnectionAge { get; set; } = TimeSpan.FromMinutes(10);
}

[OptionsValidator]
internal sealed partial class ServerOptionsValidator : IValidateOptions<ServerOptions>;
