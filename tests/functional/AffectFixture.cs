using Affect.Client;
using Affect.FunctionalTests;
using Affect.Testing;

[assembly: AssemblyFixture(typeof(AffectFixture))]

namespace Affect.FunctionalTests;

/// <summary>
/// One Affect, shared by all tests that do not change its state. Its settings are the defaults, except for the limit of concurrent clips,
/// because all tests are one client. Tests that stop or reconfigure a service start their own <see cref="AffectHost"/>.
/// </summary>
public sealed class AffectFixture : IAsyncLifetime
{
    private AffectHost? _host;

    public AffectHost Host => _host ?? throw new InvalidOperationException("not started");

    /// <summary>A client of the gateway; the test disposes it.</summary>
    public AffectClient CreateClient() => new(Host.Gateway.GrpcAddress);

    public async ValueTask InitializeAsync() => _host = await AffectHost.StartAsync(
        new Dictionary<string, string?> { ["Gateway:Anonymous:MaxConcurrentClips"] = "64" });

    public ValueTask DisposeAsync() => Host.DisposeAsync();
}
