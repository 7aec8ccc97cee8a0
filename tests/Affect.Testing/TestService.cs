using Affect.Hosting;
using Grpc.Health.V1;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace Affect.Testing;

/// <summary>
/// One service in a Kestrel of its own on 127.0.0.1. It can be stopped and started again, as itself
/// or as something else: its ports stay, so that peers find it again.
/// </summary>
public sealed class TestService : IAsyncDisposable
{
    private readonly string _name;
    private readonly bool _http;
    private readonly FakeLogCollector _logs;
    private readonly Action<WebApplicationBuilder> _add;
    private readonly Action<WebApplication> _map;
    private readonly IReadOnlyDictionary<string, string?> _configuration;
    private WebApplication? _app;
    private Uri? _grpc;
    private Uri? _restAndPages;

    private TestService(
        string name, bool http, FakeLogCollector logs, Action<WebApplicationBuilder> add, Action<WebApplication> map,
        IReadOnlyDictionary<string, string?> configuration)
    {
        _name = name;
        _http = http;
        _logs = logs;
        _add = add;
        _map = map;
        _configuration = configuration;
    }

    /// <summary>Where gRPC is, "http://127.0.0.1:40001".</summary>
    public string GrpcAddress => _grpc?.GetLeftPart(UriPartial.Authority) ?? throw new InvalidOperationException($"{_name} was never started");

    /// <summary>Where REST and the page are.</summary>
    public Uri HttpAddress => _restAndPages ?? throw new InvalidOperationException($"{_name} serves gRPC only");

    /// <summary>The container of the running service.</summary>
    public IServiceProvider Services => Running.Services;

    private WebApplication Running => _app ?? throw new InvalidOperationException($"{_name} is stopped");

    /// <summary>Starts a service and waits until its health says that it serves.</summary>
    /// <param name="name">As in its Program.cs, "affect-speech".</param>
    /// <param name="logs">Where its log goes.</param>
    /// <param name="add">Its AddX.</param>
    /// <param name="map">Its MapX.</param>
    /// <param name="configuration">Over environment and defaults.</param>
    /// <param name="http">Whether it serves HTTP/1.1 beside gRPC.</param>
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

    /// <summary>Stops the service and starts another on its ports: a slow one, a broken one.</summary>
    public async Task ReplaceAsync(Action<WebApplicationBuilder> add, Action<WebApplication> map)
    {
        await StopAsync();
        await StartAsync(add, map);
    }

    /// <summary>Stops the service: its ports refuse connections from then on.</summary>
    public async Task StopAsync()
    {
        if (_app is not { } app)
            return;
        _app = null;
        await app.StopAsync();
        await app.DisposeAsync();
    }

    /// <summary>Channel to the service.</summary>
    public GrpcChannel CreateChannel() => GrpcChannel.ForAddress(GrpcAddress);

    public ValueTask DisposeAsync() => new(StopAsync());

    private async Task StartAsync(Action<WebApplicationBuilder> add, Action<WebApplication> map)
    {
        // File watchers are of no use here, and their number is limited.
        var builder = WebApplication.CreateBuilder(["--hostBuilder:reloadConfigOnChange=false"]);
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Server:Address"] = "127.0.0.1",
            ["Server:GrpcPort"] = "0",
            ["Server:HttpPort"] = "0",
        });
        builder.Configuration.AddInMemoryCollection(_configuration);
        if (_grpc is not null)
            builder.Configuration["Server:GrpcPort"] = _grpc.Port.ToString();
        if (_restAndPages is not null)
            builder.Configuration["Server:HttpPort"] = _restAndPages.Port.ToString();
        builder.Logging.ClearProviders().AddProvider(new FakeLoggerProvider(_logs)).SetMinimumLevel(LogLevel.Information);
        builder.AddAffectDefaults(_name, _http);
        add(builder);
        var app = builder.Build();
        app.MapAffectDefaults();
        map(app);
        await app.StartAsync();
        _app = app;

        // In the order in which AddAffectDefaults listens: gRPC first.
        var addresses = app.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>()
            .Addresses.Select(address => new Uri(address)).ToList();
        _grpc = addresses[0];
        _restAndPages = _http ? addresses[1] : null;
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
