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
    public void A_right_manifest_is_read_back_as_it_was_written()
    {
        var written = Speech with
        {
            Input = Speech.Input with { Mean = [.. Enumerable.Range(0, 42).Select(i => i / 10f)] },
            Metrics = [Metrics],
        };

        var read = Read(JsonSerializer.Serialize(written, ModelManifest.Json), out var mistakes);

        Assert.Empty(mistakes);
        Assert.NotNull(read);
        Assert.Equal(written.Input.Mean, read.Input.Mean);
        Assert.Equal(0.9, Assert.Single(read.Metrics).Accuracy);
        Assert.Equal(FeatureKind.MfccZcrRms, read.Input.Features);
    }

    [Fact]
    public void Every_mistake_of_form_is_named_at_once()
    {
        var read = Read(
            """
            {
              "name": 7, "modality": "smell", "colour": "red", "default": null,
              "input": { "tensor": "input", "features": "gray", "size": "big", "mean": [0, "x"], "shape": [1] },
              "output": { "logits": "logits", "labels": "happy", "label_map": { "calm": 1 } },
              "versions": [ { "version": "1", "file": "1/model.onnx" } ]
            }
            """, out var mistakes);

        Assert.Null(read);
        Assert.Equal(
            [
                "name: 7 is not a string",
                "modality: \"smell\" is not one of speech, face",
                "colour: is unknown",
                "default: must not be null",
                "input.size: \"big\" is not an integer",
                "input.mean[1]: \"x\" is not a number",
                "input.shape: is unknown",
                "input.layout: is missing",
                "output.labels: \"happy\" is not an array",
                "output.label_map[calm]: 1 is not a string",
                "versions[0].sha256: is missing",
                "description: is missing",
                "license: is missing",
            ], mistakes);
    }

    [Fact]
    public void Every_mistake_of_meaning_is_named_at_once()
    {
        var mistakes = Mistakes(Speech with
        {
            Description = " ",
            Input = Speech.Input with { Features = FeatureKind.Gray, Layout = TensorLayout.Nhwc, WindowSeconds = null },
            Output = Speech.Output with { Temperature = 0 },
            Versions = [],
        });

        Assert.Equal(
            ["description", "input.features", "input.layout", "input.window_seconds", "output.temperature", "versions"],
            mistakes.Select(mistake => mistake.Split(':')[0]));
    }

    [Theory]
    [InlineData("Tiny")]
    [InlineData("tiny_speech")]
    [InlineData("-tiny")]
    [InlineData("")]
    [InlineData("../tiny")]
    [InlineData("tiny-speech\n")]
    public void A_name_is_lower_case_letters_digits_and_hyphens(string name) =>
        Assert.StartsWith("name: ", Assert.Single(Mistakes(Speech with { Name = name }, name)));

    [Fact]
    public void The_name_is_the_folder_s() =>
        Assert.Equal("name: 'tiny-speech' is not the name of its folder, 'other'", Assert.Single(Mistakes(Speech, "other")));

    [Fact]
    public void A_face_model_has_a_size_and_no_window() =>
        Assert.Equal(
            ["input.window_seconds", "input.size"],
            Mistakes(Face with { Input = Face.Input with { Size = null, WindowSeconds = 3 } }).Select(mistake => mistake.Split(':')[0]));

    [Theory]
    [InlineData(0.25)]
    [InlineData(10.5)]
    [InlineData(double.NaN)]
    public void A_window_is_one_that_the_features_service_makes(double seconds) =>
        Assert.Equal(
            "input.window_seconds: a speech model needs one from 0.5 to 10",
            Assert.Single(Mistakes(Speech with { Input = Speech.Input with { WindowSeconds = seconds } })));

    [Theory]
    [InlineData(15)]
    [InlineData(513)]
    public void A_face_is_one_that_the_features_service_makes(int size) =>
        Assert.Equal(
            "input.size: a face model needs one from 16 to 512 pixels",
            Assert.Single(Mistakes(Face with { Input = Face.Input with { Size = size } })));

    [Fact]
    public void Each_property_of_a_wrong_form_has_a_line_that_begins_with_its_name()
    {
        var right = Speech with
        {
            Input = Speech.Input with { Size = 48 },
            Output = Speech.Output with { Embedding = "embedding", Probabilities = true, LabelMap = new Dictionary<string, string> { ["happy"] = "happy" } },
            Metrics = [Metrics],
        };
        var paths = Paths(JsonSerializer.SerializeToNode(right, ModelManifest.Json)!, "").ToList();
        Assert.Contains("output.label_map[happy]", paths);
        Assert.Contains("metrics[0].accuracy", paths);
        foreach (var path in paths)
        {
            var json = JsonSerializer.SerializeToNode(right, ModelManifest.Json)!;
            var parent = json;
            var steps = path.Split('.', '[').Select(step => step.TrimEnd(']')).ToList();
            foreach (var step in steps[..^1])
                parent = int.TryParse(step, out var i) ? parent[i]! : parent[step]!;
            // Nothing in a manifest is an array of arrays of strings.
            JsonNode wrong = new JsonArray(new JsonArray("wrong"));
            if (int.TryParse(steps[^1], out var index))
                parent[index] = wrong;
            else
                parent[steps[^1]] = wrong;

            Assert.Null(Read(json.ToJsonString(), out var mistakes));
            Assert.All(mistakes, mistake => Assert.StartsWith(path, mistake, StringComparison.Ordinal));
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
    public void Mean_and_scale_have_one_value_or_one_per_feature() =>
        Assert.Equal(
            [
                "input.mean: has 41 values; mfcc_zcr_rms needs 1 or 42",
                "input.scale: has 0 values; mfcc_zcr_rms needs 1 or 42",
            ],
            Mistakes(Speech with { Input = Speech.Input with { Mean = new float[41], Scale = [] } }));

    [Fact]
    public void Nothing_is_divided_by_zero() =>
        Assert.Equal("input.scale[0]: 0 must be finite and not 0", Assert.Single(Mistakes(Face with { Input = Face.Input with { Scale = [0] } })));

    [Fact]
    public void A_label_that_is_none_of_the_seven_must_be_mapped() =>
        Assert.Equal(
            "output.labels[2]: 'calm' is none of the seven and label_map does not say which it is",
            Assert.Single(Mistakes(Speech with { Output = Speech.Output with { Labels = ["happy", "sad", "calm"] } })));

    [Fact]
    public void A_map_names_labels_that_exist_and_emotions_of_the_seven() =>
        Assert.Equal(
            [
                "output.label_map[calm]: 'relaxed' is none of neutral, happy, sad, angry, fear, disgust, surprise and not empty",
                "output.label_map[bored]: labels has no such label",
            ],
            Mistakes(Speech with
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
    public void No_file_lies_outside_the_model_s_folder(string file) =>
        Assert.StartsWith("versions[0].file: ", Assert.Single(Mistakes(Speech with { Versions = [One with { File = file }] })));

    [Theory]
    [InlineData("")]
    [InlineData("abc")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    public void A_sha256_is_64_lower_case_digits(string sha256) =>
        Assert.StartsWith("versions[0].sha256: ", Assert.Single(Mistakes(Speech with { Versions = [One with { Sha256 = sha256 }] })));

    [Theory]
    [InlineData("1", "1")]
    [InlineData("10", "9")]
    [InlineData("1", "latest")]
    public void Versions_only_grow(string first, string second) =>
        Assert.StartsWith(
            "versions[1].version: ",
            Assert.Single(Mistakes(Speech with { Versions = [One with { Version = first }, One with { Version = second }] })));

    [Fact]
    public void Version_10_comes_after_9() =>
        Assert.Empty(Mistakes(Speech with { Versions = [One with { Version = "9" }, One with { Version = "10" }] }));

    [Fact]
    public void Metrics_are_fractions_of_something() =>
        Assert.Equal(
            ["metrics[0].samples", "metrics[0].accuracy", "metrics[0].confusion"],
            Mistakes(Speech with { Metrics = [Metrics with { Samples = 0, Accuracy = 90, Confusion = [[1]] }] })
                .Select(mistake => mistake.Split(':')[0]));

    [Fact]
    public void What_was_measured_besides_must_make_sense() =>
        Assert.Equal(
            ["metrics[0].most_certain", "metrics[0].reliability", "metrics[0].folds", "cost", "learning"],
            Mistakes(Speech with
            {
                Metrics = [Metrics with { MostCertain = new(1.2, 0.9), Reliability = [new(-1, 0.5, 0.5)], Folds = [new("fold", 0, 0.5, 0.5)] }],
                Cost = new(1, -1, 1),
                Learning = new([1], [], [], []),
            }).Select(mistake => mistake.Split(':')[0]));

    [Theory]
    [InlineData("")]
    [InlineData("not json")]
    [InlineData("{ \"name\": ")]
    public void What_is_no_json_is_said_to_be_none(string json)
    {
        Assert.Null(Read(json, out var mistakes));
        Assert.StartsWith("manifest: is no JSON", Assert.Single(mistakes));
    }

    [Theory]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("\"manifest\"")]
    public void What_is_no_object_is_said_to_be_none(string json)
    {
        Assert.Null(Read(json, out var mistakes));
        Assert.Equal($"manifest: {json} is not an object", Assert.Single(mistakes));
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

    private static ModelManifest? Read(string json, out IReadOnlyList<string> mistakes) =>
        ManifestReader.Read(Encoding.UTF8.GetBytes(json), "tiny-speech", out mistakes);

    private static List<string> Mistakes(ModelManifest manifest, string? folder = null) =>
        [.. ManifestReader.Validate(manifest, folder ?? manifest.Name)];
}
