using Affect.Inference;
using Affect.Training.Architectures;
using Affect.Training.Data;
using Affect.Training.Export;

namespace Affect.Training.Evaluation;

/// <summary>The model card: description, data, protocol, training, metrics, limits and reproduction.</summary>
internal static class ModelCard
{
    /// <summary>Corpora by their names in metrics.</summary>
    private static readonly (string Name, string Text)[] Corpora =
    [
        ("RAVDESS", "RAVDESS speech (Livingstone and Russo 2018, CC BY-NC-SA 4.0): 24 actors; calm is mapped to neutral"),
        ("SAVEE", "SAVEE (Haq and Jackson 2009, research only): four men"),
        ("TESS", "TESS (Dupuis and Pichora-Fuller 2010, CC BY-NC-ND 4.0): two women"),
        ("CREMA-D", "CREMA-D (Cao et al. 2014, Open Database License): 91 actors"),
        ("CASIA", "CASIA (Chinese Academy of Sciences, research only): Mandarin, four actors"),
        ("EMOVO", "EMOVO (Costantini et al. 2014, research only): Italian, six actors"),
        ("ASED", "ASED (Retta et al. 2023, research only): Amharic, 65 speakers"),
        ("TurEV", "TurEV-DB (Canpolat et al. 2020, CC BY-NC-ND 4.0): Turkish, six speakers; calm is mapped to neutral"),
        ("Indian EmoSpeech",
            "Indian EmoSpeech (Banga et al. 2019, CC BY-NC-SA 4.0): 94 untrained speakers on phones; calm is mapped to neutral"),
    ];

    private const string FaceData = """
        FER2013 (Goodfellow et al. 2013): 35,887 gray images of 48×48 pixels from web searches with crowd-sourced labels, research
        only. Human agreement with the labels is about 65 %.
        """;

    private const string SpeechProtocol = """
        Shipped weights: random split with a fixed seed, stratified by corpus and emotion, 20 % for test and 10 % of the rest for
        validation. Unseen speakers: separate weights for each fold. The score of a clip is the mean over windows of 3 s, one per
        second. The conditions simulate a telephone: the whole clip at 8 kHz, µ-law encoded, or both.
        """;

    private const string AllCorporaProtocol = """
        Shipped weights: all clips of eight corpora except those of a few whole speakers, which are validation data. Unseen corpora:
        separate weights for each corpus, trained without it; the metrics are means over the corpora. Unseen speakers: separate weights
        for each of RAVDESS's published folds, with the other actors and seven corpora in training. Temperature and abstention threshold
        of a fold are fitted on the test predictions of the other folds, those of the shipped weights on all left-out corpora, so that
        confidence is that of unseen data. The score of a clip is the mean over windows of 3 s, one per second. The conditions apply to
        the whole clip.
        """;

    private const string FaceProtocol = """
        Official FER2013 split: trained on Training, selected and calibrated on PublicTest, evaluated on PrivateTest.
        """;

    private const string SpeechLimits = """
        - Trained on acted speech with scripted sentences. Spontaneous speech is less expressive, and its emotions are mixed.
        - TESS has two speakers and one carrier sentence, and the random split has the same speakers in training and test data.
          The speaker-independent metrics are the estimate for new speakers.
        - English only. The data do not represent all languages, ages, accents and health conditions.
        """;

    private const string AllCorporaLimits = """
        - Trained on acted speech with scripted sentences, and on requested emotions. Spontaneous speech is less expressive, and its
          emotions are mixed.
        - English, Mandarin, Italian, Amharic and Turkish. The metrics of unseen corpora are the estimate for other languages; the data do
          not represent all languages, ages, accents and health conditions.
        """;

    private const string FaceLimits = """
        - Classifies the facial expression, not what a person feels.
        - Images from web searches, unbalanced and unlabeled in age, skin tone and culture.
        - Disgust has only 547 images; see the metrics per emotion.
        - Expects an upright face that fills the crop.
        """;

