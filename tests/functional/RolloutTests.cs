using Affect.Testing;

namespace Affect.FunctionalTests;

/// <summary>Calls while the addresses of services change: all are processes in a network namespace with its own DNS.</summary>
public sealed class RolloutTests
{
    private const int Calls = 20;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Calls_AddressesWithdrawnChangedAndDelayed_LoseNoWindow(int replicas)
    {
        Assert.SkipWhen(TestNetwork.Obstacle is not null, TestNetwork.Obstacle ?? "");
        await using var cluster = await TestCluster.StartAsync(replicas, Cancellation);
        await using var load = CallLoad.Start(cluster, Calls, TestMedia.FixturePath("golden/speech.wav"));
        await DelayAsync(4);

        // The name does not exist while the last connection ends, and when the new replicas are ready.
        var fusion = cluster["Fusion"];
        fusion.Withdraw();
        await ReplaceAsync(fusion);
        await DelayAsync(1);
        fusion.Publish();
        await DelayAsync(2);

        // The name keeps the old addresses, which refuse connections.
        var speech = cluster["Speech"];
        await ReplaceAsync(speech);
        await DelayAsync(1);
        speech.Publish();

        // DNS is cached for longer than the old replica drains.
        await cluster["Features"].RestartAsync(cache: TimeSpan.FromSeconds(3), drain: TimeSpan.FromSeconds(1), Cancellation);

        await AssertCompleteAsync(load);

        static async Task ReplaceAsync(TestCluster.Deployment service)
        {
            var old = service.Replicas.ToList();
            foreach (var replica in old)
                await service.EndAsync(replica, "TERM", Cancellation);
            await Task.WhenAll(old.Select(_ => service.StartAsync(Cancellation)));
        }
    }

    [Fact]
    public async Task Calls_WithdrawnAddressDoesNotAnswer_LoseNoWindow()
    {
        Assert.SkipWhen(TestNetwork.Obstacle is not null, TestNetwork.Obstacle ?? "");
        await using var cluster = await TestCluster.StartAsync(replicas: 1, Cancellation);
        var (network, fusion) = (cluster.Network, cluster["Fusion"]);
        // An address that has left the loopback interface is looked for behind this one, where nothing answers: a connection fails
        // after 3 s, as one to the address of a dead pod.
        network.Ip("link", "add", "veth0", "type", "veth", "peer", "name", "veth1");
        network.Ip("address", "add", "10.77.0.1/24", "dev", "veth0");
        network.Ip("link", "set", "veth0", "up");
        network.Ip("link", "set", "veth1", "up");
        network.Ip("address", "add", "10.77.0.2/32", "dev", "lo");
        network.Ip("address", "add", "10.77.0.3/32", "dev", "lo");
        await fusion.EndAsync(fusion.Replicas[0], "TERM", Cancellation);
        var old = await fusion.StartAsync(Cancellation, "10.77.0.2");
        fusion.Publish();
        await using var load = CallLoad.Start(cluster, Calls, TestMedia.FixturePath("golden/speech.wav"));
        await DelayAsync(5);

        await fusion.EndAsync(old, "TERM", Cancellation);
        network.Ip("address", "delete", "10.77.0.2/32", "dev", "lo");
        await Task.WhenAll(DelayAsync(14), fusion.StartAsync(Cancellation, "10.77.0.3"));
        fusion.Publish();

        await DelayAsync(6);
        await AssertCompleteAsync(load);
    }

    private static Task DelayAsync(double seconds) => Task.Delay(TimeSpan.FromSeconds(seconds), Cancellation);

    private static async Task AssertCompleteAsync(CallLoad load)
    {
        await DelayAsync(4);
        var report = await load.StopAsync(Cancellation);
        TestContext.Current.TestOutputHelper?.WriteLine(report.ToString());
        Assert.Equal("{}", report.Errors);
        Assert.Equal(0, report.Lost);
        Assert.True(report.Expected > Calls * 10);
    }
}
