using System.ComponentModel.DataAnnotations;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Affect.Gateway;
using k8s;
using k8s.Models;

namespace Affect.ChartTests;

public sealed partial class ChartTests
{
    private const string Digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    private const string Archive = "https://models.example/models.tar.gz";

    /// <summary>Ignores the order of documents, which depends on Helm.</summary>
    [Theory]
    [MemberData(nameof(Chart.Examples), MemberType = typeof(Chart))]
    public async Task Example_Rendered_EqualsCommittedFile(string example)
    {
        var rendered = await Chart.RenderAsync(example);
        var committed = await ReadAsync(Path.Combine(Chart.Folder, "examples", example, "rendered.yaml"));
        Assert.Equal(Documents(committed), Documents(GeneratedKey().Replace(rendered.Text, "$1 GENERATED"))); // examples/render updates it.
    }

    [Theory]
    [InlineData("replica", "services.speech.replica=3")]
    [InlineData("gpus", "services.speech.gpus=1")]
    [InlineData("imagee", "imagee.tag=1.0.0")]
    [InlineData("mutual", "tls.internal.mutual=true")]
    [InlineData("transcripts", "services.transcripts.replicas=1")]
    [InlineData("sha256", "gateway.apiKeys.me.sha256=secret")]
    [InlineData("quantity", "services.speech.resources.limits.quantity=2cores")]
    [InlineData("host", "ingress.enabled=true", "ingress.host=Affect_Example")]
    [InlineData("maxUnavailable", "services.speech.maxUnavailable=150%")]
    [InlineData("maxSurge", "services.speech.rollout.maxSurge=one")]
    [InlineData("schedule", "jobs.all.image=cli", "jobs.all.args[0]=batch", "jobs.all.schedule=daily")]
    [InlineData("cidr", "networkPolicy.issuer[0].ipBlock.cidr=203.0.113.7")]
    [InlineData("hostnames", "gatewayApi.hostnames[0]=https://affect.example")]
    [InlineData("two words", "commonLabels.two words=x")]
    [InlineData("topologySpread", "defaults.topologySpread[0]=zone", "defaults.topologySpread[1]=zone")]
    [InlineData("source", "models.source=ftp")]
    [InlineData("fullnameOverride", "fullnameOverride=a-name-of-more-than-fifty-characters-which-is-too-long")]
    [InlineData("fullnameOverride", "fullnameOverride=Affect")]
    [InlineData("command", "jobs.train.image=training", "jobs.train.command[0]=sh", "jobs.train.args[0]=train")]
    public async Task Values_Invalid_AreRejectedByName(string name, params string[] settings) =>
        Assert.Contains(name, await Chart.RejectAsync(settings));

    [Fact]
    public async Task Schema_Objects_RejectUnknownKeys()
    {
        using var schema = JsonDocument.Parse(await ReadAsync(Path.Combine(Chart.Folder, "values.schema.json")));
        Check(schema.RootElement, "$");

        static void Check(JsonElement element, string path)
        {
            if (element.ValueKind != JsonValueKind.Object)
                return;
            if (element.TryGetProperty("properties", out _) && element.TryGetProperty("type", out _))
                Assert.True(element.TryGetProperty("additionalProperties", out var more) && more.ValueKind == JsonValueKind.False, path);
            foreach (var property in element.EnumerateObject())
                Check(property.Value, $"{path}.{property.Name}");
        }
    }

