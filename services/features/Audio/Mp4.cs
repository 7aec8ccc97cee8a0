using System.Buffers.Binary;
using System.Text;
using Affect.Audio;

namespace Affect.Features.Audio;

/// <summary>
/// Prepares MP4 for readers that cannot seek. Recorders write the index (moov) last; ffmpeg reads the file through a pipe and needs
/// it before the data (mdat). Moves the index, and adjusts its offsets (ISO/IEC 14496-12: 4.2 boxes, 8.7.5 chunk offsets).
/// </summary>
internal static class Mp4
{
    private const int BoxHeader = 8;

    private static readonly uint Index = Type("moov"u8), Data = Type("mdat"u8), Offsets32 = Type("stco"u8), Offsets64 = Type("co64"u8),
        References = Type("rmra"u8);

    /// <summary>Nested boxes from moov to the offsets.</summary>
    private static readonly uint[] PathToOffsets = [Type("trak"u8), Type("mdia"u8), Type("minf"u8), Type("stbl"u8)];

    /// <summary>Nested boxes from moov to the locations of the samples.</summary>
    private static readonly uint[] PathToLocations = [Type("trak"u8), Type("mdia"u8), Type("minf"u8), Type("dinf"u8), Type("dref"u8)];

    /// <summary>True if the first box is one with which MP4 or QuickTime files start.</summary>
    public static bool IsMp4(ReadOnlySpan<byte> file) =>
        file.Length >= BoxHeader && Encoding.Latin1.GetString(file[4..BoxHeader]) is "ftyp" or "styp" or "moov" or "mdat" or "wide" or "free" or "skip" or "pnot";

    /// <summary>Returns the parts of the file, its index before its data; the file itself if it already is so, or is broken.</summary>
    /// <exception cref="AudioFormatException">The samples are in another file.</exception>
    public static IReadOnlyList<ReadOnlyMemory<byte>> IndexFirst(ReadOnlyMemory<byte> file)
    {
        int? data = null;
        for (var start = 0; NextBox(file.Span[start..], out var length, out var header) is { } type; start += length)
        {
            if (type == Data)
            {
                data ??= start;
            }
            else if (type == Index)
            {
                if (RefersToOtherFiles(file.Span[(start + header)..(start + length)], PathToLocations))
                    throw new AudioFormatException("must be MP4 that does not refer to another file");
                if (data is not { } from)
                    break;
                var index = file.Slice(start, length).ToArray();
                ShiftOffsets(index.AsSpan(header), PathToOffsets, from, start, length);
                return [file[..from], index, file[from..start], file[(start + length)..]];
            }
        }

        return [file];
    }

    /// <summary>True for a reference movie (QuickTime), or a location of samples without the flag "in this file" (ISO/IEC 14496-12, 8.7.2).</summary>
    private static bool RefersToOtherFiles(ReadOnlySpan<byte> boxes, ReadOnlySpan<uint> path)
    {
        while (NextBox(boxes, out var length, out var header) is { } type)
        {
            var content = boxes[header..length];
            if (path.IsEmpty ? content.Length > 4 && (content[3] & 1) == 0
                : type == References || (type == path[0] && RefersToOtherFiles(path.Length == 1 ? content[Math.Min(8, content.Length)..] : content, path[1..])))
                return true;
            boxes = boxes[length..];
        }

        return false;
    }

    /// <summary>Adds <paramref name="shift"/> to every offset into the data, [from, to).</summary>
    private static void ShiftOffsets(Span<byte> boxes, ReadOnlySpan<uint> path, int from, int to, int shift)
    {
        while (NextBox(boxes, out var length, out var header) is { } type)
        {
            var content = boxes[header..length];
            if (!path.IsEmpty)
            {
                if (type == path[0])
                    ShiftOffsets(content, path[1..], from, to, shift);
            }
            else if (type == Offsets32 && content.Length >= 8)
            {
                for (var entries = content[8..]; entries.Length >= 4; entries = entries[4..])
                {
                    var offset = BinaryPrimitives.ReadUInt32BigEndian(entries);
                    if (offset >= from && offset < to)
                        BinaryPrimitives.WriteUInt32BigEndian(entries, offset + (uint)shift);
                }
            }
            else if (type == Offsets64 && content.Length >= 8)
            {
                for (var entries = content[8..]; entries.Length >= 8; entries = entries[8..])
                {
                    var offset = BinaryPrimitives.ReadUInt64BigEndian(entries);
                    if (offset >= (ulong)from && offset < (ulong)to)
                        BinaryPrimitives.WriteUInt64BigEndian(entries, offset + (ulong)shift);
                }
            }

            boxes = boxes[length..];
        }
    }

    /// <summary>The type of the first box; null if it is missing or truncated.</summary>
    /// <param name="boxes">Consecutive boxes.</param>
    /// <param name="length">Length of the box.</param>
    /// <param name="header">Length of its header.</param>
    private static uint? NextBox(ReadOnlySpan<byte> boxes, out int length, out int header)
    {
        (length, header) = (0, BoxHeader);
        if (boxes.Length < BoxHeader)
            return null;

        ulong size = BinaryPrimitives.ReadUInt32BigEndian(boxes);
        if (size == 0)
        {
            size = (ulong)boxes.Length; // to the end
        }
        else if (size == 1)
        {
            header += 8;
            if (boxes.Length < header)
                return null;
            size = BinaryPrimitives.ReadUInt64BigEndian(boxes[8..]);
        }

        if (size < (ulong)header || size > (ulong)boxes.Length)
            return null;
        length = (int)size;
        return Type(boxes[4..]);
    }

    private static uint Type(ReadOnlySpan<byte> name) => BinaryPrimitives.ReadUInt32BigEndian(name);
}
