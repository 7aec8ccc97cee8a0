using System.Security.Cryptography;
using System.Text;

namespace Affect.Gateway.Access;

/// <summary>Finds clients by their API keys. Holds hashes only.</summary>
internal sealed class ApiKeyStore
{
    private readonly (byte[] Hash, ClientIdentity Client)[] _keys;

    public ApiKeyStore(GatewayOptions options)
    {
        _keys = [.. options.ApiKeys.Select(key => (Convert.FromHexString(key.Value.Sha256), CreateClient(key.Key, key.Value)))];
        Anonymous = new("anonymous", false, [], options.Anonymous);
    }

    /// <summary>The client without a key.</summary>
    public ClientIdentity Anonymous { get; }

    /// <summary>
    /// The holder of a key, or null. Takes constant time: the key is compared with every hash, each in constant time.
    /// </summary>
    public ClientIdentity? Find(string key)
    {
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(key));
        ClientIdentity? found = null;
        foreach (var (known, client) in _keys)
            if (CryptographicOperations.FixedTimeEquals(known, hash))
                found = client;
        return found;
    }

    private static ClientIdentity CreateClient(string name, ApiKeyOptions key) =>
        new(name, true, key.Scopes is [] ? Scopes.Default : [.. key.Scopes], key);
}
