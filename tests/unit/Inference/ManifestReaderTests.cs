using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Affect.Inference;
using Affect.Testing;

namespace Affect.UnitTests.Inference;

public sealed class ManifestReaderTests
{
    private static readonly ModelVersion One = new() { Version = "1", File = "1/model.onnx", Sha256 = new string('a', 64) };

    private static ModelManifest Speech => TinyModel.Speech() with { Versions = [One] };

    private static ModelManifest Face => TinyModel.Face() with { Versions = [One] };

    [Fact]
    public void Read_ValidManifest_RoundTrips()
    {
        var written = Speech with
        {
            Input = Speech.Input with { Mean = [.. Enumerable.Range(0, 42).Select(i => i / 10f)] },
            Metrics = [Metrics],
        };

        var read = Read(JsonSerializer.Serialize(written, ModelManifest.Json), out var errors);

        Assert.Empty(errors);
        Assert.NotNull(read);
        Assert.Equal(written.Input.Mean, read.Input.Mean);
        Assert.Equal(0.9, Assert.Single(read.Metrics).Accuracy);
        Assert.Equal(FeatureKind.MfccZcrRms, read.Input.Features);
    }

    [Fact]
    public void Read_InvalidStructure_ReportsEveryError()
    {
        var read = Read(
            """
            {
              "name": 7, "modality": "smell", "color": "red", "default": null,
              "input": { "tensor": "input", "features": "gray", "size": "big", "mean": [0, "x"], "shape": [1] },
              "output": { "logits": "logits", "labels": "happy", "label_map": { "calm": 1 } },
              "versions": [ { "version": "1", "file": "1/model.onnx" } ]
            }
            """, out var errors);

        Assert.Null(read);
        Assert.Equal(
            [
                "name: 7 must be a string",
                "modality: \"smell\" must be one of speech, face",
                "color: unknown property",
                "default: must not be null",
                "input.size: \"big\" must be an integer",
                "input.mean[1]: \"x\" must be a number",
                "input.shape: unknown property",
                "input.layout: required",
                "output.labels: \"happy\" must be an array",
                "output.label_map[calm]: 1 must be a string",
                "versions[0].sha256: required",
                "description: required",
                "license: required",
            ], errors);
    }

    [Fact]
    public void Validate_InvalidValues_ReportsEveryError()
    {
        var errors = Errors(Speech with
        {
            Description = " ",
            Input = Speech.Input with { Features = FeatureKind.Gray, Layout = TensorLayout.Nhwc, WindowSeconds = null },
            Output = Speech.Output with { Temperature = 0 },
            Versions = [],
        });

        Assert.Equal(
            ["description", "input.features", "input.layout", "input.window_seconds", "output.temperature", "versions"],
            errors.Select(error => error.Split(':')[0]));
    }

    [Theory]
    [InlineData("Tiny")]
    [InlineData("tiny_speech")]
    [InlineData("-tiny")]
    [InlineData("")]
    [InlineData("../tiny")]
    [InlineData("tiny-speech\n")]
    public void Validate_InvalidName_IsRejected(string name) =>
        Assert.StartsWith("name: ", Assert.Single(Errors(Speech with { Name = name }, name)));

    [Fact]
    public void Validate_NameOfAnotherFolder_IsRejected() =>
        Assert.Equal("name: 'tiny-speech' must be the name of its folder, 'other'", Assert.Single(Errors(Speech, "other")));

    [Fact]
    public void Validate_FaceModelWithWindowAndWithoutSize_IsRejected() =>
        Assert.Equal(
            ["input.window_seconds", "input.size"],
            Errors(Face with { Input = Face.Input with { Size = null, WindowSeconds = 3 } }).Select(error => error.Split(':')[0]));

    [Theory]
    [InlineData(0.25)]
    [InlineData(10.5)]
    [InlineData(double.NaN)]
    public void Validate_WindowOutOfBounds_IsRejected(double seconds) =>
        Assert.Equal(
            "input.window_seconds: must lie between 0.5 and 10 for a speech model",
            Assert.Single(Errors(Speech with { Input = Speech.Input with { WindowSeconds = seconds } })));

    [Theory]
    [InlineData(15)]
    [InlineData(513)]
    public void Validate_FaceSizeOutOfBounds_IsRejected(int size) =>
        Assert.Equal(
            "input.size: must lie between 16 and 512 pixels for a face model",
            Assert.Single(Errors(Face with { Input = Face.Input with { Size = size } })));

    [Fact]
    public void Read_PropertyOfTheWrongType_IsReportedByItsPath()
    {
        var valid = Speech with
        {
            Input = Speech.Input with { Size = 48 },
            Output = Speech.Output with { Embedding = "embedding", Probabilities = true, LabelMap = new Dictionary<string, string> { ["happy"] = "happy" } },
            Metrics = [Metrics],
        };
        var paths = Paths(JsonSerializer.SerializeToNode(valid, ModelManifest.Json)!, "").ToList();
        Assert.Contains("output.label_map[happy]", paths);
        Assert.Contains("metrics[0].accuracy", paths);
        foreach (var path in paths)
        {
            var json = JsonSerializer.SerializeToNode(valid, ModelManifest.Json)!;
            var parent = json;
            var steps = path.Split('.', '[').Select(step => step.TrimEnd(']')).ToList();
            foreach (var step in steps[..^1])
                parent = int.TryParse(step, out var i) ? parent[i]! : parent[step]!;
            // No property of a manifest is an array of arrays of strings.
            JsonNode wrong = new JsonArray(new JsonArray("wrong"));
            if (int.TryParse(steps[^1], out var index))
                parent[index] = wrong;
            else
                parent[steps[^1]] = wrong;

            Assert.Null(Read(json.ToJsonString(), out var errors));
            Assert.All(errors, error => Assert.StartsWith(path, error, StringComparison.Ordinal));
        }

        static IEnumerable<string> Paths(JsonNode node, string path) => node switch
        {
            JsonObject entries => entries.SelectMany(entry =>
            {
                var name = path.EndsWith("label_map", StringComparison.Ordinal) ? $"{path}[{entry.Key}]" : path.Length == 0 ? entry.Key : $"{path}.{entry.Key}";
                return entry.Value is { } value ? Paths(value, name).Prepend(name) : [name];
            }),
            JsonArray items => items.SelectMany((item, i) => Paths(item!, $"{path}[{i}]").Prepend($"{path}[{i}]")),
            _ => [],
        };
    }