    [Theory]
    [InlineData("services.fusion.autoscaling.metric: queue is valid only for speech and face", "services.fusion.autoscaling.metric=queue")]
    [InlineData(
        "services.speech.autoscaling: minReplicas (12) must not exceed maxReplicas (10)", "services.speech.autoscaling.minReplicas=12")]
    [InlineData("services.face.rollout: maxSurge and maxUnavailable must not both be 0", "services.face.rollout.maxSurge=0")]
    [InlineData("maxSurge and maxUnavailable must not both be 0", "defaults.rollout.maxSurge=0%", "defaults.rollout.maxUnavailable=0")]
    [InlineData(
        "services.speech.resources: the limit of cpu (100m) must not be below the request (500m)",
        "services.speech.resources.limits.cpu=100m")]
    [InlineData("the limit of memory (2Gi) must not be below the request (3G)", "services.fusion.resources.requests.memory=3G")]
    [InlineData("the limit of memory (1e8) must not be below the request (256Mi)", "services.gateway.resources.limits.memory=1e8")]
    [InlineData(
        "jobs.all.resources: the limit of cpu (2) must not be below the request (4)",
        "jobs.all.image=cli", "jobs.all.args[0]=batch", "jobs.all.resources.requests.cpu=4")]
    [InlineData("ingress.host must name the host", "ingress.enabled=true")]
    [InlineData("ingress.host must name the host", "ingress.enabled=true", "ingress.grpcHost=grpc.example")]
    [InlineData("image.tag must be a version: latest does not identify an image", "image.tag=latest")]
    [InlineData("must not contain app.kubernetes.io/name, which the chart sets", "commonLabels.app\\.kubernetes\\.io/name=other")]
    [InlineData("must not contain helm.sh/chart, which the chart sets", "defaults.podLabels.helm\\.sh/chart=other")]
    [InlineData(
        "must not contain app.kubernetes.io/version, which the chart sets",
        "telemetry.metrics.enabled=true", "telemetry.metrics.serviceMonitor=true", "telemetry.metrics.labels.app\\.kubernetes\\.io/version=x")]
    [InlineData("mutually exclusive", "gateway.existingSecret=a", $"gateway.apiKeys.me.sha256={Digest}")]
    [InlineData("models.download.sha256", "models.source=download", $"models.download.url={Archive}")]
    [InlineData("models.claim", "models.source=claim")]
    [InlineData("tls.internal", "tls.internal.enabled=true")]
    [InlineData("networkPolicy.broker", "dapr.enabled=true")]
    [InlineData("tls.gateway", "tls.gateway.enabled=true")]
    [InlineData("gatewayApi.parentRefs", "gatewayApi.enabled=true")]
    [InlineData("requires telemetry.metrics.enabled", "telemetry.metrics.serviceMonitor=true")]
    [InlineData("require telemetry.metrics.enabled or", "telemetry.metrics.alerts=true")]
    public async Task Values_Contradictory_AreRejectedWithReason(string reason, params string[] settings) =>
        Assert.Contains(reason, await Chart.RejectAsync(settings));

    [Theory]
    [InlineData("voice.prod")]
    [InlineData("1voice")]
    public async Task ReleaseName_NotValidInServiceNames_IsRejected(string release)
    {
        var (exit, _, error) = await Chart.HelmAsync("template", release, Chart.Folder);
        Assert.NotEqual(0, exit);
        Assert.Contains($"{release}-affect is not valid as a prefix of Service names", error);
        await Chart.RenderReleaseAsync(release, Chart.Defaults, "fullnameOverride=voice");
    }

    [Fact]
    public async Task ApiKeys_EveryLimit_IsASettingWithTheSameRange()
    {
        using var schema = JsonDocument.Parse(await ReadAsync(Path.Combine(Chart.Folder, "values.schema.json")));
        var values = schema.RootElement.GetProperty("properties").GetProperty("gateway").GetProperty("properties").GetProperty("apiKeys")
            .GetProperty("additionalProperties").GetProperty("properties");
        var limits = typeof(LimitOptions).GetProperties().Select(property => (property.Name, property.GetCustomAttribute<RangeAttribute>()!)).ToList();
        var settings = limits.Select(limit => $"gateway.apiKeys.me.{JsonNamingPolicy.CamelCase.ConvertName(limit.Name)}={limit.Item2.Maximum}");

        var chart = await Chart.RenderAsync(Chart.Defaults, [$"gateway.apiKeys.me.sha256={Digest}", .. settings]);
        var secret = chart.All<V1Secret>().Single(it => it.Metadata.Name == "affect-api-keys");
        Assert.All(limits, limit =>
        {
            var (name, range) = limit;
            Assert.Equal($"{range.Maximum}", secret.StringData[$"Gateway__ApiKeys__me__{name}"]);
            var value = values.GetProperty(JsonNamingPolicy.CamelCase.ConvertName(name));
            Assert.Equal(((int)range.Minimum, (int)range.Maximum), (value.GetProperty("minimum").GetInt32(), value.GetProperty("maximum").GetInt32()));
        });
    }

