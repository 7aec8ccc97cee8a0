using Affect.Gateway;

namespace Affect.UnitTests.Gateway;

public sealed class GatewayOptionsTests
{
    private const string Hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    [Fact]
    public void Validate_NoKeys_RequiresOptOut()
    {
        Assert.Contains(Failures(new()), failure => failure.Contains("RequireApiKey", StringComparison.Ordinal));
        Assert.Empty(Failures(new() { RequireApiKey = false }));
        Assert.Empty(Failures(new() { ApiKeys = { ["app"] = new() { Sha256 = Hash } } }));
    }

    [Fact]
    public void Validate_InvalidOptions_NamesEach()
    {
        var failures = Failures(new()
        {
            FusionAddress = "fusion",
            Deadline = TimeSpan.Zero,
            Notice = "",
            AllowedOrigins = ["app.example", "https://app.example/"],
            AllowedHosts = ["https://app.example", "app.example:8080", "a.*", "affect.example", "*.affect.example", "*", "localhost"],
            Events = new() { AtLeastOnce = true, QueueLength = 1 },
            Anonymous = new() { RequestsPerMinute = 0 },
            ApiKeys =
            {
                ["short"] = new() { Sha256 = "abc" },
                ["huge"] = new() { Sha256 = Hash, MaxRequestBytes = int.MaxValue },
                ["twin"] = new() { Sha256 = Hash.ToUpperInvariant() },
            },
        });

        foreach (var error in (string[])
            ["'https://app.example'", "'app.example:8080'", "'a.*'", "'fusion'", "Deadline", "Notice", "RequestsPerMinute", "'app.example'", "'https://app.example/'", "AtLeastOnce", "QueueLength", "ApiKeys:short: Sha256", "ApiKeys:huge:", "huge and twin have the same key"])
            Assert.Contains(failures, failure => failure.Contains(error, StringComparison.Ordinal));
        Assert.Equal(3, failures.Count(failure => failure.Contains("AllowedHosts", StringComparison.Ordinal)));
    }

    private static List<string> Failures(GatewayOptions options) =>
        [.. new GatewayOptionsValidator().Validate(null, options).Failures ?? []];
}
