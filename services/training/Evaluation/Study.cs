using Affect.Inference;

namespace Affect.Training.Evaluation;

/// <summary>
/// Published results of the study that Affect is based on (Dargula, Adavala and Yalamanchili, Multimodal Emotion Recognition),
/// [0, 1].
/// </summary>
/// <param name="Precision">Macro precision.</param>
/// <param name="Recall">Macro recall.</param>
/// <param name="F1">Macro F1.</param>
/// <param name="Accuracy">Test accuracy.</param>
internal sealed record Study(double Precision, double Recall, double F1, double Accuracy)
{
    /// <summary>Results by model name.</summary>
    public static IReadOnlyDictionary<string, Study> Models { get; } = new Dictionary<string, Study>
    {
        ["cnn"] = new(0.66, 0.65, 0.65, 0.65),
        ["cnn-lstm"] = new(0.65, 0.62, 0.62, 0.62),
        ["cnn-bilstm"] = new(0.68, 0.67, 0.67, 0.6734),
        ["cnn-gru"] = new(0.59, 0.58, 0.58, 0.5797),
        ["cnn-attention"] = new(0.69, 0.68, 0.68, 0.6832),
        ["resnet50"] = new(0.685, 0.653, 0.665, 0.6694),
        ["custom-cnn"] = new(0.614, 0.653, 0.623, 0.6494),
    };

    /// <summary>Results of the study's best model of a modality.</summary>
    public static Study Best(Modality modality) => Models[modality == Modality.Speech ? "cnn-attention" : "resnet50"];
}
