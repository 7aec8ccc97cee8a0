using k8s.Models;

namespace Affect.ChartTests;

/// <summary>Security and operations policies that every example must satisfy.</summary>
public sealed class PolicyTests
{
    private const string Component = "app.kubernetes.io/component";

    /// <summary>
    /// https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, and a read-only root file system.
    /// </summary>
    [Theory]
    [MemberData(nameof(Chart.ExamplesAndDefaults), MemberType = typeof(Chart))]
    public async Task Pods_SecurityContext_IsRestricted(string example)
    {
        foreach (var (name, _, pod) in (await Chart.RenderAsync(example)).Pods)
        {
            Assert.False(pod.HostNetwork ?? pod.HostPID ?? pod.HostIPC ?? false, name);
            Assert.False(pod.AutomountServiceAccountToken ?? true, name);
            Assert.True(pod.SecurityContext.RunAsNonRoot, name);
            Assert.NotEqual(0, pod.SecurityContext.RunAsUser);
            Assert.Equal("RuntimeDefault", pod.SecurityContext.SeccompProfile.Type);
            Assert.All(pod.Volumes ?? [], volume => Assert.True(
                (volume.Secret ?? volume.EmptyDir ?? volume.PersistentVolumeClaim ?? (object?)volume.Image) is not null,
                $"{name}: {volume.Name} must be a Secret, an emptyDir, a claim or an image"));
            foreach (var container in pod.Containers.Concat(pod.InitContainers ?? []))
            {
                var security = container.SecurityContext;
                Assert.False(security.AllowPrivilegeEscalation ?? true, name);
                Assert.False(security.Privileged ?? false, name);
                Assert.True(security.ReadOnlyRootFilesystem, name);
                Assert.Equal(["ALL"], security.Capabilities.Drop);
                Assert.Empty(security.Capabilities.Add ?? []);
                Assert.Equal("FallbackToLogsOnError", container.TerminationMessagePolicy);
                Assert.All(container.Ports ?? [], port => Assert.Null(port.HostPort));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Chart.ExamplesAndDefaults), MemberType = typeof(Chart))]
    public async Task Containers_Resources_AreLimitedAndImagesVersioned(string example)
    {
        foreach (var (name, _, pod) in (await Chart.RenderAsync(example)).Pods)
            foreach (var container in pod.Containers.Concat(pod.InitContainers ?? []))
            {
                Assert.All((string[])["cpu", "memory"], resource =>
                {
                    Assert.Contains(resource, container.Resources.Requests);
                    Assert.Contains(resource, container.Resources.Limits);
                });
                Assert.Matches(@"^[a-z0-9./-]+/[a-z]+:\d[A-Za-z0-9_.-]*(@sha256:[0-9a-f]{64})?$", container.Image);
            }
    }

    [Theory]
    [MemberData(nameof(Chart.ExamplesAndDefaults), MemberType = typeof(Chart))]
    public async Task Deployments_ProbesAndGracePeriod_AllowStartAndStop(string example)
    {
        var chart = await Chart.RenderAsync(example);
        Assert.Equal(5, chart.All<V1Deployment>().Count());
        foreach (var deployment in chart.All<V1Deployment>())
        {
            var pod = deployment.Spec.Template.Spec;
            var container = Assert.Single(pod.Containers);
            var health = Assert.Single(container.Ports, port => port.Name == "health").ContainerPort;
            Assert.Equal(health.ToString(), Assert.Single(container.Env, it => it.Name == "Server__HealthPort").Value);
            Assert.Equal((health, null), (container.StartupProbe.Grpc.Port, container.StartupProbe.Grpc.Service));
            Assert.Equal((health, null), (container.ReadinessProbe.Grpc.Port, container.ReadinessProbe.Grpc.Service));
            Assert.Equal((health, "live"), (container.LivenessProbe.Grpc.Port, container.LivenessProbe.Grpc.Service));
            Assert.InRange(container.StartupProbe.FailureThreshold!.Value * container.StartupProbe.PeriodSeconds!.Value, 60, int.MaxValue);

            var drain = int.Parse(Assert.Single(container.Env, it => it.Name == "DOTNET_SHUTDOWNTIMEOUTSECONDS").Value);
            var preStop = container.Lifecycle.PreStop.Sleep.Seconds;
            // Clients resolve headless services every 15 s, and DNS caches of the cluster keep addresses for 30 s.
            Assert.InRange(preStop, 15 + 30 + 1, int.MaxValue);
            Assert.InRange(pod.TerminationGracePeriodSeconds!.Value, preStop + drain + 1, int.MaxValue);
        }
    }

