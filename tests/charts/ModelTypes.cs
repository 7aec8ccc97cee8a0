using System.Reflection;
using k8s;
using k8s.Models;

namespace Affect.ChartTests;

/// <summary>The kinds built into Kubernetes.</summary>
internal static class ModelTypes
{
    /// <summary>Types by name: "apps/v1/Deployment" is <see cref="V1Deployment"/>.</summary>
    public static readonly Dictionary<string, Type> Builtin = typeof(V1Pod).Assembly.GetTypes()
        .Where(type => type.IsAssignableTo(typeof(IKubernetesObject<V1ObjectMeta>)))
        .Select(type => (Type: type, Kind: type.GetCustomAttribute<KubernetesEntityAttribute>()))
        .Where(it => it.Kind is not null)
        .ToDictionary(it => $"{it.Kind!.Group}/{it.Kind.ApiVersion}/{it.Kind.Kind}".TrimStart('/'), it => it.Type);
}
