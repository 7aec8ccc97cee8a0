using Affect.Inference;
using Affect.Training.Architectures;
using Affect.Training.Export;

namespace Affect.Training.Evaluation;

/// <summary>The card of a model: what it is, what it learnt from, what was measured, and what not to expect.</summary>
internal static class ModelCard
{
    /// <summary>Corpora by the names that figures give them.</summary>
    private static readonly (string Name, string Text)[] Corpora =
    [
        ("RAVDESS", "RAVDESS speech (Livingstone and Russo 2018, CC BY-NC-SA 4.0): 24 actors; calm counts as neutral"),
        ("SAVEE", "SAVEE (Haq and Jackson 2009, research only): four men"),
        ("TESS", "TESS (Dupuis and Pichora-Fuller 2010, CC BY-NC-ND 4.0): two women"),
        ("CREMAD", "CREMA-D (Cao et al. 2014, Open Database License): 91 actors"),
    ];

    private const string FaceData = """
        FER2013 (Goodfellow et al. 2013), 35,887 grey pictures of 48×48 pixels, found on the web and labelled by
        few people; for research. People agree with its labels on about 65 % of it.
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
        - Disgust has 547 pictures in all; the figures of each emotion say what follows from that.
        - Expects an upright face that fills the crop.
        """;

    /// <summary>Writes the card in Markdown; all figures are the manifest's, all of the training is the recipe's.</summary>
    /// <param name="architecture">What the model is made of, and how it learns.</param>
    /// <param name="manifest">What is known of it.</param>
    /// <param name="plots">Names of the plots that lie beside the card.</param>
    public static string Write(Architecture architecture, ModelManifest manifest, IReadOnlyList<string> plots)
    {
        var speech = architecture.Modality == Modality.Speech;
        return $"""
            # {manifest.Name}

            {manifest.Description}

            | | |
            | --- | --- |
            | input | `{manifest.Input.Tensor}` [N, {string.Join(", ", architecture.Shape)}] float32, {JsonName(manifest.Input.Layout)} of {JsonName(manifest.Input.Features)}, (x − mean) / scale |
            | output | `logits` [N, 7] and `embedding`; ONNX opset {OnnxGraph.Opset}, any N |
            | labels | {string.Join(", ", manifest.Output.Labels)} |
            | temperature | {manifest.Output.Temperature}, fitted on validation data |
            | abstains | below a score of {manifest.Output.AbstainBelow}: the least certain {Calibration.AbstainShare:P0} of validation data |{Cost(manifest)}
            | license | {manifest.License} |

            ## Data

            {(speech ? VoiceData(manifest) : FaceData)}

            ## Protocol

            {(speech
                ? "A fifth of each corpus and emotion is test data, drawn with a fixed seed; a tenth of the rest validates. A clip's score is the mean over windows of 3 s, one each second. Conditions are those of a telephone: the whole clip at 8 kHz, through µ-law, or both."
                : "The official parts: trained on Training, chosen and calibrated on PublicTest, measured on PrivateTest.")}
            The splits are files in `services/training/splits`. Test data choose nothing.

            {Training(architecture, manifest)}

            ## Figures

            {Figures(manifest, plots)}

            ## Limits

            {(speech ? SpeechLimits : FaceLimits)}

            ## How to reproduce

            ```
            {string.Join('\n', Commands(architecture, manifest))}
            ```

            Weights differ in their last digits between machines and numbers of threads, and figures with them.

            """;
    }

    private static string Cost(ModelManifest manifest) => manifest.Cost is not { } cost ? "" :
        $"\n| size | {cost.Parameters:N0} parameters, {cost.FileBytes / 1e6:0.0} MB |\n| latency | {cost.LatencyMs:0.00} ms for one input on one core, the model alone |";