    [Fact]
    public void Validate_MeanAndScaleOfWrongLength_AreRejected() =>
        Assert.Equal(
            [
                "input.mean: has 41 values; must have 1 or 42 for mfcc_zcr_rms",
                "input.scale: has 0 values; must have 1 or 42 for mfcc_zcr_rms",
            ],
            Errors(Speech with { Input = Speech.Input with { Mean = new float[41], Scale = [] } }));

    [Fact]
    public void Validate_ScaleOfZero_IsRejected() =>
        Assert.Equal("input.scale[0]: 0 must be finite and not 0", Assert.Single(Errors(Face with { Input = Face.Input with { Scale = [0] } })));

    [Fact]
    public void Validate_UnmappedLabel_IsRejected() =>
        Assert.Equal(
            "output.labels[2]: 'calm' must be one of the seven emotions or be in label_map",
            Assert.Single(Errors(Speech with { Output = Speech.Output with { Labels = ["happy", "sad", "calm"] } })));

    [Fact]
    public void Validate_LabelMapWithUnknownNames_IsRejected() =>
        Assert.Equal(
            [
                "output.label_map[calm]: 'relaxed' must be empty or one of neutral, happy, sad, angry, fear, disgust, surprise",
                "output.label_map[bored]: must be one of labels",
            ],
            Errors(Speech with
            {
                Output = Speech.Output with
                {
                    Labels = ["happy", "calm"],
                    LabelMap = new Dictionary<string, string> { ["calm"] = "relaxed", ["bored"] = "" },
                },
            }));

    [Theory]
    [InlineData("/etc/passwd")]
    [InlineData("../other/1/model.onnx")]
    [InlineData("1/../../model.onnx")]
    [InlineData("")]
    public void Validate_FileOutsideTheFolder_IsRejected(string file) =>
        Assert.StartsWith("versions[0].file: ", Assert.Single(Errors(Speech with { Versions = [One with { File = file }] })));

    [Theory]
    [InlineData("")]
    [InlineData("abc")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    public void Validate_InvalidSha256_IsRejected(string sha256) =>
        Assert.StartsWith("versions[0].sha256: ", Assert.Single(Errors(Speech with { Versions = [One with { Sha256 = sha256 }] })));

    [Theory]
    [InlineData("1", "1")]
    [InlineData("10", "9")]
    [InlineData("1", "latest")]
    public void Validate_VersionNotAboveThePrevious_IsRejected(string first, string second) =>
        Assert.StartsWith(
            "versions[1].version: ",
            Assert.Single(Errors(Speech with { Versions = [One with { Version = first }, One with { Version = second }] })));

    [Fact]
    public void Validate_Version10After9_IsAccepted() =>
        Assert.Empty(Errors(Speech with { Versions = [One with { Version = "9" }, One with { Version = "10" }] }));

    [Fact]
    public void Validate_MetricsOutOfBounds_AreRejected() =>
        Assert.Equal(
            ["metrics[0].samples", "metrics[0].accuracy", "metrics[0].confusion"],
            Errors(Speech with { Metrics = [Metrics with { Samples = 0, Accuracy = 90, Confusion = [[1]] }] })
                .Select(error => error.Split(':')[0]));

    [Fact]
    public void Validate_CostAndCurvesOutOfBounds_AreRejected() =>
        Assert.Equal(
            ["metrics[0].most_certain", "metrics[0].reliability", "metrics[0].folds", "cost", "learning"],
            Errors(Speech with
            {
                Metrics = [Metrics with { MostCertain = new(1.2, 0.9), Reliability = [new(-1, 0.5, 0.5)], Folds = [new("fold", 0, 0.5, 0.5)] }],
                Cost = new(1, -1, 1),
                Learning = new([1], [], [], []),
            }).Select(error => error.Split(':')[0]));

    [Theory]
    [InlineData("")]
    [InlineData("not json")]
    [InlineData("{ \"name\": ")]
    public void Read_InvalidJson_IsRejected(string json)
    {
        Assert.Null(Read(json, out var errors));
        Assert.StartsWith("manifest: must be JSON", Assert.Single(errors));
    }

    [Theory]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("\"manifest\"")]
    public void Read_JsonThatIsNotAnObject_IsRejected(string json)
    {
        Assert.Null(Read(json, out var errors));
        Assert.Equal($"manifest: {json} must be an object", Assert.Single(errors));
    }

    private static ModelMetrics Metrics => new()
    {
        Protocol = "random 80/20",
        Data = "RAVDESS",
        Samples = 100,
        Accuracy = 0.9,
        UnweightedAverageRecall = 0.9,
        MacroF1 = 0.9,
        MacroPrecision = 0.9,
        ExpectedCalibrationError = 0.02,
    };

    private static ModelManifest? Read(string json, out IReadOnlyList<string> errors) =>
        ManifestReader.Read(Encoding.UTF8.GetBytes(json), "tiny-speech", out errors);

    private static List<string> Errors(ModelManifest manifest, string? folder = null) =>
        [.. ManifestReader.Validate(manifest, folder ?? manifest.Name)];
}
