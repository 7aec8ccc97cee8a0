using System.Diagnostics;
using k8s;
using k8s.Models;

namespace Affect.ChartTests;

/// <summary>The chart as Helm renders it.</summary>
internal sealed record Chart(string Text, IReadOnlyList<object> Objects)
{
    /// <summary>Renders values.yaml alone, without an example.</summary>
    public const string Defaults = "";

    public static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "charts", "affect");

    /// <summary>The names of the folders of examples.</summary>
    public static TheoryData<string> Examples =>
        [.. Directory.EnumerateDirectories(Path.Combine(Folder, "examples")).Select(folder => Path.GetFileName(folder))];

    /// <summary>Every example, and the defaults.</summary>
    public static TheoryData<string> ExamplesAndDefaults => [.. Examples, Defaults];

    // A version, because each release of Helm assumes another one; 1.33 is the oldest with image volumes.
    private static readonly string[] Common = ["--namespace", "affect", "--kube-version", "1.33.0"];

    private static readonly Dictionary<string, Type> Kinds = new(ModelTypes.Builtin.Concat(CustomResources.Kinds));

    /// <summary>Renders an example as the release affect.</summary>
    public static Task<Chart> RenderAsync(string example, params string[] settings) => RenderReleaseAsync("affect", example, settings);

    /// <summary>Renders an example. Fails if Helm rejects it, or if Kubernetes would reject a document or a field.</summary>
    public static async Task<Chart> RenderReleaseAsync(string release, string example, params string[] settings)
    {
        string[] values = example == Defaults ? [] : ["--values", Path.Combine(Folder, "examples", example, "values.yaml")];
        return await RenderFolderAsync(Folder, release, [.. values, .. settings.SelectMany(setting => (string[])["--set", setting])]);
    }

    /// <summary>Renders the chart in a folder, with arguments of helm template.</summary>
    public static async Task<Chart> RenderFolderAsync(string folder, string release, params string[] arguments)
    {
        var (exit, output, error) = await HelmAsync(["template", release, folder, .. Common, .. arguments]);
        Assert.True(exit == 0, error);
        return new(output, KubernetesYaml.LoadAllFromString(output, Kinds, strict: true));
    }

    /// <summary>Renders invalid values and returns Helm's error.</summary>
    public static async Task<string> RejectAsync(params string[] settings)
    {
        var (exit, _, error) = await HelmAsync(
            ["template", "affect", Folder, .. Common, .. settings.SelectMany(setting => (string[])["--set", setting])]);
        Assert.NotEqual(0, exit);
        return error;
    }

    public IEnumerable<T> All<T>() => Objects.OfType<T>();

    /// <summary>Every pod that the objects create, with its labels.</summary>
    public IEnumerable<(string Name, IDictionary<string, string> Labels, V1PodSpec Spec)> Pods =>
        All<V1Deployment>().Select(it => (it.Metadata.Name, it.Spec.Template.Metadata.Labels, it.Spec.Template.Spec))
            .Concat(All<V1CronJob>().Select(it => (it.Metadata.Name, Template: it.Spec.JobTemplate.Spec.Template))
                .Select(it => (it.Name, it.Template.Metadata.Labels, it.Template.Spec)))
            .Concat(All<V1Pod>().Select(it => (it.Metadata.Name, it.Metadata.Labels, it.Spec)));

    /// <summary>True if the labels satisfy the selector.</summary>
    public static bool Selects(IDictionary<string, string>? selector, IDictionary<string, string> labels) =>
        selector is null || selector.All(label => labels.TryGetValue(label.Key, out var value) && value == label.Value);

    /// <summary>Runs helm; skips the test if it is not available.</summary>
    public static async Task<(int Exit, string Output, string Error)> HelmAsync(params string[] arguments)
    {
        var helm = Environment.GetEnvironmentVariable("AFFECT_HELM") is { Length: > 0 } named ? named : OnPath();
        Assert.SkipWhen(helm is null, "requires helm on the PATH or in AFFECT_HELM");
        using var process = Process.Start(new ProcessStartInfo(helm!, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        var error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (process.ExitCode, await output, await error);
    }

    private static string? OnPath() => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Select(folder => Path.Combine(folder, "helm")).FirstOrDefault(File.Exists);
}
