using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Affect.Emotions;
using Affect.Inference;
using Affect.Training.Data;

namespace Affect.Training.Evaluation;

/// <summary>Comparison of the models, computed from their manifests: README.md and report.json of the model repository.</summary>
internal sealed class ModelReport
{
    private const string RandomSpeech = Workspace.RandomSplit, OfficialFaces = "fer2013-official", Telephone = "8 kHz, µ-law";

    private readonly List<ModelManifest> _models;

    /// <summary>
    /// Orders the models by modality, default first, then by UAR: of unseen corpora, speaker-independent (several folds, one fold),
    /// otherwise of the shipped weights.
    /// </summary>
    public ModelReport(IEnumerable<ModelManifest> manifests) => _models = [.. manifests
        .OrderBy(model => model.Modality).ThenByDescending(model => model.Default)
        .ThenByDescending(model => SpeakerIndependent(model) is { } metrics && IsUnseenCorpora(metrics))
        .ThenByDescending(model => SpeakerIndependent(model)?.Folds.Count)
        .ThenByDescending(model =>
            (SpeakerIndependent(model) ?? (model.Metrics.Count > 0 ? model.Metrics[0] : null))?.UnweightedAverageRecall)
        .ThenBy(model => model.Name, StringComparer.Ordinal)];

    /// <summary>True if no speaker of the test part is in the training or validation part.</summary>
    public static bool IsSpeakerIndependent(ModelMetrics metrics) =>
        metrics.Folds.Count > 0 || metrics.Split?.Contains("-fold-", StringComparison.Ordinal) == true;

    /// <summary>True if the corpora of the test parts are not in the training or validation parts.</summary>
    public static bool IsUnseenCorpora(ModelMetrics metrics) => metrics.Split == Workspace.UnseenCorpora;

    /// <summary>The manifests with metrics per class and the published results of the study.</summary>
    public JsonNode ToJson()
    {
        var models = new JsonArray();
        foreach (var model in _models)
        {
            var json = JsonSerializer.SerializeToNode(model, ModelManifest.Json)!.AsObject();
            foreach (var part in (string[])["input", "output", "versions"])
                json.Remove(part);
            foreach (var (metrics, node) in model.Metrics.Zip(json["metrics"]!.AsArray()))
                node!["classes"] = new JsonObject(EmotionLabels.Names.Zip(metrics.Classes, (name, figures) =>
                    KeyValuePair.Create(name, JsonSerializer.SerializeToNode(Rounded(figures), ModelManifest.Json))));
            if (Study.Models.TryGetValue(model.Name, out var study))
                json["study"] = JsonSerializer.SerializeToNode(study, ModelManifest.Json);
            models.Add(json);
        }
        return new JsonObject { ["models"] = models };
    }

    /// <summary>The README of the model repository.</summary>
    /// <param name="plots">Names of the plots by model.</param>
    public string ToMarkdown(IReadOnlyDictionary<string, IReadOnlyList<string>> plots)
    {
        var text = new StringBuilder();
        text.Append("""
            # Models

            The model repository of the services: a manifest, a model card and ONNX files for each model. `training evaluate`
            computes the metrics with ONNX Runtime on test data that are not used for model selection or calibration; `training
            report` generates this page, [`report.json`](report.json), the plots and the model cards from the manifests. The
            licenses of the data restrict the weights to research and non-commercial use.

            UAR is the unweighted average recall, ECE the expected calibration error over 15 bins (Guo et al. 2017).


            """);
        var speech = _models.Where(model => model.Modality == Modality.Speech).ToList();
        var faces = _models.Where(model => model.Modality == Modality.Face).ToList();

        Section("Speech: unseen corpora", UnseenCorpora(speech),
            "Each corpus is tested with weights that are trained without it, and calibrated on the other left-out corpora. The means count\n" +
            "each corpus the same; recall is averaged over the emotions that a corpus has. These metrics are the estimate for new voices,\n" +
            "languages and rooms.");
        Section("Speech: unseen speakers", Unseen(speech),
            "Speaker-independent: the weights of each fold are trained without its test speakers, and the predictions of the folds are\n" +
            "pooled. These metrics are the estimate for new speakers.");
        Section("Speech: random split of the study", Comparison(speech, RandomSpeech), SpeechRemarks(speech));
        Section("Speech: conditions", Conditions(speech),
            "UAR of the same test clips at other levels, with noise, babble and room; the difference from clean audio in points.");
        Section("Speech: telephone conditions", TelephoneConditions(speech),
            "The same test clips resampled to 8 kHz, µ-law encoded (ITU-T G.711), or both. The loss is the difference of clean and both, " +
            "in points.");
        Section("Faces: FER2013 PrivateTest", Comparison(faces, OfficialFaces), FaceRemarks(faces));
        Section("Other protocols", Others(), "");
        Section("Calibration and abstention", CalibrationTable(),
            "The threshold is fitted on validation data and is `abstain_below` of the manifest.");
        Section("Size and latency", Costs(),
            "Median CPU time of one input (3 s of speech, one face) in ONNX Runtime on one core, without feature extraction.");
        Section("F1 per emotion", Classes(), "");
        Section("Plots", PlotsTable(plots), "");
        return text.ToString().TrimEnd() + "\n";

        void Section(string title, string table, string remark)
        {
            if (table.Length > 0)
                text.Append($"## {title}\n\n{table}{(remark.Length > 0 ? $"\n{remark}\n" : "")}\n");
        }
    }

