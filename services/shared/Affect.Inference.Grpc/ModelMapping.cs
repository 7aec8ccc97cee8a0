using Google.Protobuf.WellKnownTypes;

namespace Affect.Inference.Grpc;

/// <summary>Converts models and their manifests to protobuf.</summary>
public static class ModelMapping
{
    /// <summary>The proto's value is one higher: its 0 is "unspecified".</summary>
    public static V1.Modality ToProto(this Modality modality) => (V1.Modality)(modality + 1);

    /// <summary>Name and version of a model.</summary>
    public static V1.ModelReference Reference(this Classifier classifier) => new()
    {
        Name = classifier.Manifest.Name,
        Version = classifier.Version,
    };

    /// <summary>The public description of a model.</summary>
    public static V1.Model ToProto(this Classifier classifier)
    {
        var manifest = classifier.Manifest;
        var model = new V1.Model
        {
            Reference = classifier.Reference(),
            Modality = manifest.Modality.ToProto(),
            Description = manifest.Description,
            IsDefault = manifest.Default,
            Input = new V1.ModelInput
            {
                Features = (V1.FeatureKind)(manifest.Input.Features + 1),
                Window = manifest.Input.WindowSeconds is { } seconds ? Duration.FromTimeSpan(TimeSpan.FromSeconds(seconds)) : null,
                Size = manifest.Input.Size ?? 0,
            },
            License = manifest.License,
            Temperature = manifest.Output.Temperature,
            AbstainBelow = manifest.Output.AbstainBelow,
        };
        if (manifest.Cost is { } cost)
            model.Cost = new()
            {
                Parameters = cost.Parameters,
                FileBytes = cost.FileBytes,
                Latency = Duration.FromTimeSpan(TimeSpan.FromMilliseconds(cost.LatencyMs)),
            };
        if (manifest.Learning is { } curves)
            model.Learning = new()
            {
                Loss = { curves.Loss },
                Accuracy = { curves.Accuracy },
                ValidationLoss = { curves.ValidationLoss },
                ValidationAccuracy = { curves.ValidationAccuracy },
            };
        model.Metrics.AddRange(manifest.Metrics.Select(ToProto));
        return model;
    }

    private static V1.ModelMetrics ToProto(ModelMetrics metrics)
    {
        var proto = new V1.ModelMetrics
        {
            Protocol = metrics.Protocol,
            Data = metrics.Data,
            Samples = metrics.Samples,
            Accuracy = metrics.Accuracy,
            UnweightedAverageRecall = metrics.UnweightedAverageRecall,
            MacroF1 = metrics.MacroF1,
            MacroPrecision = metrics.MacroPrecision,
            ExpectedCalibrationError = metrics.ExpectedCalibrationError,
            Condition = metrics.Condition ?? "",
            Split = metrics.Split ?? "",
            MostCertain = ToProto(metrics.MostCertain),
            AtThreshold = ToProto(metrics.AtThreshold),
        };
        foreach (var row in metrics.Confusion)
            proto.Confusion.Add(new V1.ConfusionRow { Counts = { row } });
        foreach (var (precision, recall, f1, support) in metrics.Classes)
            proto.Classes.Add(new V1.ClassMetrics { Precision = precision, Recall = recall, F1 = f1, Support = support });
        foreach (var bin in metrics.Reliability)
            proto.Reliability.Add(new V1.ReliabilityBin { Count = bin.Count, Confidence = bin.Confidence, Accuracy = bin.Accuracy });
        foreach (var (name, samples, accuracy, recall) in metrics.Folds)
            proto.Folds.Add(new V1.FoldMetrics { Name = name, Samples = samples, Accuracy = accuracy, UnweightedAverageRecall = recall });
        return proto;
    }

    private static V1.AnsweredShare? ToProto(Answered? answered) =>
        answered is null ? null : new() { Coverage = answered.Coverage, Accuracy = answered.Accuracy };
}
