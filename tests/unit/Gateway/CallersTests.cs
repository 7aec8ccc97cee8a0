using System.Security.Cryptography;
using System.Text;
using Affect.Gateway;
using Affect.Gateway.Access;

namespace Affect.UnitTests.Gateway;

public sealed class CallersTests
{
    private readonly Callers _callers = new(new GatewayOptions
    {
        ApiKeys =
        {
            ["one"] = new() { Sha256 = Sha256("key-of-one"), RequestsPerMinute = 5 },
            ["two"] = new() { Sha256 = Sha256("key-of-two").ToUpperInvariant(), MaxRequestBytes = 2048 },
        },
    });

    [Fact]
    public void A_key_finds_its_holder_and_limits()
    {
        Assert.Equal(("one", 5), (_callers.Find("key-of-one")!.Name, _callers.Find("key-of-one")!.RequestsPerMinute));
        Assert.Equal(("two", 2048), (_callers.Find("key-of-two")!.Name, _callers.Find("key-of-two")!.MaxRequestBytes));
    }

    [Theory]
    [InlineData("")]
    [InlineData("key-of-on")]
    [InlineData("key-of-one ")]
    [InlineData("KEY-OF-ONE")]
    public void Anything_else_finds_nobody(string key) => Assert.Null(_callers.Find(key));

    [Fact]
    public void The_hash_itself_is_no_key() => Assert.Null(_callers.Find(Sha256("key-of-one")));

    private static string Sha256(string key) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)));
}