    [Fact]
    public async Task ClientKey_Generated_MatchesHashOfGateway()
    {
        var chart = await Chart.RenderAsync(Chart.Defaults);
        var secret = Assert.Single(chart.All<V1Secret>(), it => it.Metadata.Name == "affect-client-key");
        Assert.InRange(secret.StringData["key"].Length, 32, int.MaxValue);
        var hash = SHA256.HashData(Encoding.ASCII.GetBytes(secret.StringData["key"]));
        Assert.Equal(Convert.ToHexStringLower(hash), secret.StringData["sha256"]);

        var gateway = Container(chart, "affect-gateway");
        Assert.Equal((secret.Metadata.Name, "sha256"), Reference(gateway, "Gateway__ApiKeys__chart__Sha256"));
        Assert.All(
            chart.All<V1Pod>().SelectMany(test => test.Spec.Containers),
            container => Assert.Equal((secret.Metadata.Name, "key"), Reference(container, "AFFECT_API_KEY")));

        static (string, string) Reference(V1Container container, string name)
        {
            var reference = Assert.Single(container.Env, it => it.Name == name).ValueFrom.SecretKeyRef;
            return (reference.Name, reference.Key);
        }
    }

    [Fact]
    public async Task HelmTest_EachCheck_IsAPodWithOneContainerThatStaysForItsLog()
    {
        var tests = (await Chart.RenderAsync(Chart.Defaults)).All<V1Pod>().ToList();

        Assert.Equal(["affect-test-analyze", "affect-test-models", "affect-test-stream"], tests.Select(test => test.Metadata.Name).Order());
        Assert.All(tests, test =>
        {
            Assert.Equal("test", test.Metadata.Annotations["helm.sh/hook"]);
            Assert.Equal("before-hook-creation", test.Metadata.Annotations["helm.sh/hook-delete-policy"]);
            Assert.Equal("Never", test.Spec.RestartPolicy);
            Assert.Equal(test.Metadata.Name, $"affect-test-{Assert.Single(test.Spec.Containers).Name}");
        });
    }

    [Fact]
    public async Task CheckpointKey_Generated_IsASettingOfFusionAlone()
    {
        var chart = await Chart.RenderAsync(Chart.Defaults);
        var secret = Assert.Single(chart.All<V1Secret>(), it => it.Metadata.Name == "affect-checkpoints");
        var (name, value) = Assert.Single(secret.Data);
        Assert.Equal("Fusion__CheckpointKeys__0", name);
        Assert.Equal(32, Convert.FromBase64String(Encoding.ASCII.GetString(value)).Length);
        Assert.Equal(["affect-fusion"], Users(chart, "affect-checkpoints"));

        var own = await Chart.RenderAsync(Chart.Defaults, "checkpoints.existingSecret=mine");
        Assert.DoesNotContain(own.All<V1Secret>(), it => it.Metadata.Name == "affect-checkpoints");
        Assert.Equal(["affect-fusion"], Users(own, "mine"));

        static IEnumerable<string> Users(Chart chart, string secret) => chart.Pods
            .Where(pod => pod.Spec.Containers.Any(container => (container.EnvFrom ?? []).Any(it => it.SecretRef.Name == secret)))
            .Select(pod => pod.Name);
    }

    /// <summary>The Secrets that examples ask for are made by hand: Helm would refuse to make one of the same name.</summary>
    [Theory]
    [MemberData(nameof(Chart.Examples), MemberType = typeof(Chart))]
    public async Task Example_OwnSecrets_HaveOtherNamesThanThoseOfTheChart(string example)
    {
        var chart = await Chart.RenderAsync(example);
        var made = chart.All<V1Secret>().Select(it => it.Metadata.Name).Concat(chart.All<Certificate>().Select(it => it.Spec.SecretName));
        var used = chart.Pods.SelectMany(pod => pod.Spec.Containers).SelectMany(container =>
            (container.EnvFrom ?? []).Select(it => it.SecretRef.Name)
                .Concat(container.Env.Select(it => it.ValueFrom?.SecretKeyRef?.Name).OfType<string>()));
        Assert.Empty(used.Except(made).Intersect(["affect-api-keys", "affect-client-key", "affect-checkpoints"]));
    }

