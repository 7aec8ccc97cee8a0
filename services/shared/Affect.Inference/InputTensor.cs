using System.Numerics;
using System.Runtime.InteropServices;

namespace Affect.Inference;

/// <summary>
/// How the bytes of a request become a slice of the batch tensor: (x - mean) / scale, in the axes' order of the
/// manifest. All five layouts come down to two: the values of a frame or pixel lie together, or they are planes.
/// Immutable, safe to share.
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

    /// <summary>For one model, whose manifest has been validated.</summary>
    public InputTensor(ModelInput input)
    {
        _positions = input.Positions;
        _channels = input.Channels;
        _bytes = input.Features is FeatureKind.Gray or FeatureKind.Rgb;
        var together = input.Layout is TensorLayout.Ntf or TensorLayout.Nhwc;
        (_positionStride, _channelStride) = together ? (_channels, 1) : (1, _positions);
        _mean = [.. Enumerable.Range(0, _channels).Select(channel => input.Mean[input.Mean.Count == 1 ? 0 : channel])];
        _inverseScale = [.. Enumerable.Range(0, _channels).Select(channel => 1 / input.Scale[input.Scale.Count == 1 ? 0 : channel])];
        ShapeOfOne = input.ShapeOfOne();
    }

    /// <summary>The axes after the batch.</summary>
    public IReadOnlyList<int> ShapeOfOne { get; }

    /// <summary>Values of one input.</summary>
    public int Length => _positions * _channels;

    /// <summary>Bytes of one input in a request: float32 for speech, one byte a value for faces.</summary>
    public int ByteLength => _bytes ? Length : Length * sizeof(float);

    /// <summary>Null where the bytes are a good input, else what is wrong with them.</summary>
    public string? Check(ReadOnlySpan<byte> input)
    {
        if (input.Length != ByteLength)
            return _bytes
                ? $"has {input.Length} bytes; this model takes {ByteLength}: {_positions} pixels of {_channels}"
                : $"has {input.Length} bytes; this model takes {ByteLength}: {_positions} frames of {_channels} float32";
        return _bytes || AllFinite(MemoryMarshal.Cast<byte, float>(input)) ? null : "holds NaN or infinity";
    }

    /// <summary>Writes one checked input into its slice of the batch.</summary>
    /// <param name="input">[position][channel], little-endian.</param>
    /// <param name="target"><see cref="Length"/> values in the layout of the model.</param>
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

    /// <summary>A finite value times 0 is 0, every other is NaN: one addition per vector instead of a test per value.</summary>
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