    /// <summary>Writes the model card in Markdown.</summary>
    /// <param name="architecture">The architecture, with the recipe.</param>
    /// <param name="manifest">The manifest, with the metrics.</param>
    /// <param name="plots">Names of the plots in the folder.</param>
    public static string Write(Architecture architecture, ModelManifest manifest, IReadOnlyList<string> plots)
    {
        var speech = architecture.Modality == Modality.Speech;
        var allCorpora = Workspace.DefaultProtocol(architecture) == Workspace.AllCorpora;
        var (input, output) = (manifest.Input, manifest.Output);
        return $"""
            # {manifest.Name}

            {manifest.Description}

            {Headline(manifest)}| | |
            | --- | --- |
            | input | `{input.Tensor}` [N, {string.Join(", ", architecture.Shape)}] float32, normalized by mean and scale of the manifest |
            | features | {JsonName(input.Features)}, layout {JsonName(input.Layout)} |
            | output | `logits` [N, 7] and `embedding`; ONNX opset {OnnxGraph.Opset}, any N |
            | labels | {string.Join(", ", output.Labels)} |
            | temperature | {output.Temperature}, fitted on {(allCorpora ? "unseen corpora" : "validation data")} |
            | abstention | scores below {output.AbstainBelow}: {Calibration.AbstainShare:P0} of {(allCorpora ? "unseen corpora"
                : "the validation data")} |{Cost(manifest)}
            | license | {manifest.License} |

            ## Data

            {(speech ? SpeechData(manifest, allCorpora) : FaceData)}

            ## Protocol

            {(allCorpora ? AllCorporaProtocol : speech ? SpeechProtocol : FaceProtocol)}
            The splits are in `services/training/splits`. Test data are not used for model selection or calibration.

            {Training(architecture, manifest)}

            ## Metrics

            {MetricsText(manifest, plots)}

            ## Limits

            {(allCorpora ? AllCorporaLimits : speech ? SpeechLimits : FaceLimits)}

            ## Reproduction

            ```
            {string.Join('\n', Commands(architecture, manifest))}
            ```

            Weights and metrics vary slightly between machines and numbers of threads.

            """;
    }

    // The speaker-independent metrics lead.
    private static string Headline(ModelManifest manifest)
    {
        var lines = SpeakerIndependentFirst(manifest.Metrics).Where(metrics => metrics.Condition is null).Select(metrics =>
            $"- **{metrics.Protocol}**, {metrics.Data}: UAR {Tables.Percent(metrics.UnweightedAverageRecall)}, accuracy " +
            $"{Tables.Percent(metrics.Accuracy)}, ECE {Tables.Percent(metrics.ExpectedCalibrationError)}");
        return string.Concat(lines.Select(line => $"{line}\n")) is { Length: > 0 } text ? $"{text}\n" : "";
    }

    private static IEnumerable<ModelMetrics> SpeakerIndependentFirst(IEnumerable<ModelMetrics> metrics) =>
        metrics.OrderByDescending(ModelReport.IsUnseenCorpora).ThenByDescending(ModelReport.IsSpeakerIndependent);

    private static string Cost(ModelManifest manifest) => manifest.Cost is not { } cost ? "" :
        $"\n| size | {cost.Parameters:N0} parameters, {cost.FileBytes / 1e6:0.0} MB |\n| latency | {cost.LatencyMs:0.00} ms for one " +
        "input on one core, without feature extraction |";

    private static string SpeechData(ModelManifest manifest, bool allCorpora)
    {
        // The random split tests a part of each training corpus, the folds of unseen corpora test each of them.
        var used = Corpora.Where(
            corpus => manifest.Metrics
                .Any(metrics => (allCorpora ? ModelReport.IsUnseenCorpora(metrics) : metrics.Folds.Count == 0) && metrics.Data.Contains(corpus.Name, StringComparison.Ordinal))).ToList();
        return used.Count == 0
            ? "Not evaluated yet."
            : $"""
                {string.Join('\n', used.Select(corpus => $"- {corpus.Text}."))}

                {(allCorpora ? "Acted speech" : "Acted English")}. Duplicate, empty and undecodable files are skipped.
                """;
    }

