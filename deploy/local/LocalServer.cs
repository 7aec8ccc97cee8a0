using Affect.Hosting;
using Affect.V1;
using Grpc.AspNetCore.Server;
using Grpc.Health.V1;
using Grpc.Reflection;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.TestHost;

namespace Affect.Local;

/// <summary>
/// Kestrel for clients, and ASP.NET Core's in-memory server for requests from one service of the process to another: they need
/// neither sockets nor HTTP/2 frames. Kestrel serves the public API alone; the internal services answer only in memory.
/// </summary>
internal sealed class LocalServer(IServer kestrel, TestServer memory) : IServer
{
    /// <summary>The gRPC services that clients may call, besides reflection.</summary>
    private static readonly Google.Protobuf.Reflection.ServiceDescriptor[] PublicServices = [EmotionService.Descriptor, Health.Descriptor];

    private static readonly HashSet<string> PublicNames =
    [
        .. PublicServices.Select(service => service.FullName),
        Grpc.Reflection.V1.ServerReflection.Descriptor.FullName, Grpc.Reflection.V1Alpha.ServerReflection.Descriptor.FullName,
    ];

    public IFeatureCollection Features => kestrel.Features;

    /// <summary>Decorates the registered server, and registers the transport to the in-memory one.</summary>
    public static void Replace(IServiceCollection services)
    {
        var kestrel = services.Last(service => service.ServiceType == typeof(IServer));
        services.Remove(kestrel);
        services.AddSingleton(provider => new TestServer(provider));
        services.AddSingleton<IServer>(provider => new LocalServer(
            (IServer)ActivatorUtilities.CreateInstance(provider, kestrel.ImplementationType!), provider.GetRequiredService<TestServer>()));
        services.AddSingleton<InProcessTransport>(provider => () => provider.GetRequiredService<TestServer>().CreateHandler(
            context => context.Features.Set(new InMemoryRequest())));
        services.AddSingleton(new ReflectionServiceImpl(PublicServices));
        services.AddSingleton(new ReflectionV1ServiceImpl(PublicServices));
        // The in-memory server has no body limit that could be lifted, and warns about it with every request.
        services.AddLogging(logging => logging.AddFilter("Microsoft.AspNetCore.Routing.EndpointRoutingMiddleware", LogLevel.Error));
    }

    /// <summary>Hides the internal services, which check no keys, from requests that do not come from this process.</summary>
    public static void HideInternalServices(WebApplication app) => app.Use((context, next) =>
    {
        if (context.GetEndpoint()?.Metadata.GetMetadata<GrpcMethodMetadata>() is { } grpc
            && !PublicNames.Contains(grpc.Method.ServiceName) && context.Features.Get<InMemoryRequest>() is null)
            context.SetEndpoint(null);
        return next(context);
    });

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

    /// <summary>Marks requests that did not come through Kestrel.</summary>
    private sealed class InMemoryRequest;
}
