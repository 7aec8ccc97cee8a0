using Affect.Training.Data;
using Affect.Training.Export;
using static TorchSharp.torch;

namespace Affect.Training.Layers;

/// <summary>The first features of each frame: [N, T, F] → [N, T, count].</summary>
internal sealed class Narrow(int count) : Layer(nameof(Narrow))
{
    public override Tensor forward(Tensor input) => input.narrow(2, 0, count);

    public override string Emit(OnnxGraph graph, string input) =>
        graph.Node("Slice", [input, graph.Integers(0), graph.Integers(count), graph.Integers(2)]);
}

/// <summary>
/// Converts normalized log-mel bands to normalized MFCC by an orthonormal DCT-II (Davis and Mermelstein 1980) in one linear
/// map; the other features of a frame are kept: [N, T, bands + rest] → [N, T, coefficients + rest].
/// </summary>
internal sealed class Cepstrum : Layer
{
    private readonly Tensor _weight, _bias;

    /// <param name="bands">Number of bands.</param>
    /// <param name="coefficients">Number of coefficients.</param>
    /// <param name="from">Normalization of the input.</param>
    /// <param name="to">Normalization of the output.</param>
    public Cepstrum(int bands, int coefficients, Normalization from, Normalization to) : base(nameof(Cepstrum))
    {
        var (inputs, outputs) = (from.Mean.Length, to.Mean.Length);
        var (weight, bias) = (new float[inputs * outputs], new float[outputs]);
        for (var o = 0; o < outputs; o++)
        {
            var mean = -(double)to.Mean[o];
            for (var i = 0; i < inputs; i++)
            {
                var factor = o < coefficients && i < bands ? Cosine(o, i, bands) : o - coefficients == i - bands ? 1 : 0;
                mean += factor * from.Mean[i];
                weight[i * outputs + o] = (float)(factor * from.Scale[i] / to.Scale[o]);
            }
            bias[o] = (float)(mean / to.Scale[o]);
        }
        _weight = tensor(weight, [inputs, outputs]);
        _bias = tensor(bias);
        register_buffer("weight", _weight);
        register_buffer("bias", _bias);
    }

    public override Tensor forward(Tensor input) => input.matmul(_weight) + _bias;

    public override string Emit(OnnxGraph graph, string input) =>
        graph.Node("Add", [graph.Node("MatMul", [input, graph.Tensor(_weight)]), graph.Tensor(_bias)]);

    private static double Cosine(int coefficient, int band, int bands) =>
        Math.Sqrt((coefficient == 0 ? 1.0 : 2.0) / bands) * Math.Cos(Math.PI * coefficient * (band + 0.5) / bands);
}
