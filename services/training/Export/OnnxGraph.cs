using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Google.Protobuf;
using TorchSharp;

namespace Affect.Training.Export;

/// <summary>
/// A graph in the making, and its bytes as an ONNX model: the few messages of onnx.proto3 that are
/// needed, written field by field. Field numbers are those of onnx/onnx.proto3 (ONNX 1.12, IR 8).
/// </summary>
/// <param name="storage">
/// How larger weights are stored: with a Cast before them, and a Mul by their scale where they are int8, which ONNX
/// Runtime folds when it loads.
/// </param>
internal sealed class OnnxGraph(Storage storage = Storage.Float32)
{
    /// <summary>Version of the operators' definitions; LayerNormalization is the newest of those used.</summary>
    public const int Opset = 17;

    private const int IrVersion = 8;
    /// <summary>Ends the names of what int8 weights are multiplied by.</summary>
    public const string ScaleSuffix = "_scale";

    private const int Float = 1, Int8 = 3, Int64 = 7, Float16 = 10;
    private readonly List<byte[]> _nodes = [];
    private readonly List<byte[]> _weights = [];
    private int _names;

    /// <summary>Adds a node.</summary>
    /// <param name="operation">Name of an operator of the default domain.</param>
    /// <param name="inputs">Names of values.</param>
    /// <param name="attributes">Values are <see cref="long"/>, <see cref="float"/>, <see cref="string"/> or arrays of <see cref="long"/>.</param>
    /// <returns>The name of its (first) output.</returns>
    public string Node(string operation, string[] inputs, params (string Name, object Value)[] attributes)
    {
        var output = $"{operation.ToLowerInvariant()}_{_names++}";
        Node(operation, inputs, output, attributes);
        return output;
    }

    private void Node(string operation, string[] inputs, string output, params (string Name, object Value)[] attributes) =>
        _nodes.Add(Message(node =>
        {
            foreach (var input in inputs)
                Write(node, 1, input);
            Write(node, 2, output);
            Write(node, 3, output);
            Write(node, 4, operation);
            foreach (var (name, value) in attributes)
                Write(node, 5, Attribute(name, value));
        }));

    /// <summary>Adds a weight (float32) and gives its name.</summary>
    public string Tensor(torch.Tensor tensor)
    {
        using var contiguous = tensor.detach().cpu().to(torch.ScalarType.Float32).contiguous();
        var values = contiguous.data<float>().ToArray();
        var name = $"weight_{_names++}";
        switch (values.Length < 1024 ? Storage.Float32 : storage)
        {
            case Storage.Float16:
                AddWeight(name + "_half", Float16, contiguous.shape, MemoryMarshal.AsBytes<Half>(Array.ConvertAll(values, value => (Half)value)));
                Node("Cast", [name + "_half"], name, ("to", (long)Float));
                break;
            case Storage.Int8:
                // Symmetric, with a scale for each row of the first dimension: an output channel of a convolution.
                var rows = (int)contiguous.shape[0];
                var row = values.Length / rows;
                var (steps, scales) = (new sbyte[values.Length], new float[rows]);
                for (var i = 0; i < rows; i++)
                {
                    var weights = values.AsSpan(i * row, row);
                    scales[i] = TensorPrimitives.MaxMagnitude(weights) is var most && most != 0 ? MathF.Abs(most) / sbyte.MaxValue : 1;
                    for (var j = 0; j < row; j++)
                        steps[i * row + j] = (sbyte)MathF.Round(weights[j] / scales[i]);
                }
                AddWeight(name + "_steps", Int8, contiguous.shape, MemoryMarshal.AsBytes<sbyte>(steps));
                AddWeight(name + ScaleSuffix, Float, [rows, .. Enumerable.Repeat(1L, contiguous.shape.Length - 1)], MemoryMarshal.AsBytes<float>(scales));
                Node("Cast", [name + "_steps"], name + "_float", ("to", (long)Float));
                Node("Mul", [name + "_float", name + ScaleSuffix], name);
                break;
            default:
                AddWeight(name, Float, contiguous.shape, MemoryMarshal.AsBytes<float>(values));
                break;
        }
        return name;
    }