    [Fact]
    public async Task ModelsOci_KubernetesWithoutImageVolumes_IsRejected()
    {
        var (exit, _, error) = await Chart.HelmAsync(
            "template", "affect", Chart.Folder, "--kube-version", "1.32.9", "--set", "models.source=oci,models.oci.reference=registry.example/models:1");
        Assert.NotEqual(0, exit);
        Assert.Contains("models.source: oci requires Kubernetes 1.33 or later", error);
    }

    [Fact]
    public async Task Gateway_NoKeyRequired_AllowsItsOwnHosts()
    {
        var chart = await Chart.RenderAsync(
            Chart.Defaults, "gateway.requireApiKey=false", "ingress.enabled=true", "ingress.host=affect.example", "gatewayApi.hostnames[0]=*.example");

        Assert.Equal(
            ["affect-gateway", "affect-gateway.affect", "affect-gateway.affect.svc", "affect-gateway.affect.svc.cluster.local", "affect.example", "*.example"],
            Container(chart, "affect-gateway").Env
                .Where(variable => variable.Name.StartsWith("Gateway__AllowedHosts__", StringComparison.Ordinal)).Select(variable => variable.Value));
    }

    [Fact]
    public async Task InternalTls_Enabled_RequiresClientCertificates()
    {
        var chart = await Chart.RenderAsync("call-center");
        foreach (var service in (string[])["affect-fusion", "affect-features", "affect-speech", "affect-face"])
        {
            var container = Container(chart, service);
            Assert.Equal("/tls/internal", Value(container, "Server__TlsPath"));
            Assert.Equal("true", Value(container, "Server__RequireClientCertificate"));
            var certificate = Assert.Single(chart.All<Certificate>(), it => it.Spec.SecretName == $"{service}-tls");
            Assert.Contains(service, certificate.Spec.DnsNames);
            Assert.Equal(["server auth", "client auth"], certificate.Spec.Usages[^2..]);
        }
        Assert.Equal("/tls/internal", Value(Container(chart, "affect-fusion"), "Server__PeerTlsPath"));
        var gateway = Container(chart, "affect-gateway");
        Assert.Equal(("/tls/public", "/tls/internal"), (Value(gateway, "Server__TlsPath"), Value(gateway, "Server__PeerTlsPath")));
        Assert.Null(Value(gateway, "Server__RequireClientCertificate"));
        Assert.All(
            chart.All<V1Pod>().SelectMany(test => test.Spec.Containers),
            container => Assert.Equal("https://affect-gateway:8081", Value(container, "AFFECT_ADDRESS")));
    }

    [Fact]
    public async Task Gpu_Enabled_SetsImageResourceAndProvider()
    {
        var chart = await Chart.RenderAsync("gpu");
        var speech = Container(chart, "affect-speech");
        Assert.Equal(("affect/speech:0.1.0-gpu", "TensorRt"), (speech.Image, Value(speech, "Speech__Provider")));
        Assert.Equal("1", speech.Resources.Limits["nvidia.com/gpu"].ToString());
        var cache = Assert.Single(speech.VolumeMounts, mount => mount.MountPath == Value(speech, "Speech__TensorRtCachePath"));
        Assert.NotEqual(true, cache.ReadOnlyProperty);
        var face = Container(chart, "affect-face");
        Assert.Equal("1", face.Resources.Limits["nvidia.com/mig-1g.10gb"].ToString());
        Assert.DoesNotContain("nvidia", Container(chart, "affect-fusion").Resources.Limits.Keys.Aggregate(string.Concat));
        var scaledObject = Assert.Single(chart.All<ScaledObject>(), it => it.Metadata.Name == "affect-speech");
        Assert.Contains("affect_inference_queue_duration_seconds_bucket{job=\"affect-speech\"}", scaledObject.Spec.Triggers[0].Metadata.Query);
    }

