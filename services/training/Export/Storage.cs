namespace Affect.Training.Export;

/// <summary>How a file holds the larger weights; all arithmetic is float32, for ONNX Runtime unfolds them when it loads.</summary>
internal enum Storage
{
    Float32,

    /// <summary>Half the file.</summary>
    Float16,

    /// <summary>A quarter: steps of one 127th of the largest weight of an output channel.</summary>
    Int8,
}
