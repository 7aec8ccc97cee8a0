using System.Security.Cryptography;
using Microsoft.Extensions.Logging;

namespace Affect.Inference;

/// <summary>
/// The folder of models: <c>ROOT/NAME/manifest.json</c> and the files that the manifest names. Logs what it rejects and
/// loads the rest.
/// </summary>
public sealed class ModelRepository(string root, Modality modality, ILogger logger)
{
    /// <summary>Full path of the folder.</summary>
    public string Root { get; } = Path.GetFullPath(root, AppContext.BaseDirectory);

    /// <summary>Valid manifests of the modality, by name; empty if the folder does not exist.</summary>
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
                if (ManifestReader.Read(File.ReadAllBytes(path), Path.GetFileName(folder), out var errors) is not { } manifest)
                    Log.ManifestRejected(logger, path, string.Join("; ", errors));
                else if (manifest.Modality == modality)
                    manifests.Add(manifest);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                Log.ManifestRejected(logger, path, exception.Message);
            }
        }
        return manifests;
    }

    /// <summary>
    /// A fingerprint per folder that changes with its contents: names, lengths and times of its files. Null if the repository
    /// cannot be read.
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

    /// <summary>Loads a version of a model; logs the reason and returns null if it is invalid.</summary>
    /// <param name="manifest">One of <see cref="ReadManifests"/>.</param>
    /// <param name="version">One of its versions.</param>
    /// <param name="options">Provider, threads, batch sizes.</param>
    public OnnxModel? TryLoad(ModelManifest manifest, ModelVersion version, InferenceOptions options)
    {
        try
        {
            return Load(manifest, version, options);
        }
        catch (Exception exception) when (exception is ModelRejectedException or IOException or UnauthorizedAccessException)
        {
            Log.VersionRejected(logger, manifest.Name, version.Version, exception.Message);
            return null;
        }
    }

    private OnnxModel Load(ModelManifest manifest, ModelVersion version, InferenceOptions options)
    {
        // Loads the hashed bytes, so that the file cannot change in between.
        var file = File.ReadAllBytes(Path.Combine(Root, manifest.Name, version.File));
        var sha256 = Convert.ToHexStringLower(SHA256.HashData(file));
        if (sha256 != version.Sha256)
            throw new ModelRejectedException([$"{version.File} has the SHA-256 {sha256}; the manifest requires {version.Sha256}"]);
        return OnnxModel.Load(file, manifest, options);
    }
}
