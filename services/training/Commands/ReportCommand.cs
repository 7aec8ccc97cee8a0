using System.CommandLine;
using System.Text;
using Affect.Inference;
using Affect.Training.Architectures;
using Affect.Training.Evaluation;
using Affect.Training.Export;

namespace Affect.Training.Commands;

/// <summary><c>report</c>: README, report.json, plots and cards of the model repository, from its manifests alone.</summary>
internal static class ReportCommand
{
    public static Command Create()
    {
        var command = new Command("report", "Compares all models of the repository: README.md, report.json, plots and cards.") { Shared.Models };
        command.SetAction((parsed, _) => Shared.Guard(() =>
        {
            Write(parsed.GetValue(Shared.Models)!);
            return Task.CompletedTask;
        }));
        return command;
    }

    /// <summary>Writes all files.</summary>
    /// <param name="root">The model repository.</param>
    /// <exception cref="InvalidDataException">A manifest is wrong.</exception>
    public static void Write(string root)
    {
        var manifests = Read(root);
        var plots = new Dictionary<string, IReadOnlyList<string>>();
        foreach (var manifest in manifests)
        {
            var drawn = Plots.Of(manifest).ToList();
            foreach (var name in Plots.Names)
                File.Delete(Path.Combine(root, manifest.Name, name));
            foreach (var (name, svg) in drawn)
                ModelFolder.WriteWhole(Path.Combine(root, manifest.Name, name), Encoding.UTF8.GetBytes(svg));
            plots[manifest.Name] = [.. drawn.Select(plot => plot.Name)];
            // Someone else's model has a card of their own.
            if (Architecture.All.TryGetValue(manifest.Name, out var architecture))
                ModelFolder.WriteCard(root, architecture, manifest);
        }
        var report = new ModelReport(manifests);
        ModelFolder.WriteWhole(Path.Combine(root, "report.json"), ReadableJson.Write(report.ToJson()));
        ModelFolder.WriteWhole(Path.Combine(root, "README.md"), Encoding.UTF8.GetBytes(report.ToMarkdown(plots)));
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
