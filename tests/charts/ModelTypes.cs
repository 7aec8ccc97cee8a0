using System.Reflection;
using k8s;
using k8s.Models;

namespace Affect.ChartTests;

/// <summary>Kubernetes' own kinds.</summary>
internal static class ModelTypes
{
    /// <summary>"apps/v1/Deployment" to <see cref="V1Deployment"/>, as the models themselves say.</summary>
    public static readonly Dictionary<string, Type> Builtin = typeof(V1Pod).Assembly.GetTypes()
        .Where(type => type.IsAssignableTo(typeof(IKubernetesObject<V1ObjectMeta>)))
        .Select(type => (Type: type, Kind: type.GetCustomAttribute<KubernetesEntityAttribute>()))
        .Where(it => it.Kind is not null)
        .ToDictionary(it => string.Join('/', ((string[])[it.Kind!.Group, it.Kind.ApiVersion, it.Kind.Kind]).Where(part => part.Length > 0)), it => it.Type);
}
