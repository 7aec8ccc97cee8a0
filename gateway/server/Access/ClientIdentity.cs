namespace Affect.Gateway.Access;

/// <summary>The client that sends a request, and its limits.</summary>
/// <param name="Name">The key's name, <c>jwt:SUBJECT</c> for a token, or "anonymous".</param>
/// <param name="IsAuthenticated">True if a key or token identified the client.</param>
/// <param name="Scopes">Scopes of a key; the scopes of a token are in its claims.</param>
/// <param name="Limits">Limits of the client.</param>
internal sealed record ClientIdentity(string Name, bool IsAuthenticated, IReadOnlyList<string> Scopes, LimitOptions Limits)
{
    /// <summary>Owner of the client's calls: <see cref="Name"/>, or empty for all anonymous clients.</summary>
    public string Tenant => IsAuthenticated ? Name : "";
}

internal static class ClientIdentityExtensions
{
    /// <summary>The identity that authentication found, or the anonymous one.</summary>
    public static ClientIdentity GetClient(this HttpContext context) =>
        context.Features.Get<ClientIdentity>() ?? context.RequestServices.GetRequiredService<ApiKeyStore>().Anonymous;

    /// <summary>
    /// The key by which clients are limited and their work is scheduled: the key or token subject, or the remote address of an anonymous
    /// client. The prefixes keep key names apart from addresses.
    /// </summary>
    public static string GetPartitionKey(this HttpContext context) =>
        context.GetClient() is { IsAuthenticated: true, Name: var name } ? $"key {name}" : $"address {context.Connection.RemoteIpAddress}";
}