    private static string VoiceData(ModelManifest manifest)
    {
        // What was tested is what was taught: the random split takes a part of each corpus.
        var used = Corpora.Where(corpus => manifest.Metrics.Any(metrics => metrics.Folds.Count == 0 && metrics.Data.Contains(corpus.Name, StringComparison.Ordinal))).ToList();
        return used.Count == 0
            ? "Not measured yet: `evaluate` names the corpora here."
            : $"""
                {string.Join('\n', used.Select(corpus => $"- {corpus.Text}."))}

                Acted English. Files that repeat another byte by byte, are empty or cannot be decoded are left out.
                """;
    }

    private static string Training(Architecture architecture, ModelManifest manifest)
    {
        var ways = architecture.Members.Count == 1
            ? Runs(architecture, manifest.Learning)
            : $"The weights are those of {string.Join(" and ", architecture.Members.Select(member => $"[`{member.Name}`](../{member.Name}/MODEL_CARD.md)"))}, each trained alone as its card says";
        return $"{ways}.\n{architecture.Remarks}".TrimEnd();
    }

    // One after another, where there are several; the curves are the last one's.
    private static string Runs(Architecture architecture, LearningCurves? learning)
    {
        var runs = Stages(architecture.Recipe).Select(recipe => Ways(architecture, recipe, recipe == architecture.Recipe ? learning : null)).ToList();
        return runs.Count == 1 ? runs[0]
            : $"{runs.Count} runs, {(architecture.Recipe.BornAgain ? "the later one from random weights" : "each from the weights of the one before")}.\n\n{string.Join('\n', runs.Select((ways, i) => $"{i + 1}. {ways}."))}\n\nThe learning curves are those of the last";
    }

    private static IEnumerable<Recipe> Stages(Recipe recipe) => [.. recipe.From is { } before ? Stages(before) : [], recipe];

    private static string Ways(Architecture architecture, Recipe recipe, LearningCurves? learning)
    {
        var epochs = learning?.Loss.Count;
        List<string> ways = [$"{(recipe.WeightDecay > 0 ? $"AdamW (weight decay {recipe.WeightDecay})" : "Adam")} on cross-entropy in batches of {recipe.BatchSize}"];
        ways.Add(recipe.Patience > 0
            ? $"at most {recipe.Epochs} epochs{(epochs is { } ended ? $", of which {ended} were run" : "")}; a rate of {recipe.Rate}, halved after every {recipe.PlateauPatience} epochs without less validation loss; an early end after {recipe.Patience} such epochs"
            : $"{epochs ?? recipe.Epochs} epochs; a rate in one cycle, rising to {recipe.Rate} over the first {recipe.WarmUp:P0} of the steps and falling as a cosine");
        ways.Add(recipe.Augment ? "samples are changed at random" : "samples are taken as they are");
        if (recipe.Augment && recipe.Variants > 0)
            ways.Add($"{recipe.Variants} changed versions of each are kept");
        if (recipe.Edge > 0)
            ways.Add($"pictures are seen at {recipe.Edge}×{recipe.Edge} pixels{(recipe.GentleEpochs > 0 ? $" until {recipe.GentleEpochs} epochs before the end" : "")}");
        if (recipe.GentleEpochs > 0)
            ways.Add($"the last {recipe.GentleEpochs} epochs change them only slightly");
        if (recipe.PerSpeaker > 0)
            ways.Add($"at most {recipe.PerSpeaker} clips of one speaker in an epoch, drawn anew in each");
        if (recipe.LabelSmoothing > 0)
            ways.Add($"label smoothing {recipe.LabelSmoothing}");
        if (recipe.Mixup > 0)
            ways.Add($"mixup {recipe.Mixup}");
        if (recipe.Mixed)
            ways.Add("convolutions and what passes between them are bfloat16, weights, statistics and dense layers float32 (mixed precision, Micikevicius et al. 2018)");
        if (recipe.Votes > 0)
            ways.Add($"{recipe.Votes:P0} of each target are the votes of ten people (FER+, Barsoum et al. 2016)");
        if (recipe.Teacher is { } teacher)
            ways.Add($"{recipe.Taught:P0} of each target are the scores of {(teacher == architecture.Name ? "the model that the first run left" : $"`{teacher}`")} (distillation, Hinton et al. 2015)");
        if (recipe.BornAgain)
            ways.Add($"{recipe.Taught:P0} of each target are the scores that the model of the run before gives the same sound, changed and mixed in the same way (born-again networks, Furlanello et al. 2018)");
        if (recipe.Detail > 0)
            ways.Add($"a second head, which is not exported, learns RAVDESS's eight emotions at two intensities, at {recipe.Detail} of the weight");
        var average = recipe.AverageDecay > 0 ? $"kept is the moving average of the weights (decay {recipe.AverageDecay})" : "kept are the weights";
        ways.Add(recipe.Patience > 0
            ? $"{average} at the epoch of the least validation loss{(learning is { } curves ? $", the {Ordinal(LeastLoss(curves))}" : "")}"
            : $"{average} at the end");
        if (recipe.Votes > 0)
            ways.Add("at export the biases of the logits are fitted to the labels of validation data, for votes name some emotions more often");
        return string.Join("; ", ways);
    }

