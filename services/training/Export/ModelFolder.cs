using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Affect.Emotions;
using Affect.Inference;
using Affect.Training.Architectures;
using Affect.Training.Evaluation;

namespace Affect.Training.Export;

/// <summary>A model's folder in the repository: manifest.json, MODEL_CARD.md and VERSION/model.onnx.</summary>
internal static class ModelFolder
{
    private const string License =
        "Weights for research and non-commercial use: the data they were trained on allow no more. Code Apache-2.0.";

    /// <summary>Writes the file of a version, and a manifest without figures: those of other weights do not count.</summary>
    /// <param name="models">The repository.</param>
    /// <param name="architecture">Which model it is.</param>
    /// <param name="exported">The file and what goes with it.</param>
    /// <param name="version">Version to write.</param>
    /// <param name="isDefault">Whether it answers where a request names no model.</param>
    /// <param name="learning">How the weights were learnt, where that is known.</param>
    /// <returns>The path of the file.</returns>
    public static string Write(string models, Architecture architecture, Exported exported, string version, bool isDefault, LearningCurves? learning = null)
    {
        var file = $"{version}/model.onnx";
        var path = Path.Combine(models, architecture.Name, file);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        WriteWhole(path, exported.Model);
        foreach (var plot in Directory.EnumerateFiles(Path.Combine(models, architecture.Name), "*.svg"))
            File.Delete(plot);
        var older = File.Exists(ManifestPath(models, architecture)) ? Read(models, architecture).Versions : [];
        Write(models, architecture, new ModelManifest
        {
            Name = architecture.Name,
            Modality = architecture.Modality,
            Description = architecture.Description,
            Default = isDefault,
            Input = architecture.Input with { Mean = exported.Normalization.Mean, Scale = exported.Normalization.Scale },
            Output = new()
            {
                Logits = "logits",
                Embedding = "embedding",
                Labels = EmotionLabels.Names,
                Temperature = exported.Temperature,
                AbstainBelow = exported.AbstainBelow,
            },
            Versions = [.. older.Where(old => old.Version != version),
                new() { Version = version, File = file, Sha256 = Convert.ToHexStringLower(SHA256.HashData(exported.Model)) }],
            License = License,
            Learning = learning,
        });
        if (isDefault)
            TakeDefault(models, architecture);
        return path;
    }

    // One model per modality answers where none is named.
    private static void TakeDefault(string models, Architecture architecture)
    {
        foreach (var other in Directory.EnumerateFiles(models, "manifest.json", SearchOption.AllDirectories).Select(Read))
            if (other.Default && other.Modality == architecture.Modality && other.Name != architecture.Name)
                Write(models, other with { Default = false });
    }

    /// <summary>Writes manifest and card.</summary>
    public static void Write(string models, Architecture architecture, ModelManifest manifest)
    {
        Write(models, manifest);
        WriteCard(models, architecture, manifest);
    }

    private static void Write(string models, ModelManifest manifest) =>
        WriteWhole(Path.Combine(models, manifest.Name, "manifest.json"), ReadableJson.Write(JsonSerializer.SerializeToNode(manifest, ModelManifest.Json)!));

    /// <summary>Writes the card alone. It shows the plots that lie beside it.</summary>
    public static void WriteCard(string models, Architecture architecture, ModelManifest manifest)
    {
        var folder = Path.Combine(models, architecture.Name);
        var plots = Plots.Names.Where(plot => File.Exists(Path.Combine(folder, plot))).ToList();
        WriteWhole(Path.Combine(folder, "MODEL_CARD.md"), Encoding.UTF8.GetBytes(ModelCard.Write(architecture, manifest, plots)));
    }

    /// <summary>Reads a manifest.</summary>
    /// <exception cref="FileNotFoundException">The model was not exported.</exception>
    public static ModelManifest Read(string models, Architecture architecture)
    {
        var path = ManifestPath(models, architecture);
        if (!File.Exists(path))
            throw new FileNotFoundException($"no file {path}: export the model first", path);
        return Read(path);
    }

    private static ModelManifest Read(string path) => JsonSerializer.Deserialize<ModelManifest>(File.ReadAllBytes(path), ModelManifest.Json)!;

    /// <summary>Reads the newest version's file.</summary>
    /// <exception cref="InvalidDataException">The file is not the one that the manifest means.</exception>
    public static byte[] ReadModel(string models, ModelManifest manifest)
    {
        var version = manifest.Versions[^1];
        var path = Path.Combine(models, manifest.Name, version.File);
        var bytes = File.ReadAllBytes(path);
        return Convert.ToHexStringLower(SHA256.HashData(bytes)) == version.Sha256
            ? bytes
            : throw new InvalidDataException($"{path} has another SHA-256 than the manifest says");
    }

    private static string ManifestPath(string models, Architecture architecture) => Path.Combine(models, architecture.Name, "manifest.json");

    /// <summary>Writes a file at once: it is there whole or not at all.</summary>
    public static void WriteWhole(string path, byte[] bytes)
    {
        File.WriteAllBytes(path + ".new", bytes);
        File.Move(path + ".new", path, overwrite: true);
    }
}
