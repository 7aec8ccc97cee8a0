using System.Text;
using System.Text.Json.Nodes;
using k8s.Models;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Affect.ChartTests;

/// <summary>Upgrades keep the state of the cluster: rendered by Helm against an API server of the test that has the objects of a release.</summary>
public sealed class UpgradeTests : IAsyncLifetime
{
    /// <summary>The kinds of the chart without optional features.</summary>
    private static readonly Dictionary<string, string[]> Kinds = new()
    {
        ["v1"] = ["Pod", "Secret", "Service", "ServiceAccount"],
        ["apps/v1"] = ["Deployment"],
        ["autoscaling/v2"] = ["HorizontalPodAutoscaler"],
        ["networking.k8s.io/v1"] = ["NetworkPolicy"],
        ["policy/v1"] = ["PodDisruptionBudget"],
    };

    private readonly Dictionary<string, JsonObject> _objects = [];
    private readonly WebApplication _cluster;

    public UpgradeTests()
    {
        var builder = WebApplication.CreateBuilder(["--hostBuilder:reloadConfigOnChange=false", "--urls=http://127.0.0.1:0"]);
        builder.Logging.ClearProviders();
        _cluster = builder.Build();
        _cluster.MapGet("/version", () => new { major = "1", minor = "34", gitVersion = "v1.34.0" });
        _cluster.MapGet("/api", () => new { kind = "APIVersions", versions = (string[])["v1"] });
        _cluster.MapGet("/api/v1", () => Resources("v1"));
        _cluster.MapGet("/apis", () => new
        {
            kind = "APIGroupList",
            apiVersion = "v1",
            groups = Kinds.Keys.Where(version => version.Contains('/', StringComparison.Ordinal)).Select(version => new
            {
                name = version.Split('/')[0],
                versions = new[] { new { groupVersion = version, version = version.Split('/')[1] } },
            }),
        });
        _cluster.MapGet("/apis/{group}/{version}", (string group, string version) => Resources($"{group}/{version}"));
        _cluster.MapFallback((HttpContext context) => _objects.TryGetValue(context.Request.Path, out var found)
            ? Results.Json(found)
            : Results.Json(new { kind = "Status", apiVersion = "v1", status = "Failure", reason = "NotFound", code = 404 }, statusCode: 404));

        static object Resources(string version) => new
        {
            kind = "APIResourceList",
            apiVersion = "v1",
            groupVersion = version,
            resources = Kinds[version].Select(kind =>
                new { name = $"{kind.ToLowerInvariant()}s", kind, namespaced = true, verbs = (string[])["get"] }),
        };
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>Without replicas in the manifest, the API server would set 1 where the last release had a number.</summary>
    [Theory]
    [InlineData(1, 1)]
    [InlineData(7, 7)]
    [InlineData(0, 1)]
    public async Task Autoscaling_TurnedOn_KeepsTheNumberOfReplicas(int live, int expected)
    {
        foreach (var service in (string[])["gateway", "fusion", "features", "speech", "face"])
            Add("/apis/apps/v1/namespaces/affect/deployments", $"affect-{service}", "spec", new() { ["replicas"] = live });

        var chart = await RenderAsync();
        Assert.All(chart.All<V1Deployment>(), deployment => Assert.Equal(expected, deployment.Spec.Replicas));
        Assert.Equal(5, chart.All<V2HorizontalPodAutoscaler>().Count());
    }

    [Fact]
    public async Task Autoscaling_FirstInstall_LeavesTheNumberToTheAutoscaler() =>
        Assert.All((await RenderAsync()).All<V1Deployment>(), deployment => Assert.Null(deployment.Spec.Replicas));

    [Fact]
    public async Task GeneratedSecrets_Upgrade_AreKeptWithAddedKeys()
    {
        var client = new JsonObject { ["key"] = Base64("an earlier key"), ["sha256"] = Base64("its hash") };
        var checkpoints = new JsonObject { ["Fusion__CheckpointKeys__0"] = Base64("new"), ["Fusion__CheckpointKeys__1"] = Base64("old") };
        Add("/api/v1/namespaces/affect/secrets", "affect-client-key", "data", client);
        Add("/api/v1/namespaces/affect/secrets", "affect-checkpoints", "data", checkpoints);

        var secrets = (await RenderAsync()).All<V1Secret>().ToDictionary(secret => secret.Metadata.Name);
        Assert.Equal("an earlier key", secrets["affect-client-key"].StringData["key"]);
        Assert.Equal(
            [("Fusion__CheckpointKeys__0", "new"), ("Fusion__CheckpointKeys__1", "old")],
            secrets["affect-checkpoints"].Data.OrderBy(it => it.Key).Select(it => (it.Key, Encoding.ASCII.GetString(it.Value))));
    }

    public async ValueTask InitializeAsync() => await _cluster.StartAsync(Cancellation);

    public async ValueTask DisposeAsync() => await _cluster.DisposeAsync();

    private async Task<Chart> RenderAsync()
    {
        string[] server =
        [
            "--is-upgrade", "--dry-run=server", "--disable-openapi-validation", "--kube-apiserver", _cluster.Urls.Single(), "--kube-token", "none",
        ];
        var (_, _, error) = await Chart.HelmAsync(["template", "affect", Chart.Folder, .. server]);
        Assert.SkipWhen(error.Contains("unknown flag", StringComparison.Ordinal), "requires a Helm that can look up objects in a cluster");
        return await Chart.RenderFolderAsync(Chart.Folder, "affect", server);
    }

    private void Add(string path, string name, string part, JsonObject content) => _objects[$"{path}/{name}"] = new JsonObject
    {
        ["apiVersion"] = path.Contains("/apps/", StringComparison.Ordinal) ? "apps/v1" : "v1",
        ["kind"] = path.EndsWith("secrets", StringComparison.Ordinal) ? "Secret" : "Deployment",
        ["metadata"] = new JsonObject { ["name"] = name, ["namespace"] = "affect" },
        [part] = content,
    };

    private static string Base64(string text) => Convert.ToBase64String(Encoding.ASCII.GetBytes(text));
}
