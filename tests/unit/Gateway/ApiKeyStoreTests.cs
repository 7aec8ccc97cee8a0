using System.Security.Cryptography;
using System.Text;
using Affect.Gateway;
using Affect.Gateway.Access;

namespace Affect.UnitTests.Gateway;

public sealed class ApiKeyStoreTests
{
    private readonly ApiKeyStore _keys = new(new GatewayOptions
    {
        ApiKeys =
        {
            ["one"] = new() { Sha256 = Sha256("key-of-one"), RequestsPerMinute = 5 },
            ["two"] = new() { Sha256 = Sha256("key-of-two").ToUpperInvariant(), MaxRequestBytes = 2048 },
        },
    });

    [Fact]
    public void Find_KnownKey_ReturnsHolderAndLimits()
    {
        Assert.Equal(("one", 5), (_keys.Find("key-of-one")!.Name, _keys.Find("key-of-one")!.Limits.RequestsPerMinute));
        Assert.Equal(("two", 2048), (_keys.Find("key-of-two")!.Name, _keys.Find("key-of-two")!.Limits.MaxRequestBytes));
    }

    [Theory]
    [InlineData("")]
    [InlineData("key-of-on")]
    [InlineData("key-of-one ")]
    [InlineData("KEY-OF-ONE")]
    public void Find_UnknownKey_ReturnsNull(string key) => Assert.Null(_keys.Find(key));

    [Fact]
    public void Find_HashOfKey_ReturnsNull() => Assert.Null(_keys.Find(Sha256("key-of-one")));

    private static string Sha256(string key) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)));
}
