using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;
using Affect.Emotions;
using Affect.Inference;
using Affect.Training.Architectures;
using Affect.Training.Evaluation;

namespace Affect.Training.Export;

/// <summary>A model's folder in the repository: manifest.json, MODEL_CARD.md and VERSION/model.onnx.</summary>
internal static class ModelFolder
{
    private const string Licence =
        "Weights for research and non-commercial use: the data they were trained on allow no more. Code Apache-2.0.";

    // Manifests are read by people: → stays →.
    private static readonly JsonSerializerOptions Json = new(ModelManifest.Json) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes the file of a version, and a manifest without figures: those of other weights do not count.</summary>
    /// <returns>The path of the file.</returns>
    public static string Write(string models, Architecture architecture, Exported exported, string version, bool isDefault)
    {
        var file = $"{version}/model.onnx";
        var path = Path.Combine(models, architecture.Name, file);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        WriteWhole(path, exported.Model);
        var older = File.Exists(ManifestPath(models, architecture)) ? Read(models, architecture).Versions : [];
        Write(models, architecture, new ModelManifest
        {
            Name = architecture.Name,
            Modality = architecture.Modality,
            Description = architecture.Description,
            Default = isDefault,
            Input = architecture.Input with { Mean = exported.Run.Normalization.Mean, Scale = exported.Run.Normalization.Scale },
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
            Licence = Licence,
        });
        return path;
    }

    /// <summary>Writes manifest and card.</summary>
    public static void Write(string models, Architecture architecture, ModelManifest manifest)
    {
        WriteWhole(ManifestPath(models, architecture), [.. JsonSerializer.SerializeToUtf8Bytes(manifest, Json), (byte)'\n']);
        WriteWhole(Path.Combine(models, architecture.Name, "MODEL_CARD.md"), System.Text.Encoding.UTF8.GetBytes(ModelCard.Write(architecture, manifest)));
    }

    /// <summary>Reads a manifest.</summary>
    /// <exception cref="FileNotFoundException">The model was not exported.</exception>
    public static ModelManifest Read(string models, Architecture architecture)
    {
        var path = ManifestPath(models, architecture);
        if (!File.Exists(path))
            throw new FileNotFoundException($"no file {path}: export the model first", path);
        return JsonSerializer.Deserialize<ModelManifest>(File.ReadAllBytes(path), ModelManifest.Json)!;
    }

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

    private static void WriteWhole(string path, byte[] bytes)
    {
        File.WriteAllBytes(path + ".new", bytes);
        File.Move(path + ".new", path, overwrite: true);
    }
}