    private static string Comparison(IReadOnlyList<ModelManifest> models, string split) => Table(
        ["model", "> UAR", "> accuracy", "> macro precision", "> macro F1", "> study: recall", "> accuracy", "> precision", "> F1",
        "> accuracy difference, points"],
        models.Select(model => Find(model, split, null) is { } m ? (string[])[
            Link(model), Percent(m.UnweightedAverageRecall), Percent(m.Accuracy), Percent(m.MacroPrecision), Percent(m.MacroF1),
            .. Study.Models.TryGetValue(model.Name, out var study)
                ? [Percent(study.Recall), Percent(study.Accuracy), Percent(study.Precision), Percent(study.F1),
                Points(m.Accuracy - study.Accuracy)]
                : (string[])["", "", "", "", $"{Points(m.Accuracy - Study.Best(model.Modality).Accuracy)} to its best model"]] : null));

    private static string SpeechRemarks(IReadOnlyList<ModelManifest> models)
    {
        if (models.Select(model => Find(model, RandomSpeech, null)).OfType<ModelMetrics>().FirstOrDefault() is not { } m)
            return "";
        var corpora = m.Data.Replace("+", ", ", StringComparison.Ordinal).Replace(" test", "", StringComparison.Ordinal);
        var cremaD = m.Data.Contains("CREMA-D", StringComparison.OrdinalIgnoreCase) ? "" : "CREMA-D (7,442 clips of 91 speakers) and ";
        return $"""
            Test data: {m.Samples:N0} clips of {corpora}, with the same speakers in the training data. The study tested on a random
            fifth of RAVDESS, SAVEE, TESS and CREMA-D, so the test clips differ.
            An exact comparison requires {cremaD}the study's list of test clips, which is not published.
            """;
    }

    private static string FaceRemarks(IReadOnlyList<ModelManifest> models)
    {
        var pairs = models.Select(
            model => (Model: model, All: Find(model, OfficialFaces, null),
            Without: Find(model, OfficialFaces, Condition.WithoutDuplicates)))
            .Where(pair => pair is { All: not null, Without: not null }).ToList();
        if (pairs.Count == 0)
            return "";
        return $"""
            The study tested on a random 15 % of the 35,887 images, Affect on the official PrivateTest of {pairs[0].All!.Samples:N0}. An
            exact comparison requires the study's list of test images, which is not published; `fer2013-70-15-15` is a split of that kind.
            {pairs[0].All!.Samples - pairs[0].Without!.Samples} images of PrivateTest are exact duplicates of Training images. Without them:

            {Tables.Table(["model", "> UAR", "> accuracy", "> macro F1"], pairs.Select(pair => Row(pair.Model, pair.Without!))).TrimEnd()}
            """;

        static string[] Row(ModelManifest model, ModelMetrics m) =>
            [Link(model), Percent(m.UnweightedAverageRecall), Percent(m.Accuracy), Percent(m.MacroF1)];
    }

