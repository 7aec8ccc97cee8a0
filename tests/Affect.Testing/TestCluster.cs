namespace Affect.Testing;

/// <summary>
/// All services as processes behind changing DNS, as in a cluster with headless services: each replica has its own address, and the names
/// resolve to those that are published.
/// </summary>
public sealed class TestCluster : IAsyncDisposable
{
    private const int GrpcPort = 8081, HttpPort = 8080;

    private readonly (string, string)[] _environment;

    private TestCluster((string, string)[] environment)
    {
        _environment =
        [
            .. environment,
            ("Fusion__FeaturesAddress", Url("features")), ("Fusion__SpeechAddress", Url("speech")), ("Fusion__FaceAddress", Url("face")),
            ("Fusion__CheckpointKeys__0", AffectHost.CheckpointKey), ("Gateway__FusionAddress", Url("fusion")),
            ("Gateway__AllowedHosts__0", TestNetwork.FullName("gateway")), ("Gateway__RequireApiKey", "false"), ("Gateway__Anonymous__RequestsPerMinute", "1000000"),
        ];
        Services = [.. ((string[])["Features", "Speech", "Face", "Fusion", "Gateway"]).Select((name, index) => new Deployment(this, name, index))];
    }

    public TestNetwork Network { get; } = TestNetwork.Create();

    public IReadOnlyList<Deployment> Services { get; }

    /// <summary>The gateway's address for programs in <see cref="Network"/>.</summary>
    public static string Address => Url("gateway");

    public Deployment this[string name] => Services.Single(service => service.Name == name);

    /// <summary>Starts the services, waits until they are ready, and publishes their addresses.</summary>
    /// <param name="replicas">Processes of each service.</param>
    /// <param name="cancellation">Stops waiting.</param>
    /// <param name="environment">Environment variables of every process.</param>
    public static async Task<TestCluster> StartAsync(int replicas, CancellationToken cancellation, params (string Name, string Value)[] environment)
    {
        var cluster = new TestCluster(environment);
        try
        {
            await Task.WhenAll(cluster.Services.Select(async service =>
            {
                await Task.WhenAll(Enumerable.Range(0, replicas).Select(_ => service.StartAsync(cancellation)));
                service.Publish();
            }));
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var service in Services)
            await service.DisposeAsync();
        await Network.DisposeAsync();
    }

    private static string Url(string host) => $"dns:///{TestNetwork.FullName(host)}:{GrpcPort}";

    /// <summary>The replicas of a service.</summary>
    public sealed class Deployment : IAsyncDisposable
    {
        private readonly TestCluster _cluster;
        private readonly int _index;
        private readonly List<ServiceProcess> _replicas = [];
        private int _started;

        internal Deployment(TestCluster cluster, string name, int index) => (_cluster, Name, _index) = (cluster, name, index);

        /// <summary>"Fusion".</summary>
        public string Name { get; }

        public IReadOnlyList<ServiceProcess> Replicas => _replicas;

        /// <summary>Starts a replica and waits until it is ready. It is not published.</summary>
        /// <param name="cancellation">Stops waiting.</param>
        /// <param name="address">Its address; a new one on the loopback interface if null.</param>
        public async Task<ServiceProcess> StartAsync(CancellationToken cancellation, string? address = null)
        {
            var replica = new ServiceProcess(Name, _cluster._environment)
            {
                Network = _cluster.Network,
                Host = address ?? $"127.0.{_index + 1}.{Interlocked.Increment(ref _started)}",
                GrpcPort = GrpcPort,
                HttpPort = HttpPort,
            };
            lock (_replicas)
                _replicas.Add(replica);
            await replica.StartAsync(cancellation);
            return replica;
        }

        /// <summary>Lets the name resolve to the replicas, without <paramref name="leaving"/>.</summary>
        public void Publish(ServiceProcess? leaving = null) =>
            _cluster.Network.SetAddresses(Name.ToLowerInvariant(), [.. _replicas.Where(replica => replica != leaving).Select(replica => replica.Host)]);

        /// <summary>Lets the name resolve to nothing.</summary>
        public void Withdraw() => _cluster.Network.SetAddresses(Name.ToLowerInvariant(), []);

        /// <summary>Ends a replica with a signal.</summary>
        public async Task EndAsync(ServiceProcess replica, string signal, CancellationToken cancellation)
        {
            await replica.EndAsync(signal, cancellation);
            _replicas.Remove(replica);
            await replica.DisposeAsync();
        }

        /// <summary>
        /// Replaces every replica as a rolling update of Kubernetes does: the new one becomes ready, the name changes, and the old one
        /// ends after its drain.
        /// </summary>
        /// <param name="cache">Time until the name server returns the change.</param>
        /// <param name="drain">Time from the change until the old replica is terminated.</param>
        /// <param name="cancellation">Ends the update.</param>
        public async Task RestartAsync(TimeSpan cache, TimeSpan drain, CancellationToken cancellation)
        {
            foreach (var old in _replicas.ToList())
            {
                await StartAsync(cancellation);
                var publish = PublishAsync(old);
                await Task.Delay(drain, cancellation);
                await EndAsync(old, "TERM", cancellation);
                await publish;
            }

            async Task PublishAsync(ServiceProcess old)
            {
                await Task.Delay(cache, cancellation);
                Publish(old);
            }
        }

        public async ValueTask DisposeAsync()
        {
            foreach (var replica in _replicas)
                await replica.DisposeAsync();
        }
    }
}
