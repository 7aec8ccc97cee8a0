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
    public void ToMarkdown_SpeechModels_ComparesStudyAndTelephoneConditions()
    {
        var text = new ModelReport([Cnn, Foreign]).ToMarkdown(
            new Dictionary<string, IReadOnlyList<string>> { ["cnn"] = ["confusion.svg"] });

        // 7 of 10 correct; the study has 65 %.
        Assert.Contains("| [`cnn`](cnn/MODEL_CARD.md) | 10.0 % | 70.0 % | 10.0 % | 10.0 % | 65.0 % | 65.0 % | 66.0 % | 65.0 % | +5.0 |",
            text, StringComparison.Ordinal);
        Assert.Contains("| 10.0 % | 10.0 % | 10.0 % | 10.0 % | 0.0 | 70.0 % | 40.0 % | 30.0 |", text, StringComparison.Ordinal);
        Assert.Contains("An exact comparison requires CREMA-D", text, StringComparison.Ordinal);
        // Sample standard deviation of folds of 60 and 80 %: 10 points times the square root of two.
        Assert.Contains("| 2 of 5 folds | 10 | 10.0 % | 70.0 % | 10.0 % | 70.0 ± 14.1 % |", text, StringComparison.Ordinal);
        Assert.Contains("| 1,234 | 0.0 MB | 2.50 ms |", text, StringComparison.Ordinal);
        Assert.Contains("![confusion of cnn](cnn/confusion.svg)", text, StringComparison.Ordinal);
        // A model without metrics is not in the tables.
        Assert.DoesNotContain("foreign", text, StringComparison.Ordinal);
    }

    [Fact]
    public void ToMarkdown_UnseenCorpora_LeadReport()
    {
        var unseen = Cnn with
        {
            Name = "unseen",
            Metrics =
            [
                .. Cnn.Metrics,
                Measured("speech-loco", null, 10, 0.7) with
                {
                    UnweightedAverageRecall = 0.45,
                    ExpectedCalibrationError = 0.062,
                    Folds =
                    [
                        new("speech-loco-casia", 5, 0.6, 0.4) { ExpectedCalibrationError = 0.05 },
                        new("speech-loco-turev", 5, 0.8, 0.5) { ExpectedCalibrationError = 0.074 },
                    ],
                },
                Measured("speech-loco", "babble 10 dB", 10, 0.6) with { UnweightedAverageRecall = 0.4 },
            ],
        };

        var text = new ModelReport([Cnn, unseen]).ToMarkdown(new Dictionary<string, IReadOnlyList<string>>());

        Assert.Contains("""
            ## Speech: unseen corpora

            | model | mean UAR | mean ECE | CASIA: UAR (ECE) | TurEV: UAR (ECE) |
            | --- | ---: | ---: | ---: | ---: |
            | [`unseen`](unseen/MODEL_CARD.md) | 45.0 % | 6.2 % | 40.0 % (5.0) | 50.0 % (7.4) |

            """, text, StringComparison.Ordinal);
        Assert.True(text.IndexOf("unseen corpora", StringComparison.Ordinal) < text.IndexOf("unseen speakers", StringComparison.Ordinal));
        Assert.Contains("| [`unseen`](unseen/MODEL_CARD.md) | unseen corpora | 45.0 % |  |  |  |  |  |  | -5.0 |", text, StringComparison.Ordinal);
        // Not among the folds of unseen speakers.
        Assert.Single(text.Split('\n'), line => line.Contains("unseen`", StringComparison.Ordinal) && line.Contains("2 of 5 folds", StringComparison.Ordinal));
    }

    [Fact]
    public void ToMarkdown_FaceModels_CountsDuplicates()
    {
        var face = Foreign with
        {
            Metrics = [Measured("fer2013-official", null, 10, 0.7), Measured("fer2013-official", Condition.WithoutDuplicates, 7, 0.6)],
        };

        var text = new ModelReport([face]).ToMarkdown(new Dictionary<string, IReadOnlyList<string>>());

        Assert.Contains("3 images of PrivateTest are exact duplicates of Training images", text, StringComparison.Ordinal);
        Assert.Contains("| [`foreign`](foreign/MODEL_CARD.md) | 10.0 % | 60.0 % | 10.0 % |\n", text, StringComparison.Ordinal);
        // Models without a counterpart are compared with the study's best model, resnet50.
        Assert.Contains("| +3.1 to its best model |", text, StringComparison.Ordinal);
    }

    [Fact]
    public void ToJson_Model_HasMetricsPerClassAndStudy()
    {
        var model = new ModelReport([Cnn]).ToJson()["models"]![0]!;

        Assert.Equal(0.65, (double)model["study"]!["accuracy"]!);
        Assert.Equal(0.7, (double)model["metrics"]![0]!["classes"]!["sad"]!["recall"]!);
        Assert.Equal(2.5, (double)model["cost"]!["latency_ms"]!);
    }

    [Fact]
    public void ReportWrite_Manifests_WritesSameFilesEachTime()
    {
        Assert.SkipWhen(SKFontManager.Default.FontFamilyCount == 0, "plots require a font");
        foreach (var manifest in (ModelManifest[])[Cnn, Foreign])
        {
            Directory.CreateDirectory(Path.Combine(_folder, manifest.Name));
            ModelFolder.WriteAtomically(Path.Combine(_folder, manifest.Name, "manifest.json"),
                ReadableJson.Write(System.Text.Json.JsonSerializer.SerializeToNode(manifest, ModelManifest.Json)!));
        }

        ReportCommand.Write(_folder);
        var first = Files();
        ReportCommand.Write(_folder);

        Assert.Equal(
            ["README.md", "cnn/MODEL_CARD.md", "cnn/confusion.svg", "cnn/learning.svg", "cnn/manifest.json", "cnn/reliability.svg",
            "foreign/manifest.json", "report.json"],
            first.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(first, Files());
        Assert.Contains("![learning](learning.svg)", first["cnn/MODEL_CARD.md"], StringComparison.Ordinal);
        Assert.Contains("stopped after 2", first["cnn/MODEL_CARD.md"], StringComparison.Ordinal);
    }

    [Fact]
    public void ReportWrite_InvalidManifest_IsNamed()
    {
        Directory.CreateDirectory(Path.Combine(_folder, "broken"));
        File.WriteAllText(Path.Combine(_folder, "broken", "manifest.json"), "{}");

        Assert.Contains("broken", Assert.Throws<InvalidDataException>(() => ReportCommand.Write(_folder)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void PlotsDraw_Manifest_ReturnsSvgWithAxisLabels()
    {
        Assert.SkipWhen(SKFontManager.Default.FontFamilyCount == 0, "plots require a font");

        var plots = Plots.Draw(Cnn).ToDictionary();

        Assert.Equal(Plots.Names, plots.Keys);
        foreach (var (name, svg) in plots)
        {
            var root = XDocument.Parse(svg).Root!;
            Assert.Equal("svg", root.Name.LocalName);
            var texts = root.Descendants().Where(element => element.Name.LocalName == "text").Select(element => element.Value).ToList();
            Assert.Contains(name switch
            {
                "confusion.svg" => "true emotion",
                "learning.svg" => "cross-entropy (nats)",
                _ => "accuracy (%)"
            }, texts);
            Assert.InRange(svg.Length, 1000, 60_000);
        }
        // 70 % of the sad samples are predicted as sad.
        Assert.Contains(">70</text>", plots["confusion.svg"], StringComparison.Ordinal);
    }

    [Fact]
    public void ModelRepository_GeneratedFiles_AreUpToDate()
    {
        var shipped = Path.Combine(AppContext.BaseDirectory, "models");
        var manifests = Directory.GetDirectories(shipped).Select(folder =>
            ManifestReader.Read(File.ReadAllBytes(Path.Combine(folder, "manifest.json")), Path.GetFileName(folder), out _)!).ToList();
        var plots = manifests.ToDictionary(manifest => manifest.Name, manifest =>
            (IReadOnlyList<string>)[.. Plots.Names.Where(name => File.Exists(Path.Combine(shipped, manifest.Name, name)))]);

        // A difference means that `report` was not run after the last `evaluate`.
        Assert.Equal(File.ReadAllText(Path.Combine(shipped, "README.md")), new ModelReport(manifests).ToMarkdown(plots));
        Assert.Equal(File.ReadAllBytes(Path.Combine(shipped, "report.json")), ReadableJson.Write(new ModelReport(manifests).ToJson()));
        Assert.All(manifests.Where(manifest => Affect.Training.Architectures.Architecture.All.ContainsKey(manifest.Name)),
            manifest => Assert.Equal(
            File.ReadAllText(Path.Combine(shipped, manifest.Name, "MODEL_CARD.md")),
            ModelCard.Write(Affect.Training.Architectures.Architecture.All[manifest.Name], manifest, plots[manifest.Name])));
    }

    [Fact]
    public void ReadableJsonWrite_Node_KeepsRowsOnLinesAndContent()
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
                Protocol = "unseen speakers (2 of 5 folds, speaker-independent)",
                Folds = [new("speech-ravdess-fold-1", 5, 0.6, 0.6), new("speech-ravdess-fold-2", 5, 0.8, 0.8)],
            },
        ],
        Cost = new(1234, 5678, 2.5),
        Learning = new([2, 1], [0.3, 0.6], [1.9, 1.2], [0.4, 0.5]),
    };

    // The samples are sad; the given share is predicted as sad, the rest as angry.
    private static ModelMetrics Measured(string split, string? condition, int samples, double accuracy)
    {
        var correct = (int)Math.Round(samples * accuracy);
        var scores = Enumerable.Range(0, samples)
            .Select(i => EmotionScores.FromWeights(i < correct ? [0, 0, 0.8f, 0.2f, 0, 0, 0] : [0, 0, 0.4f, 0.6f, 0, 0, 0])).ToList();
        var metrics = Metrics.Compute(split, "RAVDESS+SAVEE+TESS test", scores, [.. Enumerable.Repeat(Emotion.Sad, samples)]);
        return metrics with
        {
            Split = split,
            Condition = condition,
            Accuracy = accuracy,
            MacroPrecision = 0.1,
            UnweightedAverageRecall = 0.1,
            MacroF1 = 0.1
        };
    }
}