    private static string UnseenCorpora(IReadOnlyList<ModelManifest> models)
    {
        var measured = models.SelectMany(model => model.Metrics.Where(m => IsUnseenCorpora(m) && m.Condition is null)
            .Select(m => (Model: model, Metrics: m))).ToList();
        var corpora = measured.SelectMany(pair => pair.Metrics.Folds.Select(fold => fold.Name)).Distinct().ToList();
        return Table(["model", "> mean UAR", "> mean ECE", .. corpora.Select(split => $"> {Corpus(split)}: UAR (ECE)")],
            measured.Select(pair => (string[]?)[Link(pair.Model), Percent(pair.Metrics.UnweightedAverageRecall),
                Percent(pair.Metrics.ExpectedCalibrationError),
                .. corpora.Select(split => pair.Metrics.Folds.FirstOrDefault(fold => fold.Name == split) is { } fold
                    ? $"{Percent(fold.UnweightedAverageRecall)} ({fold.ExpectedCalibrationError * 100:0.0})" : "")]));

        static string Corpus(string split) =>
            SpeechCorpora.All.First(corpus => split.EndsWith("-" + corpus.Folder, StringComparison.Ordinal)).Name;
    }

    // Conditions besides those of the telephone, which have a separate table.
    private static string Conditions(IReadOnlyList<ModelManifest> models)
    {
        var names = Condition.All.Select(condition => condition.Name).OfType<string>().Where(name => name is not ("8 kHz" or "µ-law")).ToList();
        return Table(["model", "data", "> clean", .. names.Select(name => $"> {name}")],
            models.SelectMany(model => model.Metrics.Where(m => m.Condition is null).Select(m =>
                names.Any(name => name != Telephone && Find(model, m.Split, name) is not null)
                    ? (string[])[Link(model), DataName(m), Percent(m.UnweightedAverageRecall),
                        .. names.Select(name => Find(model, m.Split, name) is { } found
                            ? Points(found.UnweightedAverageRecall - m.UnweightedAverageRecall) : "")]
                    : null)));
    }

    private static string Unseen(IReadOnlyList<ModelManifest> models) => Table(
        ["model", "data", "folds", "> samples", "> UAR", "> accuracy", "> macro F1", "> UAR of the folds", "> ECE"],
        models.SelectMany(model => model.Metrics.Where(m => IsSpeakerIndependent(m) && !IsUnseenCorpora(m) && m.Condition is null).Select(m => (string[]?)[
            Link(model), Trained(m), Folds(m), $"{m.Samples}", Percent(m.UnweightedAverageRecall), Percent(m.Accuracy), Percent(m.MacroF1),
            m.Folds.Count > 0 ? Spread([.. m.Folds.Select(fold => fold.UnweightedAverageRecall)])
                : "", Percent(m.ExpectedCalibrationError)])));

    private static string TelephoneConditions(IReadOnlyList<ModelManifest> models) => Table(
        ["model", "data", "> UAR: clean", "> 8 kHz", "> µ-law", "> both", "> loss", "> accuracy: clean", "> both", "> loss"],
        models.SelectMany(model => model.Metrics.Where(m => m.Condition is null).Select(m =>
            Find(model, m.Split, "8 kHz") is { } narrow && Find(model, m.Split, "µ-law") is { } coded
                && Find(model, m.Split, Telephone) is { } both
                ? (string[])[Link(model), DataName(m),
                    Percent(m.UnweightedAverageRecall), Percent(narrow.UnweightedAverageRecall), Percent(coded.UnweightedAverageRecall),
                    Percent(both.UnweightedAverageRecall), Points(m.UnweightedAverageRecall - both.UnweightedAverageRecall, sign: ""),
                    Percent(m.Accuracy), Percent(both.Accuracy), Points(m.Accuracy - both.Accuracy, sign: "")]
                : null)));

    private string Others() => Table(
        ["model", "protocol", "data", "> samples", "> UAR", "> accuracy", "> macro F1"],
        _models.SelectMany(model => model.Metrics
            .Where(m => m.Condition is null && !IsSpeakerIndependent(m) && m.Split is not (RandomSpeech or OfficialFaces))
            .Select(m => (string[]?)[Link(model), m.Protocol, m.Data, $"{m.Samples}", Percent(m.UnweightedAverageRecall),
                Percent(m.Accuracy), Percent(m.MacroF1)])));

