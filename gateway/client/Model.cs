namespace Affect.Client;

/// <summary>What a model listens to or looks at.</summary>
public enum Modality
{
    Speech,
    Face,
}

/// <summary>A model as it is served now.</summary>
public sealed record Model
{
    /// <summary>For example "cnn-attention".</summary>
    public required string Name { get; init; }

    /// <summary>For example "1". Versions only grow.</summary>
    public required string Version { get; init; }

    /// <summary>What it listens to or looks at.</summary>
    public required Modality Modality { get; init; }

    /// <summary>One sentence.</summary>
    public required string Description { get; init; }

    /// <summary>Whether it answers where a clip names no model.</summary>
    public required bool IsDefault { get; init; }

    /// <summary>Of the weights, and of the data they were trained on.</summary>
    public required string License { get; init; }

    /// <summary>Divides the logits before the softmax.</summary>
    public required float Temperature { get; init; }

    /// <summary>A best score below this is UNCERTAIN, [0, 1].</summary>
    public required float AbstainBelow { get; init; }

    /// <summary>What was measured, and on what.</summary>
    public required IReadOnlyList<ModelMetrics> Metrics { get; init; }

    /// <summary>Median time of one input on one core, the model alone; null where nobody measured it.</summary>
    public TimeSpan? Latency { get; init; }

    internal V1.Model? Proto { get; init; }

    /// <summary>The JSON that the REST API answers; empty unless a server gave this model.</summary>
    public string ToJson() => Proto is null ? "" : Mapping.Json.Format(Proto);
}

/// <summary>Measured on one set of data under one protocol. Fractions are in [0, 1].</summary>
public sealed record ModelMetrics
{
    /// <summary>For example "random 80/20".</summary>
    public required string Protocol { get; init; }

    /// <summary>For example "RAVDESS+SAVEE+TESS test".</summary>
    public required string Data { get; init; }

    /// <summary>What was done to the data before, for example "8 kHz, µ-law"; empty where they are as they come.</summary>
    public string Condition { get; init; } = "";

    /// <summary>Number of samples measured on.</summary>
    public required int Samples { get; init; }

    /// <summary>Share of right answers.</summary>
    public required double Accuracy { get; init; }

    /// <summary>Mean of the classes' recalls.</summary>
    public required double UnweightedAverageRecall { get; init; }

    /// <summary>Mean of the classes' F1.</summary>
    public required double MacroF1 { get; init; }

    /// <summary>Mean of the classes' precisions.</summary>
    public required double MacroPrecision { get; init; }

    /// <summary>Over 15 bins of confidence.</summary>
    public required double ExpectedCalibrationError { get; init; }

    /// <summary>Counts, [true emotion][answer] in the order of the label schema; empty where they are not known.</summary>
    public required IReadOnlyList<IReadOnlyList<int>> Confusion { get; init; }
}
