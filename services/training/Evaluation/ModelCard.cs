using Affect.Inference;
using Affect.Training.Architectures;
using Affect.Training.Export;

namespace Affect.Training.Evaluation;

/// <summary>The card of a model: what it is, what it learnt from, what was measured, and what not to expect.</summary>
internal static class ModelCard
{
    private const string SpeechData = """
        RAVDESS speech (Livingstone and Russo 2018, CC BY-NC-SA 4.0; calm counts as neutral), SAVEE (Haq and Jackson
        2009, research only) and TESS (Dupuis and Pichora-Fuller 2010, CC BY-NC-ND 4.0). Acted English: 24 actors,
        four men, two women. Files that repeat another byte by byte, are empty or cannot be decoded are left out.
        """;

    private const string FaceData = """
        FER2013 (Goodfellow et al. 2013), 35,887 grey pictures of 48×48 pixels, found on the web and labelled by
        few people; for research. People agree with its labels on about 65 % of it. The official parts are kept.
        """;

    private const string SpeechLimits = """
        - Trained on actors who speak given sentences. Real speech shows less, and mixes emotions.
        - TESS is two women and one sentence of which a word changes, and a random split has the same voices on both
          sides: the figure for unseen speakers is the one to expect of strangers.
        - English only. Language, age, accent and illness change a voice in ways that these data do not show.
        """;

    private const string FaceLimits = """
        - Tells what a face shows, not what a person feels.
        - Pictures from web searches: ages, skin tones and cultures are not balanced, and nobody noted them.
        - Fear, sadness and disgust are the least certain; disgust has 547 pictures in all.
        - Expects an upright face that fills the crop.
        """;

    /// <summary>Writes the card in Markdown; all figures are the manifest's.</summary>
    public static string Write(Architecture architecture, ModelManifest manifest)
    {
        var speech = architecture.Modality == Modality.Speech;
        var recipe = architecture.Recipe;
        var figures = manifest.Metrics.Count == 0
            ? "Not measured yet: `evaluate` writes the figures here."
            : $"{Tables.Figures(manifest.Metrics)}\n{string.Join("\n\n", manifest.Metrics.Select(m => $"{m.Protocol}:\n\n{Tables.Confusion(m).TrimEnd()}"))}";
        return $"""
            # {manifest.Name}

            {manifest.Description}

            | | |
            | --- | --- |
            | input | `{manifest.Input.Tensor}` [N, {string.Join(", ", architecture.Shape)}] float32, {JsonName(manifest.Input.Layout)} of {JsonName(manifest.Input.Features)}, (x − mean) / scale |
            | output | `logits` [N, 7] and `embedding`; ONNX opset {OnnxGraph.Opset}, any N |
            | labels | {string.Join(", ", manifest.Output.Labels)} |
            | temperature | {manifest.Output.Temperature}, fitted on validation data |
            | abstains | below a score of {manifest.Output.AbstainBelow} (of validation data at most the least certain 15 %) |
            | licence | {manifest.Licence} |

            ## Data

            {(speech ? SpeechData : FaceData)}

            ## Protocol

            {(speech
                ? "A fifth of each corpus and emotion is test data, drawn with a fixed seed; a tenth of the rest validates. Unseen speakers: RAVDESS in the published five folds of actors. A clip's score is the mean over windows of 3 s, one each second."
                : "Trained on Training, chosen and calibrated on PublicTest, measured on PrivateTest.")}
            The splits are files in `services/training/splits`. Test data choose nothing.

            AdamW, {recipe.Epochs} epochs of batches of {recipe.BatchSize}, rate up to {recipe.Rate} in one cycle, weight decay {recipe.WeightDecay}, label smoothing {recipe.LabelSmoothing}{(recipe.Mixup > 0 ? $", mixup {recipe.Mixup}" : "")}{(recipe.GentleEpochs > 0 ? $", the last {recipe.GentleEpochs} epochs with slight augmentation" : "")}, averaged weights (decay {recipe.AverageDecay}), the epoch of the best validation accuracy.
            {architecture.Remarks}

            ## Figures

            {figures}

            ## Limits

            {(speech ? SpeechLimits : FaceLimits)}

            ## How to reproduce

            ```
            dotnet run -c Release --project services/training -- train --model {manifest.Name} --data DIR --seed 1
            dotnet run -c Release --project services/training -- export --model {manifest.Name} --data DIR{(manifest.Default ? " --default" : "")}
            dotnet run -c Release --project services/training -- evaluate --model {manifest.Name} --data DIR
            ```

            Weights differ in their last digits between machines and numbers of threads, and figures with them.

            """;
    }

    private static string JsonName<T>(T value) where T : struct, Enum =>
        System.Text.Json.JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString());
}