    private static string Training(Architecture architecture, ModelManifest manifest)
    {
        var members = architecture.Members.Select(member => $"[`{member.Name}`](../{member.Name}/MODEL_CARD.md)");
        var training = architecture.Members.Count == 1
            ? Runs(architecture, manifest.Learning)
            : architecture.Members.DistinctBy(member => member.Recipe).Count() == 1
                ? $"{architecture.Members.Count} networks of one recipe, from different random weights. {Runs(architecture.Members[0], null)}"
                : $"The weights are those of {string.Join(" and ", members)}, trained separately";
        return $"{training}.\n{architecture.Remarks}".TrimEnd();
    }

    // The runs of the recipe in order; the learning curves are the last run's.
    private static string Runs(Architecture architecture, LearningCurves? learning)
    {
        var runs = Stages(architecture.Recipe)
            .Select(recipe => Describe(architecture, recipe, recipe == architecture.Recipe ? learning : null)).ToList();
        if (runs.Count == 1)
            return runs[0];
        var start = architecture.Recipe.SelfDistillation
            ? "the last from random weights with the preceding model as teacher"
            : "each initialized with the weights of the preceding one";
        var list = string.Join('\n', runs.Select((run, i) => $"{i + 1}. {run}."));
        return $"{runs.Count} runs, {start}.\n\n{list}\n\nThe learning curves show the last run";
    }

    private static IEnumerable<Recipe> Stages(Recipe recipe) =>
        [.. recipe.InitializeFrom is { } preceding ? Stages(preceding) : [], recipe];

    private static string Describe(Architecture architecture, Recipe recipe, LearningCurves? learning)
    {
        var epochs = learning?.Loss.Count;
        List<string> parts = [$"{(recipe.WeightDecay > 0 ? $"AdamW (weight decay {recipe.WeightDecay})" : "Adam")}, cross-entropy, batch " +
            $"size {recipe.BatchSize}"];
        parts.Add(recipe.EarlyStoppingPatience > 0
            ? $"at most {recipe.Epochs} epochs{(epochs is { } ended ? $", stopped after {ended}" : "")}; learning rate " +
                $"{recipe.LearningRate}, halved after {recipe.PlateauPatience} epochs without a lower validation loss; early stopping " +
                $"after {recipe.EarlyStoppingPatience} such epochs"
            : $"{epochs ?? recipe.Epochs} epochs; one-cycle schedule with a maximum learning rate of {recipe.LearningRate}, linear " +
                $"warm-up over {recipe.WarmupFraction:P0} of the steps and cosine decay");
        parts.Add(recipe.Augment ? "augmentation" : "no augmentation");
        if (recipe.Augment && recipe.CachedAugmentations > 0)
            parts.Add($"{recipe.CachedAugmentations} cached augmentations per sample");
        if (recipe.ImageSize > 0)
            parts.Add($"images of {recipe.ImageSize}×{recipe.ImageSize} pixels{(recipe.FineTuneEpochs > 0 ? " before fine-tuning" : "")}");
        if (recipe.FineTuneEpochs > 0)
            parts.Add($"{recipe.FineTuneEpochs} fine-tuning epochs with weak augmentation");
        if (recipe.MaxClipsPerSpeaker > 0)
            parts.Add($"at most {recipe.MaxClipsPerSpeaker} clips per speaker and epoch, redrawn in each epoch");
        if (recipe.LabelSmoothing > 0)
            parts.Add($"label smoothing {recipe.LabelSmoothing}");
        if (recipe.MixupAlpha > 0)
            parts.Add($"mixup (α = {recipe.MixupAlpha})");
        if (recipe.MixedPrecision)
            parts.Add("mixed precision (bfloat16, Micikevicius et al. 2018)");
        if (recipe.VoteWeight > 0)
            parts.Add($"targets with {recipe.VoteWeight:P0} votes of ten annotators (FER+, Barsoum et al. 2016)");
        if (recipe.Teacher is { } teacher)
            parts.Add($"distillation from {(teacher == architecture.Name ? "the model of the first run" : $"`{teacher}`")} with weight " +
                $"{recipe.DistillationWeight} (Hinton et al. 2015)");
        if (recipe.SelfDistillation)
            parts.Add($"self-distillation from the preceding run on the same augmented batches with weight {recipe.DistillationWeight} " +
                "(born-again networks, Furlanello et al. 2018)");
        if (recipe.AuxiliaryLossWeight > 0)
            parts.Add($"auxiliary head, not exported, for RAVDESS's eight emotions at two intensities with loss weight " +
                $"{recipe.AuxiliaryLossWeight}");
        var weights = recipe.EmaDecay > 0 ? $"exponential moving average of the weights (decay {recipe.EmaDecay})" : "weights";
        parts.Add(recipe.EarlyStoppingPatience > 0
            ? $"{weights} of the epoch with the lowest validation loss{(learning is { } curves ? $" ({LowestLossEpoch(curves)})" : "")}"
            : $"{weights} of the last epoch");
        if (recipe.VoteWeight > 0)
            parts.Add("biases of the logits fitted to the labels of validation data at export, because the votes have another class prior");
        return string.Join("; ", parts);
    }

