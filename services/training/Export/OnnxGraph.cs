using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Google.Protobuf;
using Onnx;
using TorchSharp;
using AttributeType = Onnx.AttributeProto.Types.AttributeType;
using DataType = Onnx.TensorProto.Types.DataType;

namespace Affect.Training.Export;

/// <summary>Builds an ONNX graph node by node.</summary>
/// <param name="format">
/// Format of the larger weights. A Cast restores float32, and for int8 a Mul by the scale; ONNX Runtime folds both when it
/// loads the model.
/// </param>
internal sealed class OnnxGraph(WeightFormat format = WeightFormat.Float32)
{
    /// <summary>Version of the operator set: the first with LayerNormalization.</summary>
    public const int Opset = 17;

    /// <summary>Suffix of the names of int8 scales.</summary>
    public const string ScaleSuffix = "_scale";

    // Smaller tensors stay float32: their size does not matter, their precision does.
    private const int MinReducedLength = 1024;

    // Smaller products gain nothing from int8.
    private const int MinInt8Length = 1 << 16;

    private readonly GraphProto _graph = new();
    private int _names;

    /// <summary>Adds a node.</summary>
    /// <param name="operation">Operator of the default domain.</param>
    /// <param name="inputs">Names of the input values.</param>
    /// <param name="attributes">
    /// Values of type <see cref="long"/>, <see cref="float"/>, <see cref="string"/> or array of <see cref="long"/>.
    /// </param>
    /// <returns>The name of the first output.</returns>
    public string Node(string operation, string[] inputs, params (string Name, object Value)[] attributes)
    {
        var output = $"{operation.ToLowerInvariant()}_{_names++}";
        Node(operation, inputs, output, attributes);
        return output;
    }

    /// <summary>Layer normalization over the last axis.</summary>
    public string LayerNorm(string input, TorchSharp.Modules.LayerNorm norm, float epsilon) =>
        Node("LayerNormalization", [input, Tensor(norm.weight!), Tensor(norm.bias!)], ("axis", -1L), ("epsilon", epsilon));

    /// <summary>GELU with the error function, which ONNX Runtime computes in one pass.</summary>
    public string Gelu(string input)
    {
        var erf = Node("Erf", [Node("Div", [input, Scalar(MathF.Sqrt(2))])]);
        return Node("Mul", [Node("Mul", [input, Node("Add", [erf, Scalar(1)])]), Scalar(0.5f)]);
    }

    /// <summary>
    /// A fully connected layer over the last axis. With <see cref="WeightFormat.DynamicInt8"/>, larger ones multiply int8: weights with
    /// one scale per output, inputs with one scale per tensor, which is found at run time.
    /// </summary>
    /// <param name="input">[..., inputs].</param>
    /// <param name="weight">[outputs, inputs].</param>
    /// <param name="bias">[outputs], or null.</param>
    public string Linear(string input, torch.Tensor weight, torch.Tensor? bias)
    {
        using var scope = torch.NewDisposeScope();
        var transposed = weight.detach().t();
        string product;
        if (format != WeightFormat.DynamicInt8 || weight.NumberOfElements < MinInt8Length)
            product = Node("MatMul", [input, Tensor(transposed)]);
        else
        {
            var (steps, scales) = Quantize(transposed.contiguous());
            var quantized = $"quantized_{_names++}";
            Node("DynamicQuantizeLinear", [input], [quantized, quantized + ScaleSuffix, quantized + "_zero"]);
            var sums = Node("Cast", [Node("MatMulInteger", [quantized, steps, quantized + "_zero"])], ("to", (long)DataType.Float));
            product = Node("Mul", [sums, Node("Mul", [quantized + ScaleSuffix, scales])]);
        }

        return bias is null ? product : Node("Add", [product, Tensor(bias)]);
    }

    // Symmetric int8 weights [inputs, outputs] with one scale per output.
    private (string Steps, string Scales) Quantize(torch.Tensor weight)
    {
        var scale = weight.abs().amax([0], keepdim: false).clamp_min(1e-12) / sbyte.MaxValue;
        var steps = (weight / scale).round().to(torch.ScalarType.Int8).cpu().contiguous();
        var name = $"weight_{_names++}";
        AddInitializer(name + "_steps", DataType.Int8, steps.shape, MemoryMarshal.AsBytes<sbyte>(steps.data<sbyte>().ToArray()));
        AddInitializer(name + ScaleSuffix, DataType.Float, scale.shape, MemoryMarshal.AsBytes<float>(scale.cpu().data<float>().ToArray()));
        return (name + "_steps", name + ScaleSuffix);
    }

    private void Node(string operation, string[] inputs, string output, params (string Name, object Value)[] attributes) =>
        Node(operation, inputs, [output], attributes);

    private void Node(string operation, string[] inputs, string[] outputs, params (string Name, object Value)[] attributes) =>
        _graph.Node.Add(new NodeProto
        {
            Input = { inputs },
            Output = { outputs },
            Name = outputs[0],
            OpType = operation,
            Attribute = { attributes.Select(attribute => Attribute(attribute.Name, attribute.Value)) },
        });

