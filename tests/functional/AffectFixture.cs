using Affect.Client;
using Affect.FunctionalTests;
using Affect.Testing;

[assembly: AssemblyFixture(typeof(AffectFixture))]

namespace Affect.FunctionalTests;

/// <summary>
/// One Affect with default settings, shared by all tests that do not change its state. Tests that stop or reconfigure a service start
/// their own <see cref="AffectHost"/>.
/// </summary>
public sealed class AffectFixture : IAsyncLifetime
{
    private AffectHost? _host;

    public AffectHost Host => _host ?? throw new InvalidOperationException("not started");

    /// <summary>A client of the gateway; the test disposes it.</summary>
    public AffectClient CreateClient() => new(Host.Gateway.GrpcAddress);

    public async ValueTask InitializeAsync() => _host = await AffectHost.StartAsync();

    public ValueTask DisposeAsync() => Host.DisposeAsync();
}
