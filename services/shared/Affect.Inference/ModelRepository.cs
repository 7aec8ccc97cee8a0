using System.Security.Cryptography;
using Microsoft.Extensions.Logging;

namespace Affect.Inference;

/// <summary>
/// The folder of models: <c>ROOT/NAME/manifest.json</c> and the files that the manifest names. Says in the log what it
/// refuses and why, and goes on with the rest.
/// </summary>
public sealed class ModelRepository(string root, Modality modality, ILogger logger)
{
    /// <summary>Full path of the folder.</summary>
    public string Root { get; } = Path.GetFullPath(root, AppContext.BaseDirectory);

    /// <summary>Every right manifest of the modality, by name; none where the folder does not exist.</summary>
    public IReadOnlyList<ModelManifest> ReadManifests()
    {
        if (!Directory.Exists(Root))
            return [];
        var manifests = new List<ModelManifest>();
        foreach (var folder in Directory.EnumerateDirectories(Root).Order(StringComparer.Ordinal))
        {
            var path = Path.Combine(folder, "manifest.json");
            if (!File.Exists(path))
                continue;
            try
            {
                if (ManifestReader.Read(File.ReadAllBytes(path), Path.GetFileName(folder), out var mistakes) is not { } manifest)
                    Log.ManifestRefused(logger, path, string.Join("; ", mistakes));
                else if (manifest.Modality == modality)
                    manifests.Add(manifest);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                Log.ManifestRefused(logger, path, exception.Message);
            }
        }
        return manifests;
    }

    /// <summary>Loads the newest version of a model that is good; null where none is.</summary>
    /// <param name="manifest">One that <see cref="ReadManifests"/> gave.</param>
    /// <param name="options">Provider, threads, batch sizes.</param>
    /// <param name="version">The version that was loaded.</param>
    public OnnxModel? LoadNewest(ModelManifest manifest, InferenceOptions options, out string version)
    {
        foreach (var candidate in manifest.Versions.Reverse())
        {
            version = candidate.Version;
            try
            {
                return Load(manifest, candidate, options);
            }
            catch (Exception exception) when (exception is ModelRefusedException or IOException or UnauthorizedAccessException)
            {
                Log.VersionRefused(logger, manifest.Name, candidate.Version, exception.Message);
            }
        }
        Log.ModelLeftOut(logger, manifest.Name);
        version = "";
        return null;
    }

    private OnnxModel Load(ModelManifest manifest, ModelVersion version, InferenceOptions options)
    {
        // The bytes that are hashed are the bytes that are loaded.
        var file = File.ReadAllBytes(Path.Combine(Root, manifest.Name, version.File));
        var sha256 = Convert.ToHexStringLower(SHA256.HashData(file));
        if (sha256 != version.Sha256)
            throw new ModelRefusedException([$"{version.File} has the SHA-256 {sha256}, the manifest says {version.Sha256}"]);
        return OnnxModel.Load(file, manifest, options);
    }
}