    [Theory]
    [InlineData("models.source=claim", "models.claim=weights")]
    [InlineData("models.source=oci", "models.oci.reference=registry.example/models:1")]
    [InlineData("models.source=download", $"models.download.url={Archive}", $"models.download.sha256={Digest}")]
    public async Task Models_Source_IsMounted(params string[] settings)
    {
        var chart = await Chart.RenderAsync(Chart.Defaults, settings);
        foreach (var service in (string[])["speech", "face"])
        {
            var pod = chart.All<V1Deployment>().Single(it => it.Metadata.Name == $"affect-{service}").Spec.Template.Spec;
            var mount = Assert.Single(pod.Containers[0].VolumeMounts);
            Assert.True(mount.ReadOnlyProperty);
            Assert.Equal(mount.MountPath, Value(pod.Containers[0], $"{char.ToUpperInvariant(service[0])}{service[1..]}__ModelsPath"));
            var volume = Assert.Single(pod.Volumes, it => it.Name == mount.Name);
            switch (settings[0])
            {
                case "models.source=claim": Assert.Equal("weights", volume.PersistentVolumeClaim.ClaimName); break;
                case "models.source=oci": Assert.Equal("registry.example/models:1", volume.Image.Reference); break;
                default:
                    var download = Assert.Single(pod.InitContainers);
                    Assert.Contains(download.VolumeMounts, it => it.Name == volume.Name && it.ReadOnlyProperty != true);
                    Assert.Contains(Digest, download.Args);
                    break;
            }
        }
        Assert.Null(Container(chart, "affect-fusion").VolumeMounts);
    }

    [Fact]
    public async Task DaprComponent_Redis_EqualsDeployDapr()
    {
        var chart = await Chart.RenderAsync("air-gapped");
        var component = Assert.Single(chart.All<DaprComponent>());
        var expected = (DaprComponent)Assert.Single(KubernetesYaml.LoadAllFromString(
            await ReadAsync(Path.Combine(AppContext.BaseDirectory, "pubsub.yaml")), CustomResources.Kinds, strict: true));

        Assert.Equal(expected.Metadata.Name, component.Metadata.Name);
        Assert.Equal((expected.Spec.Type, expected.Spec.Version), (component.Spec.Type, component.Spec.Version));
        Assert.Equal(expected.Scopes, component.Scopes);
        Assert.Equal(Entries(expected), Entries(component));
        Assert.Equal(component.Metadata.Name, Value(Container(chart, "affect-gateway"), "Gateway__Events__PubSub"));

        static IEnumerable<string> Entries(DaprComponent component) =>
            component.Spec.Metadata.Select(it => $"{it.Name}: {it.Value}{it.SecretKeyRef?.Name}/{it.SecretKeyRef?.Key}").Order();
    }

    [Fact]
    public async Task Readme_Values_AreAllDocumented()
    {
        var readme = await ReadAsync(Path.Combine(Chart.Folder, "README.md"));
        using var schema = JsonDocument.Parse(await ReadAsync(Path.Combine(Chart.Folder, "values.schema.json")));
        var root = schema.RootElement;
        var values = root.GetProperty("properties").EnumerateObject().Where(it => it.Name is not "global" and not "services" and not "defaults")
            .SelectMany(it => Paths(it.Value, it.Name));
        var definitions = root.GetProperty("definitions");
        Assert.All(
            values.Concat(Paths(definitions.GetProperty("workload"), "")).Concat(Paths(definitions.GetProperty("job"), "")),
            path => Assert.Contains($"`{path.TrimStart('.')}`", readme));

        static IEnumerable<string> Paths(JsonElement element, string path) => element.TryGetProperty("properties", out var properties)
            ? properties.EnumerateObject().SelectMany(it => Paths(it.Value, $"{path}.{it.Name}"))
            : [path];
    }

    [GeneratedRegex("(Fusion__CheckpointKeys__0:).*")]
    private static partial Regex GeneratedKey();

    private static V1Container Container(Chart chart, string deployment) =>
        chart.All<V1Deployment>().Single(it => it.Metadata.Name == deployment).Spec.Template.Spec.Containers[0];

    private static string? Value(V1Container container, string name) => container.Env.SingleOrDefault(it => it.Name == name)?.Value;

    private static Task<string> ReadAsync(string path) => File.ReadAllTextAsync(path, TestContext.Current.CancellationToken);

    private static List<string> Documents(string text) =>
    [
        .. text.Split("\n---", StringSplitOptions.RemoveEmptyEntries).Select(document => document.Trim('-', '\n', ' '))
            .Order(StringComparer.Ordinal),
    ];
}