    [Theory]
    [InlineData(15 + 60 + 10, "drain.dnsCacheSeconds=60")]
    [InlineData(15 + 0 + 10, "drain.dnsCacheSeconds=0")]
    [InlineData(90, "services.fusion.preStopSeconds=90")]
    public async Task PreStop_DnsCache_IsOutlasted(int seconds, string setting)
    {
        var chart = await Chart.RenderAsync(Chart.Defaults, setting);
        var pod = chart.All<V1Deployment>().Single(it => it.Metadata.Name == "affect-fusion").Spec.Template.Spec;
        Assert.Equal(seconds, pod.Containers[0].Lifecycle.PreStop.Sleep.Seconds);
        Assert.Equal(seconds + 30 + 5, pod.TerminationGracePeriodSeconds);
    }

    /// <summary>Requests of all pods while all Deployments roll out together, and of one pod of helm test; system pods need the rest.</summary>
    [Fact]
    public async Task MinimalExample_RolloutOfAllServices_FitsOneNodeOfTwoCoresAnd8GiB()
    {
        var chart = await Chart.RenderAsync("minimal");
        foreach (var (resource, available) in (ReadOnlySpan<(string, decimal)>)[("cpu", 1.6m), ("memory", 6m * (1 << 30))])
        {
            var requested = chart.All<V1Deployment>().Sum(deployment =>
                (deployment.Spec.Replicas!.Value + int.Parse(deployment.Spec.Strategy.RollingUpdate.MaxSurge.Value))
                    * Request(deployment.Spec.Template.Spec, resource))
                + chart.All<V1Pod>().Max(test => Request(test.Spec, resource));
            Assert.InRange(requested, 0.1m, available);
        }

        static decimal Request(V1PodSpec pod, string resource) => Math.Max(
            pod.Containers.Sum(container => container.Resources.Requests[resource].ToDecimal()),
            (pod.InitContainers ?? []).Select(container => container.Resources.Requests[resource].ToDecimal()).DefaultIfEmpty().Max());
    }

    [Theory]
    [MemberData(nameof(Chart.ExamplesAndDefaults), MemberType = typeof(Chart))]
    public async Task PodDisruptionBudgets_EveryService_AllowDraining(string example)
    {
        var chart = await Chart.RenderAsync(example);
        foreach (var deployment in chart.All<V1Deployment>())
        {
            var labels = deployment.Spec.Template.Metadata.Labels;
            var budget = Assert.Single(chart.All<V1PodDisruptionBudget>(), it => Chart.Selects(it.Spec.Selector.MatchLabels, labels));
            Assert.Equal("1", budget.Spec.MaxUnavailable.ToString());
        }
    }

    /// <summary>
    /// client → gateway → fusion → features, speech, face. A connection is allowed if the policies of both pods allow it.
    /// </summary>
    [Theory]
    [MemberData(nameof(Chart.ExamplesAndDefaults), MemberType = typeof(Chart))]
    public async Task NetworkPolicies_Connections_EqualDesign(string example) => AssertConnections(await Chart.RenderAsync(example));

    internal static void AssertConnections(Chart chart)
    {
        var policies = chart.All<V1NetworkPolicy>().ToList();
        var pods = chart.Pods.ToDictionary(pod => pod.Name, pod => pod.Labels);
        Assert.All(pods, pod => Assert.Contains(policies, policy => Chart.Selects(policy.Spec.PodSelector.MatchLabels, pod.Value)
            && policy.Spec.PolicyTypes.Order().SequenceEqual(["Egress", "Ingress"])
            && (policy.Spec.Ingress ?? policy.Spec.Egress as object) is null));

        var connections =
            from client in pods.Values
            from server in pods.Values
            where PoliciesOf(client).Any(policy => (policy.Spec.Egress ?? []).Any(rule => Port(rule.Ports) && To(rule.To, server)))
                && PoliciesOf(server).Any(policy =>
                    (policy.Spec.Ingress ?? []).Any(rule => Port(rule.Ports) && To(rule.FromProperty, client)))
            select $"{client[Component]} -> {server[Component]}";
        Assert.Equal(
            ["client -> gateway", "fusion -> face", "fusion -> features", "fusion -> speech", "gateway -> fusion"],
            connections.Distinct().Order());

        IEnumerable<V1NetworkPolicy> PoliciesOf(IDictionary<string, string> pod) =>
            policies.Where(policy => Chart.Selects(policy.Spec.PodSelector.MatchLabels, pod));

        static bool Port(IList<V1NetworkPolicyPort>? ports) =>
            ports is null || ports.Any(port => port.Port is null || port.Port.Value is "grpc" or "8081");

        static bool To(IList<V1NetworkPolicyPeer>? peers, IDictionary<string, string> pod) =>
            peers is null || peers.Any(peer =>
                peer is { NamespaceSelector: null, IpBlock: null } && Chart.Selects(peer.PodSelector.MatchLabels, pod));
    }