    /// <summary>Adds a list of integers, as the shape for a Reshape.</summary>
    public string Integers(params long[] values)
    {
        var name = $"integers_{_names++}";
        AddWeight(name, Int64, [values.Length], MemoryMarshal.AsBytes<long>(values));
        return name;
    }

    /// <summary>Adds one float32 number.</summary>
    public string Scalar(float value)
    {
        var name = $"scalar_{_names++}";
        AddWeight(name, Float, [], MemoryMarshal.AsBytes<float>([value]));
        return name;
    }

    /// <summary>The whole model.</summary>
    /// <param name="name">Name of the graph.</param>
    /// <param name="input">Name and shape of the input, without the batch, which is dynamic ("N").</param>
    /// <param name="outputs">Public name, name in the graph, and shape without the batch, of each output.</param>
    public byte[] ToModel(string name, (string Name, long[] Shape) input, params (string Name, string Value, long[] Shape)[] outputs)
    {
        foreach (var output in outputs)
            Node("Identity", [output.Value], output.Name);
        var graph = Message(graph =>
        {
            foreach (var node in _nodes)
                Write(graph, 1, node);
            Write(graph, 2, name);
            foreach (var weight in _weights)
                Write(graph, 5, weight);
            Write(graph, 11, Value(input.Name, input.Shape));
            foreach (var output in outputs)
                Write(graph, 12, Value(output.Name, output.Shape));
        });
        return Message(model =>
        {
            Write(model, 1, IrVersion);
            Write(model, 2, "Affect.Training");
            Write(model, 7, graph);
            Write(model, 8, Message(opset =>
            {
                Write(opset, 1, "");
                Write(opset, 2, Opset);
            }));
        });
    }

    private void AddWeight(string name, int type, ReadOnlySpan<long> shape, ReadOnlySpan<byte> data)
    {
        var (dimensions, bytes) = (shape.ToArray(), data.ToArray());
        _weights.Add(Message(tensor =>
        {
            foreach (var dimension in dimensions)
                Write(tensor, 1, dimension);
            Write(tensor, 2, type);
            Write(tensor, 8, name);
            Write(tensor, 9, bytes);
        }));
    }

    private static byte[] Attribute(string name, object value) => Message(attribute =>
    {
        Write(attribute, 1, name);
        switch (value)
        {
            case float number:
                attribute.WriteTag(2, WireFormat.WireType.Fixed32);
                attribute.WriteFloat(number);
                Write(attribute, 20, 1);
                break;
            case long number:
                Write(attribute, 3, number);
                Write(attribute, 20, 2);
                break;
            case string text:
                Write(attribute, 4, text);
                Write(attribute, 20, 3);
                break;
            case long[] numbers:
                foreach (var number in numbers)
                    Write(attribute, 8, number);
                Write(attribute, 20, 7);
                break;
            default:
                throw new ArgumentException($"attribute {name} has an unsupported type", nameof(value));
        }
    });

    private static byte[] Value(string name, long[] shape) => Message(value =>
    {
        Write(value, 1, name);
        Write(value, 2, Message(type => Write(type, 1, Message(tensor =>
        {
            Write(tensor, 1, Float);
            Write(tensor, 2, Message(dimensions =>
            {
                Write(dimensions, 1, Message(batch => Write(batch, 2, "N")));
                foreach (var size in shape)
                    Write(dimensions, 1, Message(dimension => Write(dimension, 1, size)));
            }));
        }))));
    });

    private static byte[] Message(Action<CodedOutputStream> write)
    {
        using var bytes = new MemoryStream();
        using (var stream = new CodedOutputStream(bytes, leaveOpen: true))
            write(stream);
        return bytes.ToArray();
    }

    private static void Write(CodedOutputStream stream, int field, long value)
    {
        stream.WriteTag(field, WireFormat.WireType.Varint);
        stream.WriteInt64(value);
    }

    private static void Write(CodedOutputStream stream, int field, string value)
    {
        stream.WriteTag(field, WireFormat.WireType.LengthDelimited);
        stream.WriteString(value);
    }

    private static void Write(CodedOutputStream stream, int field, byte[] value)
    {
        stream.WriteTag(field, WireFormat.WireType.LengthDelimited);
        stream.WriteBytes(ByteString.CopyFrom(value));
    }
}
