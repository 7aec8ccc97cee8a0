using System.Text.Json;
using System.Text.RegularExpressions;
using k8s.Models;
using YamlDotNet.Serialization;
using YamlDotNet.Serialization.NamingConventions;

namespace Affect.ChartTests;

/// <summary>Compares dashboard and alerts with the documented metrics and the runbook.</summary>
public sealed partial class MonitoringTests
{
    private static readonly string[] Values =
    [
        "telemetry.metrics.enabled=true",
        "telemetry.metrics.alerts=true",
        "telemetry.metrics.dashboard=true",
        "telemetry.metrics.labels.release=prometheus",
    ];

    [Fact]
    public async Task DashboardAndAlerts_Queries_UseDocumentedMetrics()
    {
        var metrics = Document("README.md").Where(line => line.StartsWith('|'))
            .SelectMany(line => Name().Matches(line)).Select(match => match.Value).ToHashSet();
        var chart = await Chart.RenderAsync(Chart.Defaults, Values);
        var queries = Alerts(chart).Select(rule => rule.Expr).Concat(Dashboard(chart)).ToList();

        Assert.InRange(queries.Count, 30, int.MaxValue);
        Assert.All(queries, query =>
        {
            var queried = Name().Matches(Label().Replace(query, "")).Select(match => Part().Replace(match.Value, "")).ToList();
            Assert.NotEmpty(queried);
            Assert.Empty(queried.Except(metrics));
        });
        // Every metric of the services is shown or alerted.
        Assert.All(
            metrics.Where(name => name.StartsWith("affect_", StringComparison.Ordinal)),
            name => Assert.Contains(queries, query => query.Contains(name, StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Alerts_Runbook_HaveTheSameEntries()
    {
        var alerts = Alerts(await Chart.RenderAsync(Chart.Defaults, Values));
        var entries = Document("RUNBOOK.md").Where(line => line.StartsWith("## Affect", StringComparison.Ordinal))
            .Select(line => line[3..]);

        Assert.Equal(alerts.Select(rule => rule.Alert).Order(), entries.Order());
        Assert.All(alerts, rule =>
        {
            Assert.Contains(rule.Labels["severity"], (string[])["critical", "warning"]);
            Assert.NotEmpty(rule.Annotations["summary"]);
            Assert.Equal($"deploy/observability/RUNBOOK.md#{rule.Alert.ToLowerInvariant()}", rule.Annotations["runbook"]);
        });
    }

    [Fact]
    public async Task DashboardAndAlerts_Labels_MatchPrometheusAndGrafana()
    {
        var chart = await Chart.RenderAsync(Chart.Defaults, Values);
        Assert.Equal("prometheus", Assert.Single(chart.All<PrometheusRule>()).Metadata.Labels["release"]);
        Assert.Equal("1", Assert.Single(chart.All<V1ConfigMap>()).Metadata.Labels["grafana_dashboard"]);
    }

    [Fact]
    public async Task PrometheusAdapter_Rule_ServesTheMetricOfTheAutoscalers()
    {
        var rule = Assert.Single(new DeserializerBuilder().WithNamingConvention(CamelCaseNamingConvention.Instance).Build()
            .Deserialize<Adapter>(string.Join('\n', Document("prometheus-adapter.yaml"))).Rules.External);
        string[] scaling = ["services.speech.autoscaling.metric=queue", "services.face.autoscaling.metric=queue"];
        var external = await Chart.RenderAsync(Chart.Defaults, [.. scaling, "queueScaling.through=external"]);
        var keda = await Chart.RenderAsync(Chart.Defaults, scaling);

        foreach (var service in (string[])["speech", "face"])
        {
            var autoscaler = Assert.Single(external.All<V2HorizontalPodAutoscaler>(), it => it.Metadata.Name == $"affect-{service}");
            var metric = Assert.Single(autoscaler.Spec.Metrics).External.Metric;
            Assert.Equal(rule.Name.As, metric.Name);
            Assert.Equal(new Dictionary<string, string> { ["service"] = service }, metric.Selector.MatchLabels);
            // The adapter expands <<…>> as a Go template.
            var query = rule.MetricsQuery.Replace("<<.Series>>", rule.SeriesQuery, StringComparison.Ordinal)
                .Replace("<<index .LabelValuesByName \"service\">>", service, StringComparison.Ordinal);
            var scaledObject = Assert.Single(keda.All<ScaledObject>(), it => it.Metadata.Name == $"affect-{service}");
            Assert.Equal(scaledObject.Spec.Triggers[0].Metadata.Query, query);
        }
        Assert.False(rule.Resources.Namespaced);
    }

    private static List<PrometheusRule.Rule> Alerts(Chart chart) =>
        [.. chart.All<PrometheusRule>().SelectMany(it => it.Spec.Groups).SelectMany(group => group.Rules)];

    private static List<string> Dashboard(Chart chart)
    {
        using var dashboard = JsonDocument.Parse(Assert.Single(chart.All<V1ConfigMap>()).Data["affect.json"]);
        return [.. dashboard.RootElement.GetProperty("panels").EnumerateArray()
            .Where(panel => panel.GetProperty("type").GetString() != "row")
            .SelectMany(panel => panel.GetProperty("targets").EnumerateArray())
            .Select(target => target.GetProperty("expr").GetString()!)];
    }

    private static IEnumerable<string> Document(string name) =>
        File.ReadLines(Path.Combine(AppContext.BaseDirectory, "observability", name));

    private sealed class Adapter
    {
        public AdapterRules Rules { get; set; } = new();
    }

    private sealed class AdapterRules
    {
        public List<AdapterRule> External { get; set; } = [];
    }

    private sealed class AdapterRule
    {
        public string SeriesQuery { get; set; } = "";
        public AdapterName Name { get; set; } = new();
        public AdapterResources Resources { get; set; } = new();
        public string MetricsQuery { get; set; } = "";
    }

    private sealed class AdapterName
    {
        public string As { get; set; } = "";
    }

    private sealed class AdapterResources
    {
        public bool Namespaced { get; set; } = true;
    }

    [GeneratedRegex("(affect|http|kestrel|dotnet|kube|container)_[a-z_]+")]
    private static partial Regex Name();

    /// <summary>Labels in queries, which would otherwise match as metric names.</summary>
    [GeneratedRegex(@"(http_(route|response_status_code)|rpc_response_status_code)|by \([a-z_, ]+\)")]
    private static partial Regex Label();

    /// <summary>Suffixes of a histogram.</summary>
    [GeneratedRegex("_(bucket|sum|count)$")]
    private static partial Regex Part();
}