    /// <summary>Lists every other peer that a policy may allow.</summary>
    [Theory]
    [MemberData(nameof(Chart.ExamplesAndDefaults), MemberType = typeof(Chart))]
    public async Task NetworkPolicies_OtherEgress_IsDnsAndConfigured(string example)
    {
        var chart = await Chart.RenderAsync(example);
        var dapr = chart.All<DaprComponent>().Any();
        foreach (var policy in chart.All<V1NetworkPolicy>())
            foreach (var rule in policy.Spec.Egress ?? [])
            {
                Assert.NotEmpty(rule.To);
                foreach (var peer in rule.To.Where(peer => peer.NamespaceSelector is not null))
                {
                    var name = peer.NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"];
                    var expected = name switch
                    {
                        "kube-system" => rule.Ports.All(port => port.Port.Value == "53"),
                        "monitoring" => chart.Text.Contains("OTEL_EXPORTER_OTLP_ENDPOINT", StringComparison.Ordinal),
                        _ => dapr && policy.Metadata.Name == "affect-gateway",
                    };
                    Assert.True(expected, $"{policy.Metadata.Name} must not allow egress to {name}");
                }
            }
    }

    [Theory]
    [MemberData(nameof(Chart.ExamplesAndDefaults), MemberType = typeof(Chart))]
    public async Task Addresses_ResolveToServices_ServicesSelectPods(string example)
    {
        var chart = await Chart.RenderAsync(example);
        var services = chart.All<V1Service>().ToDictionary(service => service.Metadata.Name);
        foreach (var (name, service) in services)
        {
            var (_, _, pod) = Assert.Single(chart.Pods, it => Chart.Selects(service.Spec.Selector, it.Labels));
            Assert.All(service.Spec.Ports, port => Assert.Contains(pod.Containers[0].Ports, it => it.Name == port.TargetPort.Value));
            // Clients balance requests over the services behind the gateway.
            Assert.Equal(name == "affect-gateway" ? null : "None", service.Spec.ClusterIP);
        }
        var addresses = chart.Pods.SelectMany(pod => pod.Spec.Containers).SelectMany(container => container.Env)
            .Where(it => it.Name.EndsWith("Address", StringComparison.Ordinal) || it.Name == "AFFECT_ADDRESS").ToList();
        Assert.InRange(addresses.Count, 5, int.MaxValue);
        Assert.All(addresses, it =>
        {
            var uri = new Uri(it.Value.Replace("dns:///", "http://", StringComparison.Ordinal));
            Assert.Contains(services[uri.Host].Spec.Ports, port => port.Name == "grpc" && port.Port == uri.Port);
        });
    }

    [Theory]
    [MemberData(nameof(Chart.ExamplesAndDefaults), MemberType = typeof(Chart))]
    public async Task Autoscalers_Deployments_ScaleDownSlowly(string example)
    {
        var chart = await Chart.RenderAsync(example);
        var deployments = chart.All<V1Deployment>().ToDictionary(deployment => deployment.Metadata.Name);
        var scaled = chart.All<V2HorizontalPodAutoscaler>().Select(it => (it.Spec.ScaleTargetRef.Name, it.Spec.Behavior))
            .Concat(chart.All<ScaledObject>().Select(it =>
                (it.Spec.ScaleTargetRef.Name, it.Spec.Advanced.HorizontalPodAutoscalerConfig.Behavior)))
            .ToDictionary(it => it.Name, it => it.Behavior);
        foreach (var (name, deployment) in deployments)
        {
            // With replicas in both, each upgrade would reset the autoscaler.
            Assert.Equal(scaled.ContainsKey(name), deployment.Spec.Replicas is null);
            if (scaled.Remove(name, out var behavior))
            {
                var least = name is "affect-gateway" or "affect-fusion" ? 600 : 300;
                Assert.InRange(behavior.ScaleDown.StabilizationWindowSeconds!.Value, least, 3600);
                Assert.Equal(("Pods", 1), (Assert.Single(behavior.ScaleDown.Policies).Type, behavior.ScaleDown.Policies[0].Value));
            }
        }
        Assert.Empty(scaled);
    }

    [Theory]
    [MemberData(nameof(Chart.ExamplesAndDefaults), MemberType = typeof(Chart))]
    public async Task Settings_Environment_MatchesOptions(string example)
    {
        var chart = await Chart.RenderAsync(example);
        foreach (var (name, _, pod) in chart.Pods)
            foreach (var setting in pod.Containers.SelectMany(container => container.Env ?? []))
                Assert.True(Settings.IsKnown(setting.Name), $"{name}: {setting.Name}");
        Assert.All(
            chart.All<V1Secret>().SelectMany(secret => (IEnumerable<string>)[.. secret.Data?.Keys ?? [], .. secret.StringData?.Keys ?? []]),
            setting => Assert.True(Settings.IsKnown(setting), setting));
    }
}
