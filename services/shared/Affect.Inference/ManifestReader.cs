using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Text.RegularExpressions;
using Affect.Audio;
using Affect.Emotions;

namespace Affect.Inference;

/// <summary>
/// Reads a manifest and reports all errors together, each by the path of the property ("output.labels[3]: ..."): first of
/// its structure, and if that is valid of its values.
/// </summary>
public static partial class ManifestReader
{
    // Limits of crops in the features service.
    private const int MinFaceSize = 16;
    private const int MaxFaceSize = 512;

    private static readonly JsonTypeInfo ManifestType = TypeInfo(typeof(ModelManifest));

    /// <summary>Reads the manifest of a model.</summary>
    /// <param name="json">UTF-8 text of manifest.json.</param>
    /// <param name="folder">Name of its folder, which must be the name of the model.</param>
    /// <param name="errors">All errors; empty if the manifest is valid.</param>
    /// <returns>The manifest; null if it is invalid.</returns>
    public static ModelManifest? Read(ReadOnlyMemory<byte> json, string folder, out IReadOnlyList<string> errors)
    {
        var found = new List<string>();
        errors = found;
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip });
            CheckStructure(document.RootElement, ManifestType, "manifest", found);
            if (found.Count > 0)
                return null;
            var manifest = document.RootElement.Deserialize<ModelManifest>(ModelManifest.Json)!;
            found.AddRange(Validate(manifest, folder));
            return found.Count > 0 ? null : manifest;
        }
        catch (JsonException exception)
        {
            found.Add($"manifest: must be JSON ({exception.Message})");
            return null;
        }
    }

    /// <summary>
    /// Checks JSON against a type. Unlike the serializer, it does not stop at the first error.
    /// </summary>
    private static void CheckStructure(JsonElement element, JsonTypeInfo type, string path, List<string> errors)
    {
        switch (type.Kind)
        {
            case JsonTypeInfoKind.Object when element.ValueKind == JsonValueKind.Object:
                foreach (var member in element.EnumerateObject())
                {
                    var name = Join(path, member.Name);
                    if (type.Properties.FirstOrDefault(property => property.Name == member.Name) is not { } property)
                        errors.Add($"{name}: unknown property");
                    else if (member.Value.ValueKind != JsonValueKind.Null)
                        CheckStructure(member.Value, TypeInfo(property.PropertyType), name, errors);
                    else if (!property.IsSetNullable)
                        errors.Add($"{name}: must not be null");
                }
                foreach (var property in type.Properties)
                    if (property.IsRequired && !element.TryGetProperty(property.Name, out _))
                        errors.Add($"{Join(path, property.Name)}: required");
                break;
            case JsonTypeInfoKind.Enumerable when element.ValueKind == JsonValueKind.Array:
                var index = 0;
                foreach (var item in element.EnumerateArray())
                    CheckStructure(item, TypeInfo(type.ElementType!), $"{path}[{index++}]", errors);
                break;
            case JsonTypeInfoKind.Dictionary when element.ValueKind == JsonValueKind.Object:
                foreach (var entry in element.EnumerateObject())
                    CheckStructure(entry.Value, TypeInfo(type.ElementType!), $"{path}[{entry.Name}]", errors);
                break;
            default:
                if (!IsValue(element, type))
                    errors.Add($"{path}: {element.GetRawText()} must be {Expected(type)}");
                break;
        }

        static string Join(string path, string name) => path == "manifest" ? name : $"{path}.{name}";
    }

    private static bool IsValue(JsonElement element, JsonTypeInfo type)
    {
        try
        {
            return type.Kind == JsonTypeInfoKind.None && element.ValueKind != JsonValueKind.Null
                && element.Deserialize(type) is not null;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static string Expected(JsonTypeInfo type)
    {
        var value = Nullable.GetUnderlyingType(type.Type) ?? type.Type;
        return type.Kind switch
        {
            JsonTypeInfoKind.Object or JsonTypeInfoKind.Dictionary => "an object",
            JsonTypeInfoKind.Enumerable => "an array",
            _ when value.IsEnum => "one of " + string.Join(", ", Enum.GetNames(value).Select(JsonNamingPolicy.SnakeCaseLower.ConvertName)),
            _ when value == typeof(string) => "a string",
            _ when value == typeof(bool) => "true or false",
            _ when value == typeof(int) => "an integer",
            _ => "a number",
        };
    }

    private static JsonTypeInfo TypeInfo(Type type)
    {
        ModelManifest.Json.MakeReadOnly(populateMissingResolver: true);
        return ModelManifest.Json.GetTypeInfo(type);
    }

    /// <summary>All errors of a manifest's values, each by the path of the property.</summary>
    public static IEnumerable<string> Validate(ModelManifest manifest, string folder)
    {
        if (!ModelName().IsMatch(manifest.Name))
            yield return $"name: '{manifest.Name}' must be lowercase letters and digits, separated by single hyphens";
        else if (manifest.Name != folder)
            yield return $"name: '{manifest.Name}' must be the name of its folder, '{folder}'";
        if (string.IsNullOrWhiteSpace(manifest.Description))
            yield return "description: must not be empty";
        if (string.IsNullOrWhiteSpace(manifest.License))
            yield return "license: must not be empty";
        foreach (var error in Validate(manifest.Input, manifest.Modality))
            yield return $"input.{error}";
        foreach (var error in Validate(manifest.Output))
            yield return $"output.{error}";
        foreach (var error in Validate(manifest.Versions))
            yield return $"versions{error}";
        for (var i = 0; i < manifest.Metrics.Count; i++)
            foreach (var error in Validate(manifest.Metrics[i]))
                yield return $"metrics[{i}].{error}";
        if (manifest.Cost is { } cost && (cost.Parameters < 0 || cost.FileBytes < 0 || cost.LatencyMs is not (>= 0 and < double.PositiveInfinity)))
            yield return "cost: must not be negative";
        if (manifest.Learning is { } curves && new[] { curves.Accuracy, curves.ValidationLoss, curves.ValidationAccuracy }.Any(curve => curve.Count != curves.Loss.Count))
            yield return "learning: the four curves must have equal length";
    }

    private static IEnumerable<string> Validate(ModelInput input, Modality modality)
    {
        if (string.IsNullOrWhiteSpace(input.Tensor))
            yield return "tensor: must not be empty";

        var speech = modality == Modality.Speech;
        if (speech == input.Features is FeatureKind.Gray or FeatureKind.Rgb)
            yield return $"features: '{Name(input.Features)}' is not valid for a {Name(modality)} model";
        if (speech == input.Layout is TensorLayout.Nchw or TensorLayout.Nhwc)
            yield return $"layout: '{Name(input.Layout)}' is not valid for a {Name(modality)} model";

        if (speech && !(input.WindowSeconds >= AudioLimits.MinWindow.TotalSeconds && input.WindowSeconds <= AudioLimits.MaxWindow.TotalSeconds))
            yield return $"window_seconds: must lie between {AudioLimits.MinWindow.TotalSeconds} and {AudioLimits.MaxWindow.TotalSeconds} for a speech model";
        if (!speech && input.WindowSeconds is not null)
            yield return "window_seconds: is not valid for a face model";
        if (!speech && input.Size is not (>= MinFaceSize and <= MaxFaceSize))
            yield return $"size: must lie between {MinFaceSize} and {MaxFaceSize} pixels for a face model";
        if (speech && input.Size is not null)
            yield return "size: is not valid for a speech model";

        foreach (var (name, values) in new[] { ("mean", input.Mean), ("scale", input.Scale) })
        {
            if (values.Count != 1 && values.Count != input.Channels)
                yield return $"{name}: has {values.Count} values; must have 1 or {input.Channels} for {Name(input.Features)}";
            for (var i = 0; i < values.Count; i++)
                if (!float.IsFinite(values[i]) || name == "scale" && values[i] == 0)
                    yield return $"{name}[{i}]: {values[i]} must be finite{(name == "scale" ? " and not 0" : "")}";
        }
    }

    private static IEnumerable<string> Validate(ModelOutput output)
    {
        if (string.IsNullOrWhiteSpace(output.Logits))
            yield return "logits: must not be empty";
        if (output.Embedding is not null && (string.IsNullOrWhiteSpace(output.Embedding) || output.Embedding == output.Logits))
            yield return "embedding: must name another output than logits, or be omitted";

        if (output.Labels.Count < 2)
            yield return $"labels: has {output.Labels.Count}; must have at least 2";
        for (var i = 0; i < output.Labels.Count; i++)
        {
            var label = output.Labels[i];
            if (output.Labels.Take(i).Contains(label))
                yield return $"labels[{i}]: '{label}' must not occur twice";
            if (!output.LabelMap.ContainsKey(label) && !EmotionLabels.TryParse(label, out _))
                yield return $"labels[{i}]: '{label}' must be one of the seven emotions or be in label_map";
        }
        foreach (var (label, emotion) in output.LabelMap)
        {
            if (!output.Labels.Contains(label))
                yield return $"label_map[{label}]: must be one of labels";
            if (emotion.Length > 0 && !EmotionLabels.TryParse(emotion, out _))
                yield return $"label_map[{label}]: '{emotion}' must be empty or one of {string.Join(", ", EmotionLabels.Names)}";
        }
        if (output.Labels.Count > 0 && output.Labels.All(label => output.LabelMap.GetValueOrDefault(label) == ""))
            yield return "label_map: must not ignore every label";

        if (!float.IsFinite(output.Temperature) || output.Temperature <= 0)
            yield return $"temperature: {output.Temperature} must be above 0";
        if (output.AbstainBelow is not (>= 0 and <= 1))
            yield return $"abstain_below: {output.AbstainBelow} must lie in [0, 1]";
    }

    private static IEnumerable<string> Validate(IReadOnlyList<ModelVersion> versions)
    {
        if (versions.Count == 0)
            yield return ": must not be empty";
        for (var i = 0; i < versions.Count; i++)
        {
            var (version, file, sha256) = (versions[i].Version, versions[i].File, versions[i].Sha256);
            if (!VersionNumber().IsMatch(version))
                yield return $"[{i}].version: '{version}' must be a whole number from 1";
            else if (i > 0 && VersionNumber().IsMatch(versions[i - 1].Version) && int.Parse(version) <= int.Parse(versions[i - 1].Version))
                yield return $"[{i}].version: '{version}' must be above '{versions[i - 1].Version}'; the newest comes last";
            // A manifest must not refer to files outside its folder.
            if (file.Length == 0 || Path.IsPathRooted(file) || file.Split('/', '\\').Contains(".."))
                yield return $"[{i}].file: '{file}' must be a path inside the model's folder";
            if (!Sha256().IsMatch(sha256))
                yield return $"[{i}].sha256: '{sha256}' must be 64 lowercase hexadecimal digits";
            if (versions[i].Share is not (null or (> 0 and < 1)))
                yield return $"[{i}].share: {versions[i].Share} must lie between 0 and 1; omit it to serve all requests";
            else if (versions[i].Share is not null && (i == 0 || i < versions.Count - 1))
                yield return $"[{i}].share: only the newest of several versions may be on trial";
        }
    }

    private static IEnumerable<string> Validate(ModelMetrics metrics)
    {
        if (string.IsNullOrWhiteSpace(metrics.Protocol))
            yield return "protocol: must not be empty";
        if (string.IsNullOrWhiteSpace(metrics.Data))
            yield return "data: must not be empty";
        if (metrics.Samples <= 0)
            yield return $"samples: {metrics.Samples} must be above 0";
        foreach (var (name, value) in new[]
        {
            ("accuracy", metrics.Accuracy),
            ("unweighted_average_recall", metrics.UnweightedAverageRecall),
            ("macro_f1", metrics.MacroF1),
            ("macro_precision", metrics.MacroPrecision),
            ("expected_calibration_error", metrics.ExpectedCalibrationError),
        })
            if (value is not (>= 0 and <= 1))
                yield return $"{name}: {value} must lie in [0, 1]";
        foreach (var (name, answered) in new[] { ("most_certain", metrics.MostCertain), ("at_threshold", metrics.AtThreshold) })
            if (answered is not null && (answered.Coverage is not (>= 0 and <= 1) || answered.Accuracy is not (>= 0 and <= 1)))
                yield return $"{name}: must lie in [0, 1]";
        if (metrics.Reliability.Any(bin => bin.Count < 0 || bin.Confidence is not (>= 0 and <= 1) || bin.Accuracy is not (>= 0 and <= 1)))
            yield return "reliability: counts must not be negative, and shares must lie in [0, 1]";
        if (metrics.Folds.Any(fold => fold.Samples <= 0 || fold.Accuracy is not (>= 0 and <= 1) || fold.UnweightedAverageRecall is not (>= 0 and <= 1)))
            yield return "folds: samples must be above 0, and shares must lie in [0, 1]";
        if (metrics.Confusion.Count > 0 && (metrics.Confusion.Count != EmotionLabels.Count
            || metrics.Confusion.Any(row => row.Count != EmotionLabels.Count || row.Any(count => count < 0))))
            yield return "confusion: must be 7 rows of 7 counts";
    }

    private static string Name<T>(T value) where T : struct, Enum => JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString());

    [GeneratedRegex("^[a-z0-9]+(-[a-z0-9]+)*\\z")]
    private static partial Regex ModelName();

    [GeneratedRegex("^[1-9][0-9]{0,8}\\z")]
    private static partial Regex VersionNumber();

    [GeneratedRegex("^[0-9a-f]{64}\\z")]
    private static partial Regex Sha256();
}
