using k8s.Models;

namespace Affect.ChartTests;

/// <summary>
/// Custom resources with the fields that the chart uses. Any other field is rejected as unknown: add it here after checking the
/// definition of the resource.
/// </summary>
internal static class CustomResources
{
    public static readonly Dictionary<string, Type> Kinds = new()
    {
        ["cert-manager.io/v1/Certificate"] = typeof(Certificate),
        ["dapr.io/v1alpha1/Component"] = typeof(DaprComponent),
        ["gateway.networking.k8s.io/v1/GRPCRoute"] = typeof(GrpcRoute),
        ["gateway.networking.k8s.io/v1/HTTPRoute"] = typeof(HttpRoute),
        ["keda.sh/v1alpha1/ScaledObject"] = typeof(ScaledObject),
        ["monitoring.coreos.com/v1/PrometheusRule"] = typeof(PrometheusRule),
        ["monitoring.coreos.com/v1/ServiceMonitor"] = typeof(ServiceMonitor),
    };
}

public abstract class CustomResource
{
    public required string ApiVersion { get; set; }
    public required string Kind { get; set; }
    public required V1ObjectMeta Metadata { get; set; }
}

/// <summary>https://cert-manager.io/docs/reference/api-docs/</summary>
public sealed class Certificate : CustomResource
{
    public required CertificateSpec Spec { get; set; }

    public sealed class CertificateSpec
    {
        public required string SecretName { get; set; }
        public required Issuer IssuerRef { get; set; }
        public string? CommonName { get; set; }
        public required List<string> DnsNames { get; set; }
        public required List<string> Usages { get; set; }
        public required Key PrivateKey { get; set; }
    }

    public sealed class Issuer
    {
        public required string Name { get; set; }
        public string? Kind { get; set; }
        public string? Group { get; set; }
    }

    public sealed class Key
    {
        public required string Algorithm { get; set; }
        public required int Size { get; set; }
        public required string RotationPolicy { get; set; }
    }
}

/// <summary>https://docs.dapr.io/reference/resource-specs/component-schema/</summary>
public sealed class DaprComponent : CustomResource
{
    public required ComponentSpec Spec { get; set; }
    public required List<string> Scopes { get; set; }

    public sealed class ComponentSpec
    {
        public required string Type { get; set; }
        public required string Version { get; set; }
        public required List<Entry> Metadata { get; set; }
    }

    public sealed class Entry
    {
        public required string Name { get; set; }
        public string? Value { get; set; }
        public V1SecretKeySelector? SecretKeyRef { get; set; }
    }
}

/// <summary>https://gateway-api.sigs.k8s.io/reference/spec/</summary>
public abstract class Route<TRule> : CustomResource
{
    public required RouteSpec Spec { get; set; }

    public sealed class RouteSpec
    {
        public required List<Parent> ParentRefs { get; set; }
        public List<string>? Hostnames { get; set; }
        public required List<TRule> Rules { get; set; }
    }

    public sealed class Parent
    {
        public required string Name { get; set; }
        public string? Namespace { get; set; }
        public string? SectionName { get; set; }
        public int? Port { get; set; }
    }
}

public sealed class Backend
{
    public required string Name { get; set; }
    public required int Port { get; set; }
}

/// <inheritdoc/>
public sealed class HttpRoute : Route<HttpRoute.Rule>
{
    public sealed class Rule
    {
        public required List<Match> Matches { get; set; }
        public List<Backend>? BackendRefs { get; set; }
        public Timeout? Timeouts { get; set; }
    }

    public sealed class Match
    {
        public required PathMatch Path { get; set; }
    }

    public sealed class PathMatch
    {
        public required string Type { get; set; }
        public required string Value { get; set; }
    }

    public sealed class Timeout
    {
        public string? Request { get; set; }
        public string? BackendRequest { get; set; }
    }
}

/// <inheritdoc/>
public sealed class GrpcRoute : Route<GrpcRoute.Rule>
{
    public sealed class Rule
    {
        public required List<Match> Matches { get; set; }
        public required List<Backend> BackendRefs { get; set; }
    }

    public sealed class Match
    {
        public required MethodMatch Method { get; set; }
    }

    public sealed class MethodMatch
    {
        public required string Type { get; set; }
        public required string Service { get; set; }
    }
}

/// <summary>https://keda.sh/docs/latest/reference/scaledobject-spec/</summary>
public sealed class ScaledObject : CustomResource
{
    public required ScaledObjectSpec Spec { get; set; }

    public sealed class ScaledObjectSpec
    {
        public required Target ScaleTargetRef { get; set; }
        public required int MinReplicaCount { get; set; }
        public required int MaxReplicaCount { get; set; }
        public required int PollingInterval { get; set; }
        public required AdvancedSpec Advanced { get; set; }
        public required List<Trigger> Triggers { get; set; }
    }

    public sealed class Target
    {
        public required string Name { get; set; }
    }

    public sealed class AdvancedSpec
    {
        public required Autoscaler HorizontalPodAutoscalerConfig { get; set; }
    }

    public sealed class Autoscaler
    {
        public required V2HorizontalPodAutoscalerBehavior Behavior { get; set; }
    }

    /// <summary>https://keda.sh/docs/latest/scalers/prometheus/</summary>
    public sealed class Trigger
    {
        public required string Type { get; set; }
        public required string MetricType { get; set; }
        public required PrometheusMetadata Metadata { get; set; }
    }

    public sealed class PrometheusMetadata
    {
        public required string ServerAddress { get; set; }
        public required string Query { get; set; }
        public required string Threshold { get; set; }
    }
}

/// <summary>https://prometheus-operator.dev/docs/api-reference/api/</summary>
public sealed class ServiceMonitor : CustomResource
{
    public required ServiceMonitorSpec Spec { get; set; }

    public sealed class ServiceMonitorSpec
    {
        public required V1LabelSelector Selector { get; set; }
        public required List<Endpoint> Endpoints { get; set; }
    }

    public sealed class Endpoint
    {
        public required string Port { get; set; }
        public List<Relabeling>? Relabelings { get; set; }
    }

    public sealed class Relabeling
    {
        public required List<string> SourceLabels { get; set; }
        public required string TargetLabel { get; set; }
        public required string Replacement { get; set; }
    }
}

/// <inheritdoc cref="ServiceMonitor"/>
public sealed class PrometheusRule : CustomResource
{
    public required PrometheusRuleSpec Spec { get; set; }

    public sealed class PrometheusRuleSpec
    {
        public required List<Group> Groups { get; set; }
    }

    public sealed class Group
    {
        public required string Name { get; set; }
        public required List<Rule> Rules { get; set; }
    }

    public sealed class Rule
    {
        public required string Alert { get; set; }
        public required string Expr { get; set; }
        public string? For { get; set; }
        public required Dictionary<string, string> Labels { get; set; }
        public required Dictionary<string, string> Annotations { get; set; }
    }
}
