using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using Affect.Inference;
using Google.Protobuf;
using Onnx;

namespace Affect.Testing;

/// <summary>
/// Writes a model folder (manifest.json and VERSION/model.onnx) that is small enough to compute by hand:
/// <c>logits = bias + weights · x</c>, where x is the normalized input, flattened in the order of the manifest's layout. An
/// embedding, if the manifest names one, is <c>max(0, logits)</c>.
/// </summary>
/// <example>
/// <code>
/// TinyModel.Write(root, TinyModel.Speech());                                  // answers happy for any input
/// TinyModel.Write(root, TinyModel.Face() with { Default = false }, bias: [5, 0, 0, 0, 0, 0, 0]);
/// TinyModel.Write(root, TinyModel.Face(), weight: (i, label) => label == 2 ? 0.1f : 0);  // sad grows with light
/// </code>
/// </example>
public static class TinyModel
{
    /// <summary>The default logits: happy, with high confidence.</summary>
    public static IReadOnlyList<float> Happy { get; } = [0, 4, 0, 0, 0, 0, 0];

    private static readonly string[] Seven = ["neutral", "happy", "sad", "angry", "fear", "disgust", "surprise"];

    /// <summary>The manifest of a speech model that takes 3 s windows of 42 features, without versions.</summary>
    public static ModelManifest Speech(string name = "tiny-speech") => new()
    {
        Name = name,
        Modality = Modality.Speech,
        Description = "A linear model for tests.",
        Default = true,
        Input = new ModelInput
        {
            Tensor = "input",
            Features = FeatureKind.MfccZcrRms,
            Layout = TensorLayout.Ntf,
            WindowSeconds = 3,
        },
        Output = new ModelOutput { Logits = "logits", Labels = Seven },
        Versions = [],
        License = "Apache-2.0",
    };

    /// <summary>The manifest of a face model that takes gray crops of 48×48, without versions.</summary>
    public static ModelManifest Face(string name = "tiny-face") => Speech(name) with
    {
        Modality = Modality.Face,
        Input = new ModelInput
        {
            Tensor = "input",
            Features = FeatureKind.Gray,
            Layout = TensorLayout.Nchw,
            Size = 48,
            Scale = [255],
        },
    };

    /// <summary>Writes a new version of a model and its manifest.</summary>
    /// <param name="root">The model repository.</param>
    /// <param name="manifest">The manifest with its existing versions.</param>
    /// <param name="bias">One logit per label; <see cref="Happy"/> by default for seven labels.</param>
    /// <param name="weight">Weight from flattened input value to label; zero by default.</param>
    /// <param name="last">Operator applied to the logits: "Softmax", "LogSoftmax".</param>
    /// <param name="batch">Fixed batch size; null for a dynamic one.</param>
    /// <returns>The written manifest.</returns>
    public static ModelManifest Write(
        string root, ModelManifest manifest, IReadOnlyList<float>? bias = null, Func<int, int, float>? weight = null,
        string? last = null, int? batch = null)
    {
        var labels = manifest.Output.Labels.Count;
        bias ??= labels == Happy.Count ? Happy : new float[labels];
        ArgumentOutOfRangeException.ThrowIfNotEqual(bias.Count, labels);

        var version = $"{manifest.Versions.Count + 1}";
        var file = $"{version}/model.onnx";
        var path = Path.Combine(root, manifest.Name, file);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        var onnx = Onnx(manifest, bias, weight, last, batch);
        File.WriteAllBytes(path, onnx);

        var sha256 = Convert.ToHexStringLower(SHA256.HashData(onnx));
        manifest = manifest with { Versions = [.. manifest.Versions, new() { Version = version, File = file, Sha256 = sha256 }] };
        WriteManifest(root, manifest);
        return manifest;
    }

    /// <summary>Writes manifest.json only, without validation.</summary>
    public static void WriteManifest(string root, ModelManifest manifest)
    {
        var folder = Directory.CreateDirectory(Path.Combine(root, manifest.Name)).FullName;
        File.WriteAllText(Path.Combine(folder, "manifest.json"), JsonSerializer.Serialize(manifest, ModelManifest.Json));
    }

    /// <summary>The ONNX file: Flatten, Gemm and, where the manifest names an embedding, Relu.</summary>
    public static byte[] Onnx(
        ModelManifest manifest, IReadOnlyList<float> bias, Func<int, int, float>? weight = null, string? last = null, int? batch = null)
    {
        var shape = manifest.Input.ShapeOfOne().ToArray();
        var inputs = shape.Aggregate(1, (product, axis) => product * axis);
        var weights = new float[inputs * bias.Count];
        if (weight is not null)
            for (var i = 0; i < inputs; i++)
                for (var label = 0; label < bias.Count; label++)
                    weights[i * bias.Count + label] = weight(i, label);

        var graph = new GraphProto
        {
            Name = "tiny",
            Node =
            {
                Node("Flatten", [manifest.Input.Tensor], "flat"),
                Node("Gemm", ["flat", "weights", "bias"], last is null ? manifest.Output.Logits : "sums"),
            },
            Initializer = { Tensor("weights", [inputs, bias.Count], weights), Tensor("bias", [bias.Count], [.. bias]) },
            Input = { Value(manifest.Input.Tensor, shape, batch) },
            Output = { Value(manifest.Output.Logits, [bias.Count], batch) },
        };
        if (last is not null)
            graph.Node.Add(Node(last, ["sums"], manifest.Output.Logits));
        if (manifest.Output.Embedding is { } embedding)
        {
            graph.Node.Add(Node("Relu", [manifest.Output.Logits], embedding));
            graph.Output.Add(Value(embedding, [bias.Count], batch));
        }
        return new ModelProto { IrVersion = 8, Graph = graph, OpsetImport = { new OperatorSetIdProto { Version = 17 } } }.ToByteArray();
    }

    private static NodeProto Node(string operation, string[] inputs, string output) =>
        new() { OpType = operation, Input = { inputs }, Output = { output } };

    private static TensorProto Tensor(string name, long[] shape, float[] values) => new()
    {
        Name = name,
        DataType = (int)TensorProto.Types.DataType.Float,
        Dims = { shape },
        RawData = ByteString.CopyFrom(MemoryMarshal.AsBytes<float>(values)),
    };

    /// <summary>A float tensor whose first axis is the batch.</summary>
    private static ValueInfoProto Value(string name, int[] shapeOfOne, int? batch) => new()
    {
        Name = name,
        Type = new()
        {
            TensorType = new()
            {
                ElemType = (int)TensorProto.Types.DataType.Float,
                Shape = new()
                {
                    Dim =
                    {
                        batch is { } size ? new TensorShapeProto.Types.Dimension { DimValue = size } : new() { DimParam = "batch" },
                        shapeOfOne.Select(axis => new TensorShapeProto.Types.Dimension { DimValue = axis }),
                    },
                },
            },
        },
    };
}