    private static string Figures(ModelManifest manifest, IReadOnlyList<string> plots)
    {
        if (manifest.Metrics.Count == 0)
            return "Not measured yet: `evaluate` writes the figures here.";
        List<string> parts = [Tables.Figures(manifest.Metrics).TrimEnd()];
        if (manifest.Metrics[0].AtThreshold is { } answered)
            parts.Add($"Below its threshold the model leaves {(1 - answered.Coverage) * 100:0.0} % of the first row's samples unanswered, and is right in {answered.Accuracy * 100:0.0} % of the rest.");
        if (plots.Count > 0)
            parts.Add(string.Join('\n', plots.Select(plot => $"![{Path.GetFileNameWithoutExtension(plot)}]({plot})")));
        parts.AddRange(manifest.Metrics.Where(metrics => metrics.Condition is null && metrics.Confusion.Count > 0)
            .Select(metrics => $"{metrics.Protocol}:\n\n{Tables.Confusion(metrics).TrimEnd()}"));
        return string.Join("\n\n", parts);
    }

    private static IEnumerable<string> Commands(Architecture architecture, ModelManifest manifest)
    {
        const string Run = "dotnet run -c Release --project services/training --";
        var own = Data.Workspace.DefaultProtocol(architecture);
        foreach (var teacher in Stages(architecture.Recipe).Select(recipe => recipe.Teacher).OfType<string>().Distinct().Where(name => name != architecture.Name))
            yield return $"# first all of {teacher}, the teacher";
        yield return $"{Run} train --model {manifest.Name} --data DIR --seed 1";
        yield return $"{Run} export --model {manifest.Name} --data DIR{(manifest.Default ? " --default" : "")}";
        yield return $"{Run} evaluate --model {manifest.Name} --data DIR";
        foreach (var metrics in manifest.Metrics.Where(metrics => metrics.Condition is null && metrics.Split is not null && metrics.Split != own))
        {
            foreach (var split in metrics.Folds.Count > 0 ? metrics.Folds.Select(fold => fold.Name) : [metrics.Split!])
                yield return $"{Run} train --model {manifest.Name} --data DIR --seed 1 --protocol {split}";
            yield return $"{Run} evaluate --model {manifest.Name} --data DIR --protocol {metrics.Split}";
        }
        yield return $"{Run} report";
    }

    private static int LeastLoss(LearningCurves curves) => 1 + Enumerable.Range(0, curves.ValidationLoss.Count).MinBy(epoch => curves.ValidationLoss[epoch]);

    private static string Ordinal(int number) => number + (number % 100 is >= 11 and <= 13 ? "th" : (number % 10) switch { 1 => "st", 2 => "nd", 3 => "rd", _ => "th" });

    private static string JsonName<T>(T value) where T : struct, Enum =>
        System.Text.Json.JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString());
}
