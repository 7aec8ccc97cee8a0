using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Affect.Inference.Grpc;

/// <summary>Hosts the classifier service for one modality, or for several in one process.</summary>
public static class ClassifierHosting
{
    private const int MaxRequestBytes = 1024 * 1024;

    /// <summary>Adds the gRPC service and the models of one modality.</summary>
    /// <inheritdoc cref="InferenceHosting.AddClassifiers"/>
    public static void AddClassifierService<TOptions>(this IServiceCollection services, Modality modality, string healthCheck)
        where TOptions : InferenceOptions
    {
        services.AddClassifiers<TOptions>(modality, healthCheck);
        services.TryAddSingleton<ClassifierService>();
        services.AddGrpc().AddServiceOptions<ClassifierService>(options => options.MaxReceiveMessageSize = MaxRequestBytes);
    }

    /// <summary>Maps the gRPC service, once per process: repeated calls have no effect.</summary>
    public static void MapClassifierService(this WebApplication app)
    {
        if (((IApplicationBuilder)app).Properties.TryAdd(nameof(ClassifierService), null))
            app.MapGrpcService<ClassifierService>();
    }
}
