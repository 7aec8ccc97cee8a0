using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Affect.Inference;

namespace Affect.Testing;

/// <summary>
/// A whole model folder (manifest.json and VERSION/model.onnx) in one line, small enough to be computed
/// by hand: <c>logits = bias + weights · x</c>, where x is the input after mean and scale, flattened in the order of
/// the manifest's layout. Where the manifest names an embedding, it is <c>max(0, logits)</c>.
/// </summary>
/// <example>
/// <code>
/// TinyModel.Write(root, TinyModel.Speech());                                  // says happy, whatever it hears
/// TinyModel.Write(root, TinyModel.Face() with { Default = false }, bias: [5, 0, 0, 0, 0, 0, 0]);
/// TinyModel.Write(root, TinyModel.Face(), weight: (i, label) => label == 2 ? 0.1f : 0);  // sad grows with light
/// </code>
/// </example>
public static class TinyModel
{
    /// <summary>The logits that are given where no others are asked for: happy, and rather sure of it.</summary>
    public static IReadOnlyList<float> Happy { get; } = [0, 4, 0, 0, 0, 0, 0];

    private static readonly string[] Seven = ["neutral", "happy", "sad", "angry", "fear", "disgust", "surprise"];

    /// <summary>The manifest of a speech model that takes 3 s windows of 42 features; it has no versions yet.</summary>
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

    /// <summary>The manifest of a face model that takes grey crops of 48×48; it has no versions yet.</summary>
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

    /// <summary>Writes one more version of a model, and its manifest with this version as the newest.</summary>
    /// <param name="root">The model repository; the model's folder is made in it.</param>
    /// <param name="manifest">What the manifest says, with the versions that were written before.</param>
    /// <param name="bias">One logit per label; <see cref="Happy"/> where there are seven labels and no bias is given.</param>
    /// <param name="weight">Weight from flattened input value to label; zero where not given.</param>
    /// <param name="last">Operator behind the logits, whose result is given in their place: "Softmax", "LogSoftmax".</param>
    /// <param name="batch">Number of inputs that the file takes at a time; any where null.</param>
    /// <returns>The manifest as written.</returns>
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

    /// <summary>Writes manifest.json alone, right or wrong.</summary>
    public static void WriteManifest(string root, ModelManifest manifest)
    {
        var folder = Directory.CreateDirectory(Path.Combine(root, manifest.Name)).FullName;
        File.WriteAllText(Path.Combine(folder, "manifest.json"), JsonSerializer.Serialize(manifest, ModelManifest.Json));
    }

    /// <summary>The ONNX file: Flatten, Gemm and, where an embedding is named, Relu. Field numbers are those of onnx.proto3.</summary>
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

        var graph = new Message()
            .Add(1, Node("Flatten", [manifest.Input.Tensor], "flat"))
            .Add(1, Node("Gemm", ["flat", "weights", "bias"], last is null ? manifest.Output.Logits : "sums"))
            .Add(2, "tiny")
            .Add(5, Tensor("weights", [inputs, bias.Count], weights))
            .Add(5, Tensor("bias", [bias.Count], [.. bias]))
            .Add(11, Value(manifest.Input.Tensor, shape, batch))
            .Add(12, Value(manifest.Output.Logits, [bias.Count], batch));
        if (last is not null)
            graph.Add(1, Node(last, ["sums"], manifest.Output.Logits));
        if (manifest.Output.Embedding is { } embedding)
            graph.Add(1, Node("Relu", [manifest.Output.Logits], embedding)).Add(12, Value(embedding, [bias.Count], batch));

        return new Message()
            .Add(1, 8) // ir_version
            .Add(7, graph)
            .Add(8, new Message().Add(2, 17)) // opset_import
            .ToArray();
    }

    private static Message Node(string operation, string[] inputs, string output)
    {
        var node = new Message();
        foreach (var input in inputs)
            node.Add(1, input);
        return node.Add(2, output).Add(4, operation);
    }

    private static Message Tensor(string name, int[] shape, float[] values)
    {
        var tensor = new Message();
        foreach (var axis in shape)
            tensor.Add(1, axis);
        var raw = new byte[values.Length * sizeof(float)];
        for (var i = 0; i < values.Length; i++)
            BinaryPrimitives.WriteSingleLittleEndian(raw.AsSpan(i * sizeof(float)), values[i]);
        return tensor.Add(2, 1).Add(8, name).Add(9, raw); // data_type FLOAT, raw_data
    }

    /// <summary>A float tensor whose first axis is the batch.</summary>
    private static Message Value(string name, int[] shapeOfOne, int? batch)
    {
        var shape = new Message().Add(1, batch is { } size ? new Message().Add(1, size) : new Message().Add(2, "batch"));
        foreach (var axis in shapeOfOne)
            shape.Add(1, new Message().Add(1, axis));
        return new Message().Add(1, name).Add(2, new Message().Add(1, new Message().Add(1, 1).Add(2, shape)));
    }

    /// <summary>A protobuf message, written field by field.</summary>
    private sealed class Message
    {
        private readonly List<byte> _bytes = [];

        public Message Add(int field, int value) => Varint(field << 3).Varint(value);

        public Message Add(int field, string value) => Add(field, Encoding.UTF8.GetBytes(value));

        public Message Add(int field, Message value) => Add(field, value.ToArray());

        public Message Add(int field, byte[] value)
        {
            Varint(field << 3 | 2).Varint(value.Length);
            _bytes.AddRange(value);
            return this;
        }

        public byte[] ToArray() => [.. _bytes];

        private Message Varint(int value)
        {
            for (; value >= 0x80; value >>= 7)
                _bytes.Add((byte)(value | 0x80));
            _bytes.Add((byte)value);
            return this;
        }
    }
}
