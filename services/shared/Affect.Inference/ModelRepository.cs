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

    /// <summary>
    /// For each folder what tells whether anything in it has changed: names, lengths and times of its files. Null where it
    /// cannot be told.
    /// </summary>
    public IReadOnlyDictionary<string, string>? Fingerprints()
    {
        try
        {
            return new DirectoryInfo(Root).EnumerateDirectories().ToDictionary(
                folder => folder.Name,
                folder => string.Join('\n', folder.EnumerateFiles("*", SearchOption.AllDirectories)
                    .Select(file => $"{file.FullName} {file.Length} {file.LastWriteTimeUtc.Ticks}")
                    .Order(StringComparer.Ordinal)));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Loads a version of a model; null, with the reason in the log, where it is not good.</summary>
    /// <param name="manifest">One that <see cref="ReadManifests"/> gave.</param>
    /// <param name="version">One of its versions.</param>
    /// <param name="options">Provider, threads, batch sizes.</param>
    public OnnxModel? TryLoad(ModelManifest manifest, ModelVersion version, InferenceOptions options)
    {
        try
        {
            return Load(manifest, version, options);
        }
        catch (Exception exception) when (exception is ModelRefusedException or IOException or UnauthorizedAccessException)
        {
            Log.VersionRefused(logger, manifest.Name, version.Version, exception.Message);
            return null;
        }
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
