namespace Affect.Training.Export;

/// <summary>
/// Format of the larger weights in an ONNX file. ONNX Runtime restores float32 when it loads them, and computes in float32, except with
/// <see cref="DynamicInt8"/>.
/// </summary>
internal enum WeightFormat
{
    Float32,

    /// <summary>Half the file size.</summary>
    Float16,

    /// <summary>A quarter of the file size: symmetric, with one scale per output channel.</summary>
    Int8,

    /// <summary>
    /// int8 in fully connected layers over time, which then multiply in int8 with inputs quantized at run time: two to three times as
    /// fast on a CPU. Other weights are float16.
    /// </summary>
    DynamicInt8,
}
