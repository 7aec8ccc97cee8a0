using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Affect.Emotions;
using Affect.Inference;
using Affect.Training.Architectures;
using Affect.Training.Evaluation;

namespace Affect.Training.Export;

/// <summary>The folder of a model in the repository: manifest.json, MODEL_CARD.md and VERSION/model.onnx.</summary>
internal static class ModelFolder
{
    private const string License =
        "Weights: research and non-commercial use only, because of the licenses of the training data. Code: Apache-2.0.";

    /// <summary>Writes a version of a model and a manifest without metrics, because metrics of other weights do not apply.</summary>
    /// <param name="models">The model repository.</param>
    /// <param name="architecture">The model.</param>
    /// <param name="exported">The ONNX file and its manifest values.</param>
    /// <param name="version">The version.</param>
    /// <param name="isDefault">True to make it the default model of its modality.</param>
    /// <param name="learning">Learning curves of the run, if known.</param>
    /// <returns>The path of the ONNX file.</returns>
    public static string Write(
        string models, Architecture architecture, ExportedModel exported, string version, bool isDefault, LearningCurves? learning = null)
    {
        var file = $"{version}/model.onnx";
        var path = Path.Combine(models, architecture.Name, file);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        WriteAtomically(path, exported.Model);
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
            ClearOtherDefaults(models, architecture);
        return path;
    }

    // There is one default model per modality.
    private static void ClearOtherDefaults(string models, Architecture architecture)
    {
        foreach (var other in Directory.EnumerateFiles(models, "manifest.json", SearchOption.AllDirectories).Select(Read))
            if (other.Default && other.Modality == architecture.Modality && other.Name != architecture.Name)
                Write(models, other with { Default = false });
    }

    /// <summary>Writes manifest and model card.</summary>
    public static void Write(string models, Architecture architecture, ModelManifest manifest)
    {
        Write(models, manifest);
        WriteCard(models, architecture, manifest);
    }

    private static void Write(string models, ModelManifest manifest) =>
        WriteAtomically(Path.Combine(models, manifest.Name, "manifest.json"),
            ReadableJson.Write(JsonSerializer.SerializeToNode(manifest, ModelManifest.Json)!));

    /// <summary>Writes the model card, with the plots that exist in the folder.</summary>
    public static void WriteCard(string models, Architecture architecture, ModelManifest manifest)
    {
        var folder = Path.Combine(models, architecture.Name);
        var plots = Plots.Names.Where(plot => File.Exists(Path.Combine(folder, plot))).ToList();
        WriteAtomically(Path.Combine(folder, "MODEL_CARD.md"), Encoding.UTF8.GetBytes(ModelCard.Write(architecture, manifest, plots)));
    }

    /// <summary>Reads a manifest.</summary>
    /// <exception cref="FileNotFoundException">The model is not exported.</exception>
    public static ModelManifest Read(string models, Architecture architecture)
    {
        var path = ManifestPath(models, architecture);
        if (!File.Exists(path))
            throw new FileNotFoundException($"{path} not found: export the model first", path);
        return Read(path);
    }

    private static ModelManifest Read(string path) =>
        JsonSerializer.Deserialize<ModelManifest>(File.ReadAllBytes(path), ModelManifest.Json)!;

    /// <summary>Reads the ONNX file of the latest version.</summary>
    /// <exception cref="InvalidDataException">The SHA-256 of the file is not the manifest's.</exception>
    public static byte[] ReadModel(string models, ModelManifest manifest)
    {
        var version = manifest.Versions[^1];
        var path = Path.Combine(models, manifest.Name, version.File);
        var bytes = File.ReadAllBytes(path);
        return Convert.ToHexStringLower(SHA256.HashData(bytes)) == version.Sha256
            ? bytes
            : throw new InvalidDataException($"{path}: SHA-256 does not match the manifest");
    }

    private static string ManifestPath(string models, Architecture architecture) =>
        Path.Combine(models, architecture.Name, "manifest.json");

    /// <summary>Writes a file atomically.</summary>
    public static void WriteAtomically(string path, byte[] bytes)
    {
        File.WriteAllBytes(path + ".new", bytes);
        File.Move(path + ".new", path, overwrite: true);
    }
}
