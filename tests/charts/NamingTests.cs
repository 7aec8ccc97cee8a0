using System.Text.RegularExpressions;
using k8s;
using k8s.Models;

namespace Affect.ChartTests;

/// <summary>Names and labels with any release name, nameOverride, fullnameOverride and commonLabels.</summary>
public sealed partial class NamingTests
{
    private const string LongestRelease = "a-release-name-of-fifty-three-characters-is-the-limit";

    private static readonly string[] Services = ["face", "features", "fusion", "gateway", "speech"];

    /// <summary>Every example with a release name, overrides, and the expected prefix of names.</summary>
    public static TheoryData<string, string, string, string> Releases
    {
        get
        {
            var data = new TheoryData<string, string, string, string>();
            foreach (var example in Chart.ExamplesAndDefaults)
            {
                data.Add(example, "affect", "", "affect");
                data.Add(example, "umbrella", "", "umbrella-affect");
                data.Add(example, "umbrella", "nameOverride=voice", "umbrella-voice");
                data.Add(example, "voice-prod", "nameOverride=voice", "voice-prod");
                data.Add(example, "umbrella", "fullnameOverride=emotions", "emotions");
                data.Add(example, LongestRelease, "", LongestRelease[..50]);
            }
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Releases))]
    public async Task Names_AnyRelease_HavePrefixAndFitLimits(string example, string release, string settings, string prefix)
    {
        var chart = await RenderAsync(example, release, settings);
        var names = Objects(chart).Select(it => (it.Kind, it.Metadata.Name)).ToList();

        Assert.Distinct(names);
        Assert.All(names, it =>
        {
            // CronJobs: https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/
            Assert.InRange(it.Name.Length, 1, it.Kind == "CronJob" ? 52 : 63);
            // The Dapr component has the name under which the gateway publishes.
            if (it.Kind != "Component")
                Assert.StartsWith(it.Kind == "CronJob" ? prefix[..Math.Min(prefix.Length, 21)] : prefix, it.Name);
        });
        Assert.Equal(Services.Select(service => $"{prefix}-{service}"), chart.All<V1Deployment>().Select(it => it.Metadata.Name).Order());
    }

    [Theory]
    [MemberData(nameof(Releases))]
    public async Task References_AnyRelease_Resolve(string example, string release, string settings, string prefix)
    {
        var chart = await RenderAsync(example, release, settings);
        var names = Objects(chart).Select(it => $"{it.Kind}/{it.Metadata.Name}").ToHashSet();
        var services = chart.All<V1Service>().ToDictionary(it => it.Metadata.Name);

        var addresses = Address().Matches(chart.Text).Select(match => match.Groups["host"].Value).ToHashSet();
        Assert.Equal(Services.Select(service => $"{prefix}-{service}"), addresses.Order());
        Assert.All(addresses, host => Assert.Contains(host, services));
        Assert.All(services.Values, service => Assert.Single(chart.Pods, pod => Chart.Selects(service.Spec.Selector, pod.Labels)));
        Assert.All(chart.Pods, pod => Assert.Contains($"ServiceAccount/{pod.Spec.ServiceAccountName}", names));
        Assert.All(
            chart.All<V1Deployment>(),
            it => Assert.True(Chart.Selects(it.Spec.Selector.MatchLabels, it.Spec.Template.Metadata.Labels)));
        Assert.All(
            chart.All<V1PodDisruptionBudget>(),
            it => Assert.Single(chart.Pods, pod => Chart.Selects(it.Spec.Selector.MatchLabels, pod.Labels)));
        Assert.All(chart.All<V2HorizontalPodAutoscaler>(), it => Assert.Contains($"Deployment/{it.Spec.ScaleTargetRef.Name}", names));
        Assert.All(chart.All<ScaledObject>(), it => Assert.Contains($"Deployment/{it.Spec.ScaleTargetRef.Name}", names));
        Assert.All(
            chart.All<V1Ingress>().SelectMany(it => it.Spec.Rules).SelectMany(rule => rule.Http.Paths),
            path => Assert.Contains(path.Backend.Service.Name, services));
        Assert.All(
            chart.All<HttpRoute>().SelectMany(it => it.Spec.Rules).SelectMany(rule => rule.BackendRefs ?? [])
                .Concat(chart.All<GrpcRoute>().SelectMany(it => it.Spec.Rules).SelectMany(rule => rule.BackendRefs)),
            backend => Assert.Contains(backend.Name, services));
        Assert.All(chart.All<ServiceMonitor>(), it =>
            Assert.All(services.Values, service => Assert.True(Chart.Selects(it.Spec.Selector.MatchLabels, service.Metadata.Labels))));
        Assert.All(chart.All<DaprComponent>(), it =>
        {
            var gateway = chart.All<V1Deployment>().Single(deployment => deployment.Metadata.Name == $"{prefix}-gateway");
            Assert.Equal([gateway.Spec.Template.Metadata.Annotations["dapr.io/app-id"]], it.Scopes);
        });
        foreach (var certificate in chart.All<Certificate>().Where(it => it.Spec.CommonName is not null))
        {
            Assert.Contains(certificate.Spec.CommonName!, services);
            Assert.Contains(
                chart.Pods.SelectMany(pod => pod.Spec.Volumes ?? []),
                volume => volume.Secret?.SecretName == certificate.Spec.SecretName);
        }
        PolicyTests.AssertConnections(chart);
    }

    [Fact]
    public async Task Alerts_FullnameOverride_MatchOwnObjects()
    {
        var chart = await Chart.RenderReleaseAsync("umbrella", "gpu", "fullnameOverride=emotions");
        var rules = chart.All<PrometheusRule>().SelectMany(it => it.Spec.Groups).SelectMany(group => group.Rules);
        foreach (var text in (string[])[string.Concat(rules.Select(rule => rule.Expr)), chart.All<V1ConfigMap>().Single().Data["affect.json"]])
        {
            Assert.Contains("emotions-(gateway|", text);
            Assert.Contains("emotions-.+", text);
            Assert.DoesNotContain(".*affect.*", text);
        }
    }

    [Theory]
    [MemberData(nameof(Chart.ExamplesAndDefaults), MemberType = typeof(Chart))]
    public async Task CommonLabels_AllObjects_HaveThemAndSelectorsDoNot(string example)
    {
        var plain = await Chart.RenderAsync(example);
        var labeled = await Chart.RenderAsync(example, "commonLabels.team=speech", @"commonLabels.app\.kubernetes\.io/part-of=platform");

        Assert.All(Objects(labeled).Select(it => it.Metadata.Labels).Concat(labeled.Pods.Select(pod => pod.Labels)), labels =>
        {
            Assert.Equal("speech", labels["team"]);
            Assert.Equal("platform", labels["app.kubernetes.io/part-of"]);
        });
        Assert.Equal(Selectors(plain), Selectors(labeled));
        Assert.DoesNotContain(Selectors(labeled), selector => selector.Contains("team", StringComparison.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Chart.ExamplesAndDefaults), MemberType = typeof(Chart))]
    public async Task VersionLabels_AllObjects_HaveThemAndPodTemplatesDoNot(string example)
    {
        var chart = await Chart.RenderAsync(example);
        Assert.All(Objects(chart), it =>
        {
            Assert.StartsWith("affect-", it.Metadata.Labels["helm.sh/chart"]);
            Assert.Contains("app.kubernetes.io/version", it.Metadata.Labels);
        });
        Assert.All(
            chart.All<V1Deployment>().Select(it => it.Spec.Template)
                .Concat(chart.All<V1CronJob>().Select(it => it.Spec.JobTemplate.Spec.Template))
                .SelectMany(template => template.Metadata.Labels.Keys),
            label => Assert.False(label is "helm.sh/chart" or "app.kubernetes.io/version", label));
    }

    /// <summary>A changed pod template would restart the pods of all services together.</summary>
    [Fact]
    public async Task PodTemplates_OtherVersionOfTheChart_DoNotChange()
    {
        var folder = Directory.CreateTempSubdirectory("affect-chart-").FullName;
        try
        {
            foreach (var file in Directory.EnumerateFiles(Chart.Folder, "*", SearchOption.AllDirectories))
            {
                var copy = Path.Combine(folder, Path.GetRelativePath(Chart.Folder, file));
                Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
                File.Copy(file, copy);
            }
            var metadata = Path.Combine(folder, "Chart.yaml");
            File.WriteAllText(metadata, File.ReadAllText(metadata).Replace("\nversion: 0.1.0", "\nversion: 0.2.0", StringComparison.Ordinal));

            var changed = await Chart.RenderFolderAsync(folder, "affect");
            Assert.Contains(Objects(changed), it => it.Metadata.Labels["helm.sh/chart"] == "affect-0.2.0");
            Assert.Equal(Templates(await Chart.RenderAsync(Chart.Defaults)), Templates(changed));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        static IEnumerable<string> Templates(Chart chart) => chart.All<V1Deployment>().Select(it => Write(it.Spec.Template));
    }

    private static Task<Chart> RenderAsync(string example, string release, string settings) =>
        Chart.RenderReleaseAsync(release, example, settings.Length == 0 ? [] : [settings]);

    private static IEnumerable<(string Kind, V1ObjectMeta Metadata)> Objects(Chart chart) => chart.Objects.Select(it => it switch
    {
        CustomResource resource => (resource.Kind, resource.Metadata),
        IKubernetesObject<V1ObjectMeta> builtin => (builtin.Kind, builtin.Metadata),
        _ => throw new ArgumentException($"{it.GetType()} must have metadata.", nameof(chart)),
    });

    private static List<string> Selectors(Chart chart) =>
    [
        .. chart.All<V1Service>().Select(it => Write(it.Spec.Selector))
            .Concat(chart.All<V1Deployment>().Select(it => Write(it.Spec.Selector)))
            .Concat(chart.All<V1Deployment>().Select(it => Write(it.Spec.Template.Spec.TopologySpreadConstraints)))
            .Concat(chart.All<V1PodDisruptionBudget>().Select(it => Write(it.Spec.Selector)))
            .Concat(chart.All<V1NetworkPolicy>().Select(it => Write(it.Spec)))
            .Concat(chart.All<ServiceMonitor>().Select(it => Write(it.Spec.Selector))),
    ];

    private static string Write(object part) => KubernetesJson.Serialize(part);

    [GeneratedRegex(@"(dns:///|value: https?://)(?<host>[a-z0-9-]+):8081")]
    private static partial Regex Address();
}
