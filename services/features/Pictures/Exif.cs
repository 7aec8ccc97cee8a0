using System.Buffers.Binary;

namespace Affect.Features.Pictures;

/// <summary>The first directory of a TIFF file (TIFF 6.0, section 2), which is also the form of EXIF metadata (CIPA DC-008).</summary>
internal static class Exif
{
    private const int OrientationTag = 0x0112, EntrySize = 12, Short = 3;

    /// <summary>True if a TIFF header is at the start.</summary>
    public static bool IsTiff(ReadOnlySpan<byte> tiff) => tiff.Length >= 8 && (tiff.StartsWith("II*\0"u8) || tiff.StartsWith("MM\0*"u8));

    /// <summary>Reads the orientation: 1 to 8; 1 (upright) if it is missing or broken.</summary>
    /// <param name="tiff">The metadata from its TIFF header on.</param>
    public static int ReadOrientation(ReadOnlySpan<byte> tiff) =>
        ReadTag(tiff, OrientationTag) is { } orientation and >= 1 and <= 8 ? (int)orientation : 1;

    /// <summary>Reads the number of a tag, the first if it has two; null if it is missing or broken.</summary>
    public static uint? ReadTag(ReadOnlySpan<byte> tiff, int tag)
    {
        if (!IsTiff(tiff))
            return null;
        var littleEndian = tiff[0] == 'I';
        var offset = UInt32(tiff[4..]);
        if (offset > tiff.Length - 2)
            return null;
        var directory = tiff[(int)offset..];
        var count = UInt16(directory);
        for (directory = directory[2..]; count > 0 && directory.Length >= EntrySize; count--, directory = directory[EntrySize..])
        {
            if (UInt16(directory) != tag)
                continue;
            if (UInt16(directory[2..]) != Short)
                return UInt32(directory[8..]);
            // More than two numbers are stored elsewhere.
            return UInt32(directory[4..]) <= 2 ? (uint)UInt16(directory[8..])
                : UInt32(directory[8..]) is var at && at <= tiff.Length - 2 ? (uint)UInt16(tiff[(int)at..])
                : null;
        }

        return null;

        int UInt16(ReadOnlySpan<byte> bytes) =>
            littleEndian ? BinaryPrimitives.ReadUInt16LittleEndian(bytes) : BinaryPrimitives.ReadUInt16BigEndian(bytes);
        uint UInt32(ReadOnlySpan<byte> bytes) =>
            littleEndian ? BinaryPrimitives.ReadUInt32LittleEndian(bytes) : BinaryPrimitives.ReadUInt32BigEndian(bytes);
    }
}
