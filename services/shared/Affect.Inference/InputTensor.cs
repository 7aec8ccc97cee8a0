using System.Numerics;
using System.Runtime.InteropServices;

namespace Affect.Inference;

/// <summary>
/// Converts the bytes of a request to a slice of the batch tensor: (x - mean) / scale, in the axis order of the
/// manifest. The five layouts reduce to two: the values of a frame or pixel are adjacent, or each value has a plane.
/// Immutable and thread-safe.
/// </summary>
public sealed class InputTensor
{
    private readonly int _positions;
    private readonly int _channels;
    private readonly bool _bytes;
    private readonly int _positionStride;
    private readonly int _channelStride;
    private readonly float[] _mean;
    private readonly float[] _inverseScale;

    /// <summary>Creates the conversion of one model.</summary>
    /// <param name="input">From a validated manifest.</param>
    public InputTensor(ModelInput input)
    {
        _positions = input.Positions;
        _channels = input.Channels;
        _bytes = input.Features is FeatureKind.Gray or FeatureKind.Rgb;
        var interleaved = input.Layout is TensorLayout.Ntf or TensorLayout.Nhwc;
        (_positionStride, _channelStride) = interleaved ? (_channels, 1) : (1, _positions);
        _mean = [.. Enumerable.Range(0, _channels).Select(channel => input.Mean[input.Mean.Count == 1 ? 0 : channel])];
        _inverseScale = [.. Enumerable.Range(0, _channels).Select(channel => 1 / input.Scale[input.Scale.Count == 1 ? 0 : channel])];
        ShapeOfOne = input.ShapeOfOne();
    }

    /// <summary>Shape of one input: the axes after the batch.</summary>
    public IReadOnlyList<int> ShapeOfOne { get; }

    /// <summary>Number of values of one input.</summary>
    public int Length => _positions * _channels;

    /// <summary>Bytes of one input in a request: float32 for speech, one byte per value for faces.</summary>
    public int ByteLength => _bytes ? Length : Length * sizeof(float);

    /// <summary>Returns the error of an input; null if it is valid.</summary>
    public string? Check(ReadOnlySpan<byte> input)
    {
        if (input.Length != ByteLength)
            return _bytes
                ? $"has {input.Length} bytes; must have {ByteLength}: {_positions} pixels of {_channels}"
                : $"has {input.Length} bytes; must have {ByteLength}: {_positions} frames of {_channels} float32";
        return _bytes || AllFinite(MemoryMarshal.Cast<byte, float>(input)) ? null : "must not contain NaN or infinity";
    }

    /// <summary>Writes one valid input to its slice of the batch.</summary>
    /// <param name="input">[position][channel], little-endian.</param>
    /// <param name="target"><see cref="Length"/> values, in the layout of the model.</param>
    public void Write(ReadOnlySpan<byte> input, Span<float> target)
    {
        if (_bytes)
        {
            for (int position = 0, i = 0; position < _positions; position++)
                for (var channel = 0; channel < _channels; channel++)
                    target[position * _positionStride + channel * _channelStride] = (input[i++] - _mean[channel]) * _inverseScale[channel];
            return;
        }
        var values = MemoryMarshal.Cast<byte, float>(input);
        for (int position = 0, i = 0; position < _positions; position++)
            for (var channel = 0; channel < _channels; channel++)
                target[position * _positionStride + channel * _channelStride] = (values[i++] - _mean[channel]) * _inverseScale[channel];
    }

    /// <summary>A finite value times 0 is 0, any other is NaN: one addition per vector instead of a test per value.</summary>
    private static bool AllFinite(ReadOnlySpan<float> values)
    {
        var sum = Vector<float>.Zero;
        var i = 0;
        for (; i <= values.Length - Vector<float>.Count; i += Vector<float>.Count)
            sum += new Vector<float>(values[i..]) * Vector<float>.Zero;
        var rest = Vector.Sum(sum);
        for (; i < values.Length; i++)
            rest += values[i] * 0;
        return rest == 0;
    }
}
