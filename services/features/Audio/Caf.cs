using System.Buffers.Binary;

namespace Affect.Features.Audio;

/// <summary>
/// Prepares CAF for readers that cannot seek. Recorders write the packet table after the data, and ffmpeg needs it before. Moves the data
/// to the end (Apple Core Audio Format 1.0: a header of 8 bytes, then chunks with a type and a length of 8 bytes).
/// </summary>
internal static class Caf
{
    private const int FileHeader = 8, ChunkHeader = 12;

    /// <summary>Returns the parts of the file, its data last; the file itself if it already is so, or is broken.</summary>
    public static IReadOnlyList<ReadOnlyMemory<byte>> DataLast(ReadOnlyMemory<byte> file)
    {
        for (var start = FileHeader; start + ChunkHeader <= file.Length;)
        {
            var length = BinaryPrimitives.ReadInt64BigEndian(file.Span[(start + 4)..]);
            if (length < 0 || length > file.Length - start - ChunkHeader)
                break;
            var end = start + ChunkHeader + (int)length;
            if (file.Span[start..].StartsWith("data"u8))
                return [file[..start], file[end..], file[start..end]];
            start = end;
        }

        return [file];
    }
}
