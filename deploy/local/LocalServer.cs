using Affect.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.TestHost;

namespace Affect.Local;

/// <summary>
/// Kestrel for clients, and ASP.NET Core's in-memory server for requests from one service of the process to another: they need
/// neither sockets nor HTTP/2 frames.
/// </summary>
internal sealed class LocalServer(IServer kestrel, TestServer memory) : IServer
{
    public IFeatureCollection Features => kestrel.Features;

    /// <summary>Decorates the registered server, and registers the transport to the in-memory one.</summary>
    public static void Replace(IServiceCollection services)
    {
        var kestrel = services.Last(service => service.ServiceType == typeof(IServer));
        services.Remove(kestrel);
        services.AddSingleton(provider => new TestServer(provider));
        services.AddSingleton<IServer>(provider => new LocalServer(
            (IServer)ActivatorUtilities.CreateInstance(provider, kestrel.ImplementationType!), provider.GetRequiredService<TestServer>()));
        services.AddSingleton<InProcessTransport>(provider => () => provider.GetRequiredService<TestServer>().CreateHandler());
        // The in-memory server has no body limit that could be lifted, and warns about it with every request.
        services.AddLogging(logging => logging.AddFilter("Microsoft.AspNetCore.Routing.EndpointRoutingMiddleware", LogLevel.Error));
    }

    public async Task StartAsync<TContext>(IHttpApplication<TContext> application, CancellationToken cancellationToken)
        where TContext : notnull
    {
        await ((IServer)memory).StartAsync(application, cancellationToken);
        await kestrel.StartAsync(application, cancellationToken);
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await kestrel.StopAsync(cancellationToken);
        await ((IServer)memory).StopAsync(cancellationToken);
    }

    public void Dispose()
    {
        kestrel.Dispose();
        memory.Dispose();
    }
}
