using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Affect.Emotions;
using Affect.Inference;

namespace Affect.Training.Evaluation;

/// <summary>All models side by side, from their manifests alone: README.md and report.json of the model repository.</summary>
internal sealed class ModelReport
{
    private const string RandomVoices = "speech-random", OfficialFaces = "fer2013-official", Telephone = "8 kHz, µ-law";

    private readonly List<ModelManifest> _models;

    /// <summary>Defaults first, then the better before the worse.</summary>
    public ModelReport(IEnumerable<ModelManifest> manifests) => _models = [.. manifests
        .OrderBy(model => model.Modality).ThenByDescending(model => model.Default)
        .ThenByDescending(model => Primary(model)?.Accuracy).ThenBy(model => model.Name, StringComparer.Ordinal)];

    /// <summary>What each manifest holds, with figures per class and the study's.</summary>
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

    /// <summary>The page that people read.</summary>
    /// <param name="plots">For each model the names of its plots.</param>
    public string ToMarkdown(IReadOnlyDictionary<string, IReadOnlyList<string>> plots)
    {
        var text = new StringBuilder();
        text.Append("""
            # Models

            What the services load: for each model a manifest, a card and ONNX files. All figures were measured by
            `training evaluate` through ONNX Runtime on data that chose nothing; `training report` wrote this page,
            [`report.json`](report.json), the plots and the cards from the manifests. Weights are for research and
            non-commercial use, as the data are.


            """);
        var voices = _models.Where(model => model.Modality == Modality.Speech).ToList();
        var faces = _models.Where(model => model.Modality == Modality.Face).ToList();

        Section("Voices, as the study splits them", Comparison(voices, RandomVoices), VoicesApart(voices));
        Section("Voices never heard before", Unseen(voices),
            "Each fold is judged by weights that were trained without its speakers, all folds pooled. This is what to expect of strangers.");
        Section("Over a telephone", OverTelephone(voices),
            "The same test clips sampled at 8 kHz, sent through µ-law (ITU-T G.711), or both. Loss is from clean to both, in points.");
        Section("Faces, FER2013 PrivateTest", Comparison(faces, OfficialFaces), FacesApart(faces));
        Section("Other protocols", Others(), "");
        Section("Certainty", Certainty(),
            "Calibration error over 15 bins (Guo et al. 2017). The threshold, from validation data, is `abstain_below` of the manifest.");
        Section("Size and speed", Costs(),
            "Median processor time of one input (3 s of speech, one face) in ONNX Runtime on one core of the machine that measured, the model alone.");
        Section("F1 of each emotion", Classes(), "");
        Section("Plots", PlotsTable(plots), "");
        return text.ToString().TrimEnd() + "\n";

        void Section(string title, string table, string remark)
        {
            if (table.Length > 0)
                text.Append($"## {title}\n\n{table}{(remark.Length > 0 ? $"\n{remark}\n" : "")}\n");
        }
    }

    private static string Comparison(IReadOnlyList<ModelManifest> models, string split) => Table(
        ["model", "> accuracy", "> macro precision", "> average recall", "> macro F1", "> study: accuracy", "> precision", "> recall", "> F1", "> accuracy, points"],
        models.Select(model => Find(model, split, null) is { } m ? (string[])[
            Link(model), Percent(m.Accuracy), Percent(m.MacroPrecision), Percent(m.UnweightedAverageRecall), Percent(m.MacroF1),
            .. Study.Models.TryGetValue(model.Name, out var study)
                ? [Percent(study.Accuracy), Percent(study.Precision), Percent(study.Recall), Percent(study.F1), Points(m.Accuracy - study.Accuracy)]
                : (string[])["", "", "", "", $"{Points(m.Accuracy - Study.Best(model.Modality).Accuracy)} to its best"]] : null));

    private static string VoicesApart(IReadOnlyList<ModelManifest> models)
    {
        if (models.Select(model => Find(model, RandomVoices, null)).OfType<ModelMetrics>().FirstOrDefault() is not { } m)
            return "";
        var same = m.Data.Contains("CREMAD", StringComparison.OrdinalIgnoreCase);
        return $"""
            Tested on {m.Samples:N0} clips of {m.Data.Replace("+", ", ", StringComparison.Ordinal).Replace(" test", "", StringComparison.Ordinal)}; the same voices
            are on both sides. The study tested on RAVDESS, SAVEE, TESS and CREMA-D, one random fifth of them, so its figures and
            ours are of different clips. To compare exactly one needs {(same ? "" : "CREMA-D (7,442 clips of 91 speakers) beside the others, and ")}the study's own list of test
            clips, which it does not give.
            """;
    }

    private static string FacesApart(IReadOnlyList<ModelManifest> models)
    {
        var pairs = models.Select(model => (Model: model, All: Find(model, OfficialFaces, null), Without: Find(model, OfficialFaces, Condition.NoneRepeated)))
            .Where(pair => pair is { All: not null, Without: not null }).ToList();
        if (pairs.Count == 0)
            return "";
        return $"""
            The study tested on a random 15 % of all 35,887 pictures, we on the official PrivateTest of {pairs[0].All!.Samples:N0}. To compare exactly one
            needs the study's list of test pictures, which it does not give; the split `fer2013-70-15-15` is one of that kind.
            {pairs[0].All!.Samples - pairs[0].Without!.Samples} pictures of PrivateTest also lie in Training, pixel by pixel. Without them:

            {Tables.Table(["model", "> accuracy", "> average recall", "> macro F1"], pairs.Select(pair => (string[])[
                Link(pair.Model), Percent(pair.Without!.Accuracy), Percent(pair.Without.UnweightedAverageRecall), Percent(pair.Without.MacroF1)])).TrimEnd()}
            """;
    }