    /// <summary>Adds a weight (float32) and returns its name.</summary>
    /// <param name="tensor">The weight.</param>
    /// <param name="exact">True to store it as float32 in every format.</param>
    public string Tensor(torch.Tensor tensor, bool exact = false)
    {
        using var contiguous = tensor.detach().cpu().to(torch.ScalarType.Float32).contiguous();
        var values = contiguous.data<float>().ToArray();
        var name = $"weight_{_names++}";
        switch (exact || values.Length < MinReducedLength ? WeightFormat.Float32 : format)
        {
            case WeightFormat.Float16 or WeightFormat.DynamicInt8:
                AddInitializer(name + "_half", DataType.Float16, contiguous.shape,
                    MemoryMarshal.AsBytes<Half>(Array.ConvertAll(values, value => (Half)value)));
                Node("Cast", [name + "_half"], name, ("to", (long)DataType.Float));
                break;
            case WeightFormat.Int8:
                // Symmetric, one scale per row of the first dimension: per output channel of a convolution.
                var rows = (int)contiguous.shape[0];
                var row = values.Length / rows;
                var (steps, scales) = (new sbyte[values.Length], new float[rows]);
                for (var i = 0; i < rows; i++)
                {
                    var weights = values.AsSpan(i * row, row);
                    scales[i] = TensorPrimitives.MaxMagnitude(weights) is var max && max != 0 ? MathF.Abs(max) / sbyte.MaxValue : 1;
                    for (var j = 0; j < row; j++)
                        steps[i * row + j] = (sbyte)MathF.Round(weights[j] / scales[i]);
                }
                AddInitializer(name + "_steps", DataType.Int8, contiguous.shape, MemoryMarshal.AsBytes<sbyte>(steps));
                AddInitializer(name + ScaleSuffix, DataType.Float, [rows, .. Enumerable.Repeat(1L, contiguous.shape.Length - 1)],
                    MemoryMarshal.AsBytes<float>(scales));
                Node("Cast", [name + "_steps"], name + "_float", ("to", (long)DataType.Float));
                Node("Mul", [name + "_float", name + ScaleSuffix], name);
                break;
            default:
                AddInitializer(name, DataType.Float, contiguous.shape, MemoryMarshal.AsBytes<float>(values));
                break;
        }
        return name;
    }

    /// <summary>Adds a vector of integers, for example the shape of a Reshape.</summary>
    public string Integers(params long[] values)
    {
        var name = $"integers_{_names++}";
        AddInitializer(name, DataType.Int64, [values.Length], MemoryMarshal.AsBytes<long>(values));
        return name;
    }

    /// <summary>Adds a float32 scalar.</summary>
    public string Scalar(float value)
    {
        var name = $"scalar_{_names++}";
        AddInitializer(name, DataType.Float, [], MemoryMarshal.AsBytes<float>([value]));
        return name;
    }

    /// <summary>Serializes the model. Call once: it completes the graph.</summary>
    /// <param name="name">Name of the graph.</param>
    /// <param name="input">Name and shape of the input, without the batch dimension, which is dynamic ("N").</param>
    /// <param name="outputs">Public name, name in the graph, and shape without the batch dimension, of each output.</param>
    public byte[] ToModel(string name, (string Name, long[] Shape) input, params (string Name, string Value, long[] Shape)[] outputs)
    {
        foreach (var output in outputs)
            Node("Identity", [output.Value], output.Name);
        _graph.Name = name;
        _graph.Input.Add(Value(input.Name, input.Shape));
        _graph.Output.AddRange(outputs.Select(output => Value(output.Name, output.Shape)));
        return new ModelProto
        {
            IrVersion = (long)Onnx.Version.IrVersion,
            ProducerName = "Affect.Training",
            Graph = _graph,
            OpsetImport = { new OperatorSetIdProto { Domain = "", Version = Opset } },
        }.ToByteArray();
    }

    private void AddInitializer(string name, DataType type, ReadOnlySpan<long> shape, ReadOnlySpan<byte> data) =>
        _graph.Initializer.Add(
            new TensorProto { Name = name, DataType = (int)type, Dims = { shape.ToArray() }, RawData = ByteString.CopyFrom(data) });

    private static AttributeProto Attribute(string name, object value) => value switch
    {
        float number => new() { Name = name, Type = AttributeType.Float, F = number },
        long number => new() { Name = name, Type = AttributeType.Int, I = number },
        string text => new() { Name = name, Type = AttributeType.String, S = ByteString.CopyFromUtf8(text) },
        long[] numbers => new() { Name = name, Type = AttributeType.Ints, Ints = { numbers } },
        _ => throw new ArgumentException($"attribute {name} must be long, float, string or long[]", nameof(value)),
    };

    private static ValueInfoProto Value(string name, long[] shape) => new()
    {
        Name = name,
        Type = new()
        {
            TensorType = new()
            {
                ElemType = (int)DataType.Float,
                Shape = new()
                {
                    Dim =
                    {
                        new TensorShapeProto.Types.Dimension { DimParam = "N" },
                        shape.Select(size => new TensorShapeProto.Types.Dimension { DimValue = size }),
                    },
                },
            },
        },
    };
}
