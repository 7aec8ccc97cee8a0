using System.Text;
using System.Text.Json.Nodes;
using System.Xml.Linq;
using Affect.Emotions;
using Affect.Inference;
using Affect.Training.Commands;
using Affect.Training.Evaluation;
using Affect.Training.Export;
using SkiaSharp;

namespace Affect.UnitTests.Training;

public sealed class ReportTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("affect-report-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Models_are_compared_with_the_study_and_over_a_telephone()
    {
        var text = new ModelReport([Cnn, Foreign]).ToMarkdown(new Dictionary<string, IReadOnlyList<string>> { ["cnn"] = ["confusion.svg"] });

        // 7 of 10; the study has 65 %.
        Assert.Contains("| [`cnn`](cnn/MODEL_CARD.md) | 70.0 % | 10.0 % | 10.0 % | 10.0 % | 65.0 % | 66.0 % | 65.0 % | 65.0 % | +5.0 |", text, StringComparison.Ordinal);
        Assert.Contains("| 70.0 % | 60.0 % | 50.0 % | 40.0 % | 30.0 |", text, StringComparison.Ordinal);
        Assert.Contains("To compare exactly one needs CREMA-D", text, StringComparison.Ordinal);
        // Folds of 60 and 80 % lie 10 points about their mean, times the square root of two.
        Assert.Contains("| 2 of 5 folds | 10 | 10.0 % | 70.0 % | 10.0 % | 70.0 ± 14.1 % |", text, StringComparison.Ordinal);
        Assert.Contains("| 1,234 | 0.0 MB | 2.50 ms |", text, StringComparison.Ordinal);
        Assert.Contains("![confusion of cnn](cnn/confusion.svg)", text, StringComparison.Ordinal);
        // A model that nobody measured stands with what is known of it.
        Assert.DoesNotContain("foreign", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Repeated_faces_are_counted()
    {
        var face = Foreign with { Metrics = [Measured("fer2013-official", null, 10, 0.7), Measured("fer2013-official", Condition.NoneRepeated, 7, 0.6)] };

        var text = new ModelReport([face]).ToMarkdown(new Dictionary<string, IReadOnlyList<string>>());

        Assert.Contains("3 pictures of PrivateTest also lie in Training", text, StringComparison.Ordinal);
        Assert.Contains("| [`foreign`](foreign/MODEL_CARD.md) | 60.0 % |", text, StringComparison.Ordinal);
        // What the study has no counterpart of is held against its best, resnet50.
        Assert.Contains("| +3.1 to its best |", text, StringComparison.Ordinal);
    }

    [Fact]
    public void The_json_has_figures_per_class_and_the_studys()
    {
        var model = new ModelReport([Cnn]).ToJson()["models"]![0]!;

        Assert.Equal(0.65, (double)model["study"]!["accuracy"]!);
        Assert.Equal(0.7, (double)model["metrics"]![0]!["classes"]!["sad"]!["recall"]!);
        Assert.Equal(2.5, (double)model["cost"]!["latency_ms"]!);
    }

    [Fact]
    public void Everything_is_written_from_manifests_alone_and_the_same_each_time()
    {
        Assert.SkipWhen(SKFontManager.Default.FontFamilyCount == 0, "plots need a font");
        foreach (var manifest in (ModelManifest[])[Cnn, Foreign])
        {
            Directory.CreateDirectory(Path.Combine(_folder, manifest.Name));
            ModelFolder.WriteWhole(Path.Combine(_folder, manifest.Name, "manifest.json"),
                ReadableJson.Write(System.Text.Json.JsonSerializer.SerializeToNode(manifest, ModelManifest.Json)!));
        }

        ReportCommand.Write(_folder);
        var first = Files();
        ReportCommand.Write(_folder);

        Assert.Equal(
            ["README.md", "cnn/MODEL_CARD.md", "cnn/confusion.svg", "cnn/learning.svg", "cnn/manifest.json", "cnn/reliability.svg", "foreign/manifest.json", "report.json"],
            first.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(first, Files());
        Assert.Contains("![learning](learning.svg)", first["cnn/MODEL_CARD.md"], StringComparison.Ordinal);
        Assert.Contains("of which 2 were run", first["cnn/MODEL_CARD.md"], StringComparison.Ordinal);
    }

    [Fact]
    public void A_wrong_manifest_is_named()
    {
        Directory.CreateDirectory(Path.Combine(_folder, "broken"));
        File.WriteAllText(Path.Combine(_folder, "broken", "manifest.json"), "{}");

        Assert.Contains("broken", Assert.Throws<InvalidDataException>(() => ReportCommand.Write(_folder)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Plots_are_svg_with_their_axes_named()
    {
        Assert.SkipWhen(SKFontManager.Default.FontFamilyCount == 0, "plots need a font");

        var plots = Plots.Of(Cnn).ToDictionary();

        Assert.Equal(Plots.Names, plots.Keys);
        foreach (var (name, svg) in plots)
        {
            var root = XDocument.Parse(svg).Root!;
            Assert.Equal("svg", root.Name.LocalName);
            var texts = root.Descendants().Where(element => element.Name.LocalName == "text").Select(element => element.Value).ToList();
            Assert.Contains(name switch { "confusion.svg" => "true emotion", "learning.svg" => "cross-entropy (nats)", _ => "accuracy (%)" }, texts);
            Assert.InRange(svg.Length, 1000, 60_000);
        }
        // Seven rows of seven shares; all sad ones are 70 % sad.
        Assert.Contains(">70</text>", plots["confusion.svg"], StringComparison.Ordinal);
    }

    [Fact]
    public void What_the_repository_shows_is_what_its_manifests_say()
    {
        var shipped = Path.Combine(AppContext.BaseDirectory, "models");
        var manifests = Directory.GetDirectories(shipped).Select(folder =>
            ManifestReader.Read(File.ReadAllBytes(Path.Combine(folder, "manifest.json")), Path.GetFileName(folder), out _)!).ToList();
        var plots = manifests.ToDictionary(manifest => manifest.Name, manifest =>
            (IReadOnlyList<string>)[.. Plots.Names.Where(name => File.Exists(Path.Combine(shipped, manifest.Name, name)))]);

        // Where these differ, `report` was not run after the last `evaluate`.
        Assert.Equal(File.ReadAllText(Path.Combine(shipped, "README.md")), new ModelReport(manifests).ToMarkdown(plots));
        Assert.Equal(File.ReadAllBytes(Path.Combine(shipped, "report.json")), ReadableJson.Write(new ModelReport(manifests).ToJson()));
        Assert.All(manifests.Where(manifest => Affect.Training.Architectures.Architecture.All.ContainsKey(manifest.Name)), manifest => Assert.Equal(
            File.ReadAllText(Path.Combine(shipped, manifest.Name, "MODEL_CARD.md")),
            ModelCard.Write(Affect.Training.Architectures.Architecture.All[manifest.Name], manifest, plots[manifest.Name])));
    }

    [Fact]
    public void Json_keeps_rows_on_lines_and_means_the_same()
    {
        var node = JsonNode.Parse("""{"a":[[1,2],[3,4]],"b":{"c":1.5,"d":"µ"},"e":[],"f":null,"long":[""" + string.Join(',', Enumerable.Range(1000, 100)) + "]}")!;

        var text = Encoding.UTF8.GetString(ReadableJson.Write(node));

        Assert.True(JsonNode.DeepEquals(node, JsonNode.Parse(text)));
        Assert.Contains("\n    [1, 2],\n    [3, 4]\n", text, StringComparison.Ordinal);
        Assert.Contains("\"b\": { \"c\": 1.5, \"d\": \"µ\" },", text, StringComparison.Ordinal);
        Assert.InRange(text.Split('\n').Max(line => line.Length), 100, 140);
    }

    private Dictionary<string, string> Files() => Directory.GetFiles(_folder, "*", SearchOption.AllDirectories)
        .ToDictionary(path => Path.GetRelativePath(_folder, path), File.ReadAllText);

    private static ModelManifest Foreign => new()
    {
        Name = "foreign",
        Modality = Modality.Face,
        Description = "Someone else's.",
        Input = new() { Tensor = "input", Features = FeatureKind.Gray, Layout = TensorLayout.Nchw, Size = 48 },
        Output = new() { Logits = "logits", Labels = EmotionLabels.Names },
        Versions = [new() { Version = "1", File = "1/model.onnx", Sha256 = new string('0', 64) }],
        License = "theirs",
    };

    private static ModelManifest Cnn => Foreign with
    {
        Name = "cnn",
        Modality = Modality.Speech,
        Description = "For tests.",
        Input = new() { Tensor = "input", Features = FeatureKind.MfccZcrRms, Layout = TensorLayout.Ntf, WindowSeconds = 3 },
        Metrics =
        [
            Measured("speech-random", null, 10, 0.7),
            Measured("speech-random", "8 kHz", 10, 0.6),
            Measured("speech-random", "µ-law", 10, 0.5),
            Measured("speech-random", "8 kHz, µ-law", 10, 0.4),
            Measured("speech-ravdess", null, 10, 0.7) with
            {
                Protocol = "unseen speakers: 2 of 5 folds, weights trained for each",
                Folds = [new("speech-ravdess-fold-1", 5, 0.6, 0.6), new("speech-ravdess-fold-2", 5, 0.8, 0.8)],
            },
        ],
        Cost = new(1234, 5678, 2.5),
        Learning = new([2, 1], [0.3, 0.6], [1.9, 1.2], [0.4, 0.5]),
    };

    // All samples are sad; so many are said to be, the rest angry.
    private static ModelMetrics Measured(string split, string? condition, int samples, double accuracy)
    {
        var right = (int)Math.Round(samples * accuracy);
        var scores = Enumerable.Range(0, samples).Select(i => EmotionScores.FromWeights(i < right ? [0, 0, 0.8f, 0.2f, 0, 0, 0] : [0, 0, 0.4f, 0.6f, 0, 0, 0])).ToList();
        var metrics = Metrics.Of(split, "RAVDESS+SAVEE+TESS test", scores, [.. Enumerable.Repeat(Emotion.Sad, samples)]);
        return metrics with { Split = split, Condition = condition, Accuracy = accuracy, MacroPrecision = 0.1, UnweightedAverageRecall = 0.1, MacroF1 = 0.1 };
    }
}
