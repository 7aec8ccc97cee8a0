using System.Security.Cryptography;
using System.Text;
using Grpc.Core;

namespace Affect.Hosting;

/// <summary>
/// The tenant on whose behalf a service sends a request to another: work that queues is scheduled fairly between tenants. The gateway
/// names it, every service passes it on, and nothing else depends on it. A request without a tenant belongs to the empty one.
/// </summary>
public static class Tenant
{
    /// <summary>Longest name in bytes of UTF-8; a longer name is replaced by its digest, so that a header stays small.</summary>
    public const int MaxBytes = 128;

    /// <summary>Binary metadata, because names of keys and subjects of tokens may have any characters.</summary>
    internal const string Key = "affect-tenant-bin";

    /// <summary>The options with the metadata that names the tenant.</summary>
    public static CallOptions WithTenant(this CallOptions options, string tenant) =>
        tenant.Length == 0 ? options : options.WithHeaders(new Metadata { { Key, Shorten(Encoding.UTF8.GetBytes(tenant)) } });

    /// <summary>The tenant of a request; empty if it names none.</summary>
    public static string GetTenant(this ServerCallContext context) =>
        context.RequestHeaders.GetValueBytes(Key) is { } tenant ? Encoding.UTF8.GetString(Shorten(tenant)) : "";

    private static byte[] Shorten(byte[] tenant) =>
        tenant.Length <= MaxBytes ? tenant : Encoding.UTF8.GetBytes($"sha256 {Convert.ToHexStringLower(SHA256.HashData(tenant))}");
}
