using System.CommandLine;
using System.Text;
using Affect.Inference;
using Affect.Training.Architectures;
using Affect.Training.Evaluation;
using Affect.Training.Export;

namespace Affect.Training.Commands;

/// <summary><c>report</c>: writes README, report.json, plots and model cards of the repository from the manifests.</summary>
internal static class ReportCommand
{
    public static Command Create()
    {
        var command = new Command("report", "Writes README.md, report.json, plots and model cards of the model repository.")
        {
            CommonOptions.Models,
        };
        command.SetAction((parsed, _) => CommonOptions.InvokeAsync(() =>
        {
            Write(parsed.GetValue(CommonOptions.Models)!);
            return Task.CompletedTask;
        }));
        return command;
    }

    /// <summary>Writes the files.</summary>
    /// <param name="root">The model repository.</param>
    /// <exception cref="InvalidDataException">A manifest is invalid.</exception>
    public static void Write(string root)
    {
        var manifests = Read(root);
        var plots = new Dictionary<string, IReadOnlyList<string>>();
        foreach (var manifest in manifests)
        {
            var drawn = Plots.Draw(manifest).ToList();
            foreach (var name in Plots.Names)
                File.Delete(Path.Combine(root, manifest.Name, name));
            foreach (var (name, svg) in drawn)
                ModelFolder.WriteAtomically(Path.Combine(root, manifest.Name, name), Encoding.UTF8.GetBytes(svg));
            plots[manifest.Name] = [.. drawn.Select(plot => plot.Name)];
            // Foreign models bring their own card.
            if (Architecture.All.TryGetValue(manifest.Name, out var architecture))
                ModelFolder.WriteCard(root, architecture, manifest);
        }
        var report = new ModelReport(manifests);
        ModelFolder.WriteAtomically(Path.Combine(root, "report.json"), ReadableJson.Write(report.ToJson()));
        ModelFolder.WriteAtomically(Path.Combine(root, "README.md"), Encoding.UTF8.GetBytes(report.ToMarkdown(plots)));
        Console.WriteLine($"{manifests.Count} models: {Path.Combine(root, "README.md")}");
    }

    private static List<ModelManifest> Read(string root)
    {
        var manifests = new List<ModelManifest>();
        foreach (var folder in Directory.EnumerateDirectories(root).Order(StringComparer.Ordinal))
        {
            var path = Path.Combine(folder, "manifest.json");
            if (!File.Exists(path))
                continue;
            manifests.Add(ManifestReader.Read(File.ReadAllBytes(path), Path.GetFileName(folder), out var mistakes)
                ?? throw new InvalidDataException($"{path}: {string.Join("; ", mistakes)}"));
        }
        return manifests;
    }
}
