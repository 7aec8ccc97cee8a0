using Affect.Client;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers <see cref="AffectClient"/>.</summary>
public static class AffectClientServices
{
    /// <summary>
    /// Adds one <see cref="AffectClient"/> for the whole process, set up by section <c>Affect</c> of the
    /// configuration. Mistakes in it are reported when the host starts.
    /// </summary>
    /// <param name="services">The container.</param>
    /// <param name="configure">Has the last word over the configuration.</param>
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