    private static string MetricsText(ModelManifest manifest, IReadOnlyList<string> plots)
    {
        if (manifest.Metrics.Count == 0)
            return "Not evaluated yet.";
        List<string> parts = [Tables.Metrics(SpeakerIndependentFirst(manifest.Metrics)).TrimEnd()];
        var shipped = manifest.Metrics[0];
        if (shipped.AtThreshold is { } answered)
            parts.Add($"At the abstention threshold{(shipped.Folds.Count == 0 ? " of the shipped weights" : "")} ({shipped.Protocol}): coverage " +
                $"{Tables.Percent(answered.Coverage)}, accuracy {Tables.Percent(answered.Accuracy)}.");
        var images = string.Join('\n', plots.Select(plot => $"![{Path.GetFileNameWithoutExtension(plot)}]({plot})"));
        if (images.Length > 0)
            parts.Add($"Plots{(shipped.Folds.Count == 0 ? " of the shipped weights" : "")} ({shipped.Protocol}):\n\n{images}");
        parts.AddRange(SpeakerIndependentFirst(manifest.Metrics).Where(metrics => metrics.Condition is null && metrics.Confusion.Count > 0)
            .Select(metrics => $"{metrics.Protocol}:\n\n{Tables.Confusion(metrics).TrimEnd()}"));
        return string.Join("\n\n", parts);
    }

    private static IEnumerable<string> Commands(Architecture architecture, ModelManifest manifest)
    {
        const string Run = "dotnet run -c Release --project services/training --";
        var shipped = Workspace.DefaultProtocol(architecture);
        foreach (var teacher in Stages(architecture.Recipe).Select(recipe => recipe.Teacher).OfType<string>().Distinct()
            .Where(name => name != architecture.Name))
            yield return $"# train and export the teacher {teacher} first";
        yield return $"{Run} train --model {manifest.Name} --data DIR --seed 1";
        yield return $"{Run} export --model {manifest.Name} --data DIR{(manifest.Default ? " --default" : "")}";
        yield return $"{Run} evaluate --model {manifest.Name} --data DIR";
        foreach (var metrics in manifest.Metrics
            .Where(metrics => metrics.Condition is null && metrics.Split is not null && metrics.Split != shipped))
        {
            foreach (var split in metrics.Folds.Count > 0 ? metrics.Folds.Select(fold => fold.Name) : [metrics.Split!])
            {
                yield return $"{Run} train --model {manifest.Name} --data DIR --seed 1 --protocol {split}";
                if (metrics.Split is Workspace.UnseenCorpora or Workspace.UnseenSpeakers)
                    yield return $"{Run} predict --model {manifest.Name} --data DIR --protocol {split}";
            }
            yield return $"{Run} evaluate --model {manifest.Name} --data DIR --protocol {metrics.Split}";
        }
        yield return $"{Run} report";
    }

    private static int LowestLossEpoch(LearningCurves curves) =>
        1 + Enumerable.Range(0, curves.ValidationLoss.Count).MinBy(epoch => curves.ValidationLoss[epoch]);

    private static string JsonName<T>(T value) where T : struct, Enum =>
        System.Text.Json.JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString());
}