    private static string Unseen(IReadOnlyList<ModelManifest> models) => Table(
        ["model", "data", "folds", "> samples", "> average recall", "> accuracy", "> macro F1", "> recall of the folds", "> calibration error"],
        models.SelectMany(model => model.Metrics.Where(m => m.Folds.Count > 0 && m.Condition is null).Select(m => (string[]?)[
            Link(model), m.Data, m.Protocol.Split(": ")[^1].Split(',')[0], $"{m.Samples}", Percent(m.UnweightedAverageRecall), Percent(m.Accuracy), Percent(m.MacroF1),
            Spread([.. m.Folds.Select(fold => fold.UnweightedAverageRecall)]), Percent(m.ExpectedCalibrationError)])));

    private static string OverTelephone(IReadOnlyList<ModelManifest> models) => Table(
        ["model", "data", "> clean", "> 8 kHz", "> µ-law", "> both", "> loss", "> recall: clean", "> both", "> loss"],
        models.SelectMany(model => model.Metrics.Where(m => m.Condition is null).Select(m =>
            Find(model, m.Split, "8 kHz") is { } narrow && Find(model, m.Split, "µ-law") is { } coded && Find(model, m.Split, Telephone) is { } both
                ? (string[])[Link(model), $"{m.Data}{(m.Folds.Count > 0 ? ", unseen speakers" : "")}",
                    Percent(m.Accuracy), Percent(narrow.Accuracy), Percent(coded.Accuracy), Percent(both.Accuracy), Points(m.Accuracy - both.Accuracy, sign: ""),
                    Percent(m.UnweightedAverageRecall), Percent(both.UnweightedAverageRecall), Points(m.UnweightedAverageRecall - both.UnweightedAverageRecall, sign: "")]
                : null)));

    private string Others() => Table(
        ["model", "protocol", "data", "> samples", "> accuracy", "> average recall", "> macro F1"],
        _models.SelectMany(model => model.Metrics
            .Where(m => m.Condition is null && m.Folds.Count == 0 && m.Split is not (RandomVoices or OfficialFaces))
            .Select(m => (string[]?)[Link(model), m.Protocol, m.Data, $"{m.Samples}", Percent(m.Accuracy), Percent(m.UnweightedAverageRecall), Percent(m.MacroF1)])));

    private string Certainty() => Table(
        ["model", "data", "> calibration error", "> accuracy", "> of the most certain 80 %", "> gain, points", "> threshold", "> answered", "> right of these"],
        _models.SelectMany(model => model.Metrics.Where(m => m.Condition is null && m.MostCertain is not null).Select(m => (string[]?)[
            Link(model), $"{m.Data}{(m.Folds.Count > 0 ? ", unseen speakers" : "")}", Percent(m.ExpectedCalibrationError), Percent(m.Accuracy),
            Percent(m.MostCertain!.Accuracy), Points(m.MostCertain.Accuracy - m.Accuracy),
            m.Folds.Count > 0 ? "each fold's" : $"{model.Output.AbstainBelow}",
            m.AtThreshold is { } answered ? Percent(answered.Coverage) : "", m.AtThreshold is { } right ? Percent(right.Accuracy) : ""])));

    private string Costs() => Table(
        ["model", "> parameters", "> file", "> latency"],
        _models.Select(model => model.Cost is { } cost
            ? (string[])[Link(model), $"{cost.Parameters:N0}", $"{cost.FileBytes / 1e6:0.0} MB", $"{cost.LatencyMs:0.00} ms"] : null));

    private string Classes() => Table(
        ["model", "data", .. EmotionLabels.Names.Select(name => $"> {name}")],
        _models.SelectMany(model => model.Metrics.Where(m => m.Condition is null && m.Confusion.Count > 0).Select(m => (string[]?)[
            Link(model), $"{m.Data}{(m.Folds.Count > 0 ? ", unseen speakers" : "")}", .. m.Classes.Select(c => Percent(c.F1))])));

    private string PlotsTable(IReadOnlyDictionary<string, IReadOnlyList<string>> plots) => Table(
        ["model", "confusion", "learning", "reliability"],
        _models.Select(model => plots.GetValueOrDefault(model.Name) is { Count: > 0 } own
            ? (string[])[Link(model), .. Plots.Names.Select(name => own.Contains(name) ? $"![{Path.GetFileNameWithoutExtension(name)} of {model.Name}]({model.Name}/{name})" : "")] : null));

    private static ModelMetrics? Primary(ModelManifest model) =>
        Find(model, model.Modality == Modality.Speech ? RandomVoices : OfficialFaces, null) ?? (model.Metrics.Count > 0 ? model.Metrics[0] : null);

    private static ModelMetrics? Find(ModelManifest model, string? split, string? condition) =>
        model.Metrics.FirstOrDefault(m => m.Split == split && m.Condition == condition);

    // Nothing where no row is.
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

    private static string Percent(double share) => $"{share * 100:0.0} %";

    private static string Points(double difference, string sign = "+") => Math.Round(difference * 100, 1) is var points && points > 0 ? $"{sign}{points:0.0}" : $"{points:0.0}";

    // Mean and standard deviation (n − 1) over folds.
    private static string Spread(double[] values)
    {
        var mean = values.Average();
        return values.Length < 2 ? Percent(mean) : $"{mean * 100:0.0} ± {Math.Sqrt(values.Sum(value => Math.Pow(value - mean, 2)) / (values.Length - 1)) * 100:0.0} %";
    }

    private static ClassMetrics Rounded(ClassMetrics figures) =>
        new(Math.Round(figures.Precision, 4), Math.Round(figures.Recall, 4), Math.Round(figures.F1, 4), figures.Support);
}