    private string CalibrationTable() => Table(
        ["model", "data", "> ECE", "> accuracy", "> at 80 % coverage", "> gain, points", "> threshold", "> coverage",
        "> accuracy at threshold"],
        _models.SelectMany(model => model.Metrics.Where(m => m.Condition is null && m.MostCertain is not null).Select(m => (string[]?)[
            Link(model), DataName(m), Percent(m.ExpectedCalibrationError), Percent(m.Accuracy),
            Percent(m.MostCertain!.Accuracy), Points(m.MostCertain.Accuracy - m.Accuracy),
            m.Folds.Count > 0 ? "per fold" : $"{model.Output.AbstainBelow}",
            m.AtThreshold is { } answered ? Percent(answered.Coverage) : "", m.AtThreshold is { } selective ? Percent(selective.Accuracy)
                : ""])));

    private string Costs() => Table(
        ["model", "> parameters", "> file", "> latency"],
        _models.Select(model => model.Cost is { } cost
            ? (string[])[Link(model), $"{cost.Parameters:N0}", $"{cost.FileBytes / 1e6:0.0} MB", $"{cost.LatencyMs:0.00} ms"] : null));

    private string Classes() => Table(
        ["model", "data", .. EmotionLabels.Names.Select(name => $"> {name}")],
        _models.SelectMany(model => model.Metrics.Where(m => m.Condition is null && m.Confusion.Count > 0).Select(m => (string[]?)[
            Link(model), DataName(m), .. m.Classes.Select(c => Percent(c.F1))])));

    private string PlotsTable(IReadOnlyDictionary<string, IReadOnlyList<string>> plots) => Table(
        ["model", "confusion matrix", "learning curves", "reliability diagram"],
        _models.Select(model => plots.GetValueOrDefault(model.Name) is { Count: > 0 } own
            ? (string[])[Link(model),
                .. Plots.Names.Select(
                    name => own.Contains(name) ? $"![{Path.GetFileNameWithoutExtension(name)} of {model.Name}]({model.Name}/{name})" : "")]
                        : null));

    private static ModelMetrics? SpeakerIndependent(ModelManifest model) =>
        model.Metrics.Where(m => m.Condition is null && IsSpeakerIndependent(m)).OrderByDescending(IsUnseenCorpora)
            .ThenByDescending(m => m.Folds.Count).FirstOrDefault();

    private static string Trained(ModelMetrics m) =>
        m.Split == Workspace.UnseenSpeakers ? $"{m.Data}, eight corpora in training" : m.Data;

    // "5-fold" of "unseen speakers (5-fold, speaker-independent)", "fold 1 of 5" of "unseen speakers (fold 1 of 5: RAVDESS …)".
    private static string Folds(ModelMetrics m) => m.Protocol.Split('(', ',', ':', ')') is [_, var folds, ..] ? folds : "";

    private static string DataName(ModelMetrics m) =>
        IsUnseenCorpora(m) ? "unseen corpora" : $"{m.Data}{(IsSpeakerIndependent(m) ? ", unseen speakers" : "")}";

    private static ModelMetrics? Find(ModelManifest model, string? split, string? condition) =>
        model.Metrics.FirstOrDefault(m => m.Split == split && m.Condition == condition);

    // An empty string without rows.
    private static string Table(IReadOnlyList<string> headings, IEnumerable<string[]?> rows)
    {
        var filled = rows.OfType<string[]>().ToList();
        return filled.Count == 0 ? "" : Tables.Table(headings, filled);
    }

    private static string Link(ModelManifest model)
    {
        var link = $"[`{model.Name}`]({model.Name}/MODEL_CARD.md)";
        return model.Default ? $"**{link}**, default" : link;
    }

    private static string Percent(double fraction) => Tables.Percent(fraction);

    private static string Points(double difference, string sign = "+") =>
        Math.Round(difference * 100, 1) is var points && points > 0 ? $"{sign}{points:0.0}" : $"{points:0.0}";

    // Mean and sample standard deviation (n − 1) over folds.
    private static string Spread(double[] values)
    {
        var mean = values.Average();
        return values.Length < 2 ? Percent(mean)
            : $"{mean * 100:0.0} ± {Math.Sqrt(values.Sum(value => Math.Pow(value - mean, 2)) / (values.Length - 1)) * 100:0.0} %";
    }

    private static ClassMetrics Rounded(ClassMetrics figures) =>
        new(Math.Round(figures.Precision, 4), Math.Round(figures.Recall, 4), Math.Round(figures.F1, 4), figures.Support);
}
