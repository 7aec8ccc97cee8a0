namespace Affect.Client;

/// <summary>Input of a model.</summary>
public enum Modality
{
    Speech,
    Face,
}

/// <summary>A model that the server serves.</summary>
public sealed record Model
{
    /// <summary>Name, for example "cnn-attention".</summary>
    public required string Name { get; init; }

    /// <summary>Version, for example "1". A newer version has a higher number.</summary>
    public required string Version { get; init; }

    /// <summary>Speech or face.</summary>
    public required Modality Modality { get; init; }

    /// <summary>Description in one sentence.</summary>
    public required string Description { get; init; }

    /// <summary>True if the model serves requests that name no model.</summary>
    public required bool IsDefault { get; init; }

    /// <summary>License of the weights and of the training data.</summary>
    public required string License { get; init; }

    /// <summary>Temperature, which divides the logits before the softmax.</summary>
    public required float Temperature { get; init; }

    /// <summary>Abstention threshold: a best score below it is UNCERTAIN, [0, 1].</summary>
    public required float AbstainBelow { get; init; }

    /// <summary>Metrics by data and protocol.</summary>
    public required IReadOnlyList<ModelMetrics> Metrics { get; init; }

    /// <summary>Median CPU time of one inference on one core, without feature extraction; null if not measured.</summary>
    public TimeSpan? Latency { get; init; }

    internal V1.Model? Proto { get; init; }

    /// <summary>The JSON of the REST API; empty unless the model comes from a server.</summary>
    public string ToJson() => Proto is null ? "" : Mapping.Json.Format(Proto);
}

/// <summary>Metrics on one dataset under one protocol. Fractions are in [0, 1].</summary>
public sealed record ModelMetrics
{
    /// <summary>Protocol, for example "random 80/20".</summary>
    public required string Protocol { get; init; }

    /// <summary>Dataset, for example "RAVDESS+SAVEE+TESS test".</summary>
    public required string Data { get; init; }

    /// <summary>Modification of the data, for example "8 kHz, µ-law"; empty for none.</summary>
    public string Condition { get; init; } = "";

    /// <summary>Number of samples.</summary>
    public required int Samples { get; init; }

    /// <summary>Share of correct answers.</summary>
    public required double Accuracy { get; init; }

    /// <summary>UAR: mean recall of the classes.</summary>
    public required double UnweightedAverageRecall { get; init; }

    /// <summary>Mean F1 of the classes.</summary>
    public required double MacroF1 { get; init; }

    /// <summary>Mean precision of the classes.</summary>
    public required double MacroPrecision { get; init; }

    /// <summary>ECE: expected calibration error over 15 bins of confidence.</summary>
    public required double ExpectedCalibrationError { get; init; }

    /// <summary>Confusion matrix: counts, [true emotion][predicted emotion] in the order of the label schema; empty if unknown.</summary>
    public required IReadOnlyList<IReadOnlyList<int>> Confusion { get; init; }
}
