using System.Buffers.Binary;
using System.Text;
using static TorchSharp.torch;

namespace Affect.Training.Learning;

/// <summary>
/// Reads the encoder's weights from a file of whisper.cpp (<c>ggml-base-q5_1.bin</c>): the first blocks of OpenAI's Whisper, by the
/// names in its code (<c>encoder.blocks.0.attn.query.weight</c>).
/// </summary>
internal static class WhisperWeights
{
    private const uint Magic = 0x67676D6C;
    private const int HeaderIntegers = 11, BlockLength = 32, BlockBytes = 24;

    /// <summary>Reads all tensors whose names begin with "encoder.".</summary>
    /// <exception cref="InvalidDataException">The file is not of this format.</exception>
    public static IReadOnlyDictionary<string, Tensor> ReadEncoder(string path)
    {
        using var file = new BinaryReader(new BufferedStream(File.OpenRead(path), 1 << 20));
        if (file.ReadUInt32() != Magic)
            throw new InvalidDataException($"{path} must be a ggml file of whisper.cpp");
        file.BaseStream.Seek(HeaderIntegers * sizeof(int), SeekOrigin.Current);
        var filters = file.ReadInt32() * file.ReadInt32();
        file.BaseStream.Seek(filters * sizeof(float), SeekOrigin.Current);
        for (var tokens = file.ReadInt32(); tokens > 0; tokens--)
            file.BaseStream.Seek(file.ReadInt32(), SeekOrigin.Current);

        var tensors = new Dictionary<string, Tensor>();
        while (file.BaseStream.Position < file.BaseStream.Length)
        {
            var (dimensions, nameLength, type) = (file.ReadInt32(), file.ReadInt32(), file.ReadInt32());
            var shape = new long[dimensions];
            for (var i = dimensions - 1; i >= 0; i--) // the fastest comes first
                shape[i] = file.ReadInt32();
            var name = Encoding.UTF8.GetString(file.ReadBytes(nameLength));
            var count = (int)shape.Aggregate(1L, (product, size) => product * size);
            var values = type switch
            {
                0 => Floats(file.ReadBytes(count * sizeof(float))),
                1 => Halves(file.ReadBytes(count * sizeof(ushort))),
                7 => Blocks(file.ReadBytes(count / BlockLength * BlockBytes)),
                _ => throw new InvalidDataException($"{path}: {name} has type {type}; must be float32, float16 or q5_1"),
            };
            if (name.StartsWith("encoder.", StringComparison.Ordinal))
                tensors[name] = tensor(values, shape);
        }

        return tensors;
    }

    private static float[] Floats(byte[] bytes)
    {
        var values = new float[bytes.Length / sizeof(float)];
        Buffer.BlockCopy(bytes, 0, values, 0, bytes.Length);
        return values;
    }

    private static float[] Halves(byte[] bytes)
    {
        var values = new float[bytes.Length / 2];
        for (var i = 0; i < values.Length; i++)
            values[i] = (float)BinaryPrimitives.ReadHalfLittleEndian(bytes.AsSpan(2 * i));
        return values;
    }

    // q5_1: blocks of 32 weights, d · q + m with 5 bits of q: the low ones in nibbles, the fifth in a mask.
    private static float[] Blocks(byte[] bytes)
    {
        var values = new float[bytes.Length / BlockBytes * BlockLength];
        for (var block = 0; block < bytes.Length / BlockBytes; block++)
        {
            var data = bytes.AsSpan(block * BlockBytes, BlockBytes);
            var (d, m) = ((float)BinaryPrimitives.ReadHalfLittleEndian(data), (float)BinaryPrimitives.ReadHalfLittleEndian(data[2..]));
            var fifth = BinaryPrimitives.ReadUInt32LittleEndian(data[4..]);
            for (var i = 0; i < BlockLength; i++)
            {
                var nibble = i < 16 ? data[8 + i] & 15 : data[8 + i - 16] >> 4;
                values[(block * BlockLength) + i] = (d * (nibble | (int)(fifth >> i & 1) << 4)) + m;
            }
        }

        return values;
    }
}
