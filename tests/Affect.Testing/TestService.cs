using System.Net.Sockets;
using Affect.Hosting;
using Grpc.Health.V1;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace Affect.Testing;

/// <summary>
/// One service with its own Kestrel on 127.0.0.1. It can be stopped and started again, also as another service; its ports
/// stay the same, so that peers reconnect.
/// </summary>
public sealed class TestService : IAsyncDisposable
{
    private readonly string _name;
    private readonly FakeLogCollector _logs;
    private readonly Action<WebApplicationBuilder> _add;
    private readonly Action<WebApplication> _map;
    private readonly IReadOnlyDictionary<string, string?> _configuration;
    private readonly Socket _grpc = Loopback.Reserve();
    private readonly Socket? _http1;
    private WebApplication? _app;

    private TestService(
        string name, bool http, FakeLogCollector logs, Action<WebApplicationBuilder> add, Action<WebApplication> map,
        IReadOnlyDictionary<string, string?> configuration)
    {
        _name = name;
        _http1 = http ? Loopback.Reserve() : null;
        _logs = logs;
        _add = add;
        _map = map;
        _configuration = configuration;
    }

    /// <summary>Address of the gRPC port: "http://127.0.0.1:40001".</summary>
    public string GrpcAddress
    {
        get
        {
            var host = _configuration.GetValueOrDefault("Server:Address") ?? "127.0.0.1";
            return $"http://{(host.Contains(':') ? $"[{host}]" : host)}:{_configuration.GetValueOrDefault("Server:GrpcPort") ?? $"{_grpc.Port}"}";
        }
    }

    /// <summary>Address of REST and the web pages.</summary>
    public Uri HttpAddress => _http1 is { } http
        ? new Uri($"http://127.0.0.1:{http.Port}")
        : throw new InvalidOperationException($"{_name} serves gRPC alone");

    /// <summary>Service provider of the running service.</summary>
    public IServiceProvider Services => Running.Services;

    private WebApplication Running => _app ?? throw new InvalidOperationException($"{_name} is stopped");

    /// <summary>Starts a service and waits until its health is SERVING.</summary>
    /// <param name="name">Process name as in its Program.cs: "affect-speech".</param>
    /// <param name="logs">Collects its log.</param>
    /// <param name="add">Its AddX.</param>
    /// <param name="map">Its MapX.</param>
    /// <param name="configuration">Overrides environment and defaults.</param>
    /// <param name="http">True if it serves HTTP/1.1 beside gRPC.</param>
    public static async Task<TestService> StartAsync(
        string name, FakeLogCollector logs, Action<WebApplicationBuilder> add, Action<WebApplication> map,
        IReadOnlyDictionary<string, string?>? configuration = null, bool http = false)
    {
        var service = new TestService(name, http, logs, add, map, configuration ?? new Dictionary<string, string?>());
        await service.StartAsync();
        return service;
    }

    /// <summary>Starts again after <see cref="StopAsync"/>.</summary>
    public Task StartAsync() => StartAsync(_add, _map);

    /// <summary>Stops the service and starts another on its ports.</summary>
    public async Task ReplaceAsync(Action<WebApplicationBuilder> add, Action<WebApplication> map)
    {
        await StopAsync();
        await StartAsync(add, map);
    }

    /// <summary>Stops the service; its ports refuse connections.</summary>
    public async Task StopAsync()
    {
        if (_app is not { } app)
            return;
        _app = null;
        await app.StopAsync();
        await app.DisposeAsync();
    }

    /// <summary>Creates a channel to the service.</summary>
    public GrpcChannel CreateChannel() => GrpcChannel.ForAddress(GrpcAddress);

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _grpc.Dispose();
        _http1?.Dispose();
    }

    private async Task StartAsync(Action<WebApplicationBuilder> add, Action<WebApplication> map)
    {
        // File watchers are not needed here, and their number is limited.
        var builder = WebApplication.CreateBuilder(["--hostBuilder:reloadConfigOnChange=false"]);
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Server:Address"] = "127.0.0.1",
            ["Server:GrpcPort"] = $"{_grpc.Port}",
            ["Server:HttpPort"] = $"{_http1?.Port ?? 0}",
        });
        builder.Configuration.AddInMemoryCollection(_configuration);
        builder.Logging.ClearProviders().AddProvider(new FakeLoggerProvider(_logs)).SetMinimumLevel(LogLevel.Information);
        builder.AddAffectDefaults(_name, http: _http1 is not null);
        add(builder);
        var app = builder.Build();
        app.MapAffectDefaults();
        map(app);
        await app.StartAsync();
        _app = app;
        await ReadyAsync();
    }

    private async Task ReadyAsync()
    {
        using var channel = CreateChannel();
        var health = new Health.HealthClient(channel);
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        while ((await health.CheckAsync(new HealthCheckRequest(), cancellationToken: limit.Token)).Status
               != HealthCheckResponse.Types.ServingStatus.Serving)
            await Task.Delay(TimeSpan.FromMilliseconds(20), limit.Token);
    }
}
