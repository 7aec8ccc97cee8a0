using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Affect.Inference;

/// <summary>Registration of models in a service.</summary>
public static class InferenceHosting
{
    /// <summary>
    /// Adds the models of one modality as <c>[FromKeyedServices(modality)] Classifiers</c>, and a health check.
    /// One process may host several modalities.
    /// </summary>
    /// <param name="services">The service collection.</param>
    /// <param name="modality">Selects the models of the repository.</param>
    /// <param name="healthCheck">Name of the health check, for example "speech".</param>
    /// <typeparam name="TOptions">Options class of the service.</typeparam>
    public static void AddClassifiers<TOptions>(this IServiceCollection services, Modality modality, string healthCheck)
        where TOptions : InferenceOptions
    {
        services.TryAddSingleton<InferenceMetrics>();
        services.AddKeyedSingleton(modality, (provider, _) => new Classifiers(
            modality,
            provider.GetRequiredService<IOptions<TOptions>>().Value,
            provider.GetRequiredService<InferenceMetrics>(),
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILogger<Classifiers>>()));
        services.AddSingleton<IHostedService>(provider => provider.GetRequiredKeyedService<Classifiers>(modality));
        services.AddHealthChecks().Add(new HealthCheckRegistration(
            healthCheck, provider => provider.GetRequiredKeyedService<Classifiers>(modality), HealthStatus.Unhealthy, tags: null));
    }
}
