using System.Security.Cryptography;
using System.Text;

namespace Affect.Gateway.Access;

/// <summary>Who calls, and how much that one may.</summary>
/// <param name="Name">The key's name, or "anonymous".</param>
/// <param name="IsKnown">Whether a key said so.</param>
/// <param name="Scopes">What a key may; a token says it itself.</param>
/// <param name="RequestsPerMinute">Calls in a minute.</param>
/// <param name="MaxRequestBytes">Size of one request.</param>
internal sealed record Caller(string Name, bool IsKnown, IReadOnlyList<string> Scopes, int RequestsPerMinute, int MaxRequestBytes)
{
    /// <summary>Whose calls are whose: the key's name, and empty for all that call without one.</summary>
    public string Tenant => IsKnown ? Name : "";
}

/// <summary>Finds callers by their keys. Holds hashes only.</summary>
internal sealed class Callers
{
    private readonly (byte[] Hash, Caller Caller)[] _known;

    public Callers(GatewayOptions options)
    {
        _known =
        [
            .. options.ApiKeys.Select(key => (
                Convert.FromHexString(key.Value.Sha256),
                new Caller(
                    key.Key, true, key.Value.Scopes is [] ? Scopes.Default : [.. key.Value.Scopes], key.Value.RequestsPerMinute, key.Value.MaxRequestBytes))),
        ];
        Anonymous = new("anonymous", false, [], options.Anonymous.RequestsPerMinute, options.Anonymous.MaxRequestBytes);
    }

    /// <summary>Who calls without a key.</summary>
    public Caller Anonymous { get; }

    /// <summary>
    /// Who holds a key, or null. Takes the same time whichever key it is and wherever it differs: all hashes
    /// are compared, each in constant time.
    /// </summary>
    public Caller? Find(string key)
    {
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(key));
        Caller? found = null;
        foreach (var (known, caller) in _known)
            if (CryptographicOperations.FixedTimeEquals(known, hash))
                found = caller;
        return found;
    }
}
