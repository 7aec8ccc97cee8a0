using System.Buffers.Binary;
using Affect.Audio;

namespace Affect.Features.Audio;

/// <summary>WAV files with the numbers in big-endian order. ffmpeg reads their header, but takes their samples for little-endian ones.</summary>
internal static class Rifx
{
    private const int FileHeader = 12, ChunkHeader = 8;

    /// <summary>Returns the file in little-endian order.</summary>
    /// <exception cref="AudioFormatException">The samples are neither PCM nor float nor G.711.</exception>
    public static byte[] ToRiff(ReadOnlySpan<byte> file)
    {
        var riff = file.ToArray();
        "RIFF"u8.CopyTo(riff);
        riff.AsSpan(4, 4).Reverse();
        var width = 1;
        for (var at = FileHeader; at + ChunkHeader <= riff.Length;)
        {
            var chunk = riff.AsSpan(at);
            chunk.Slice(4, 4).Reverse();
            var size = (int)Math.Min(BinaryPrimitives.ReadUInt32LittleEndian(chunk[4..]), chunk.Length - ChunkHeader);
            var body = chunk.Slice(ChunkHeader, size);
            if (chunk.StartsWith("fmt "u8) && size >= 16)
            {
                ReverseFields(body);
                width = BinaryPrimitives.ReadUInt16LittleEndian(body[12..]) / Math.Max(1, (int)BinaryPrimitives.ReadUInt16LittleEndian(body[2..]));
            }
            else if (chunk.StartsWith("data"u8) && width is > 1 and <= sizeof(double))
            {
                for (var sample = body; sample.Length >= width; sample = sample[width..])
                    sample[..width].Reverse();
            }

            at += ChunkHeader + size + size % 2;
        }

        return WavReader.CanRead(riff)
            ? riff
            : throw new AudioFormatException("must be RIFX with PCM, float or G.711: save it as RIFF");
    }

    /// <summary>WAVEFORMATEX, and the fields of WAVEFORMATEXTENSIBLE with the numbers of its GUID.</summary>
    private static void ReverseFields(Span<byte> format)
    {
        foreach (var length in (ReadOnlySpan<int>)[2, 2, 4, 4, 2, 2, 2, 2, 4, 4, 2, 2])
        {
            if (format.Length < length)
                return;
            format[..length].Reverse();
            format = format[length..];
        }
    }
}
