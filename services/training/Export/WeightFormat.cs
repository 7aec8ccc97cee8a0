namespace Affect.Training.Export;

/// <summary>
/// Format of the larger weights in an ONNX file. ONNX Runtime restores float32 when it loads them, and computes in float32.
/// </summary>
internal enum WeightFormat
{
    Float32,

    /// <summary>Half the file size.</summary>
    Float16,

    /// <summary>A quarter of the file size: symmetric, with one scale per output channel.</summary>
    Int8,
}
