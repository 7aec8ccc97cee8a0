using Affect.Client;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers <see cref="AffectClient"/>.</summary>
public static class AffectClientServices
{
    /// <summary>
    /// Adds one <see cref="AffectClient"/> for the process, configured by section <c>Affect</c>, which is validated when
    /// the host starts.
    /// </summary>
    /// <param name="services">The services of the host.</param>
    /// <param name="configure">Overrides the configuration.</param>
    public static IServiceCollection AddAffectClient(
        this IServiceCollection services, Action<AffectClientOptions>? configure = null)
    {
        services.TryAddEnumerable(
            ServiceDescriptor.Singleton<IValidateOptions<AffectClientOptions>, AffectClientOptionsValidator>());
        services.AddOptions<AffectClientOptions>()
            .BindConfiguration("Affect")
            .Configure(configure ?? (_ => { }))
            .Validate(options => AffectClientOptions.IsAddress(options.Address),
                "Affect:Address must be http://host:port, https://host:port or dns:///name:port")
            .ValidateOnStart();
        services.TryAddSingleton(provider => new AffectClient(provider.GetRequiredService<IOptions<AffectClientOptions>>().Value));
        return services;
    }
}
