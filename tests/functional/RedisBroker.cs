using System.Diagnostics;
using System.Runtime.CompilerServices;
using Affect.Testing;
using StackExchange.Redis;

namespace Affect.FunctionalTests;

/// <summary>A real Redis with one stream, as Dapr's component <c>pubsub.redis</c> uses it. It can be killed and restarted.</summary>
internal sealed class RedisBroker : IAsyncDisposable
{
    private const string Topic = "affect-calls", Field = "data";

    private readonly string _folder = Directory.CreateTempSubdirectory("affect-redis-").FullName;
    private readonly int _port = Loopback.FreePort();
    private Process? _process;
    private ConnectionMultiplexer? _redis;

    private RedisBroker()
    {
    }

    public static async Task<RedisBroker> StartAsync(CancellationToken cancellation)
    {
        Assert.SkipUnless(File.Exists("/usr/bin/redis-server"), "redis-server is not installed.");
        var broker = new RedisBroker();
        broker.Start();
        var options = ConfigurationOptions.Parse($"127.0.0.1:{broker._port}");
        options.AbortOnConnectFail = false;
        options.BacklogPolicy = BacklogPolicy.FailFast;
        options.ReconnectRetryPolicy = new LinearRetry(100);
        options.AsyncTimeout = 2000;
        broker._redis = await ConnectionMultiplexer.ConnectAsync(options);
        while (!broker._redis.IsConnected)
            await Task.Delay(20, cancellation);
        return broker;
    }

    /// <summary>Starts it with its persisted data.</summary>
    public void Start() => _process = Process.Start(new ProcessStartInfo(
        "/usr/bin/redis-server",
        ["--port", $"{_port}", "--bind", "127.0.0.1", "--dir", _folder, "--save", "", "--appendonly", "yes", "--appendfsync", "always", "--logfile", "redis.log"]))!;

    public async Task KillAsync()
    {
        _process!.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
        _process = null;
    }

    /// <summary>Returns true if Redis has the event.</summary>
    public async Task<bool> TryPublishAsync(string happened)
    {
        try
        {
            await _redis!.GetDatabase().StreamAddAsync(Topic, Field, happened);
            return true;
        }
        catch (Exception exception) when (exception is RedisException or TimeoutException)
        {
            return false;
        }
    }

    /// <summary>All current entries of the stream.</summary>
    public async Task<IReadOnlyList<string>> AllAsync() =>
        [.. (await _redis!.GetDatabase().StreamRangeAsync(Topic)).Select(entry => (string)entry[Field]!)];

    /// <summary>All entries of the stream and those that follow, also across restarts of Redis.</summary>
    public async IAsyncEnumerable<string> ReadAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        for (RedisValue last = "0-0"; ;)
        {
            StreamEntry[] entries = [];
            try
            {
                entries = await _redis!.GetDatabase().StreamReadAsync(Topic, last, count: 100);
            }
            catch (Exception exception) when (exception is RedisException or TimeoutException)
            {
                // It is restarted.
            }
            foreach (var entry in entries)
            {
                yield return (string)entry[Field]!;
                last = entry.Id;
            }
            if (entries.Length == 0)
                await Task.Delay(20, cancellation);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_redis is not null)
            await _redis.DisposeAsync();
        if (_process is not null)
            await KillAsync();
        Directory.Delete(_folder, recursive: true);
    }
}
