using System.Buffers.Binary;

namespace Affect.Features.Pictures;

/// <summary>EXIF metadata (CIPA DC-008), of which only the orientation matters here.</summary>
internal static class Exif
{
    private const int OrientationTag = 0x0112, EntrySize = 12;

    /// <summary>
    /// Reads the orientation: 1 to 8; 1 (upright) if it is missing or broken. Reads the first directory only, and no other value of it.
    /// </summary>
    /// <param name="tiff">The metadata from its TIFF header on.</param>
    public static int ReadOrientation(ReadOnlySpan<byte> tiff)
    {
        var littleEndian = tiff.StartsWith("II*\0"u8);
        if (tiff.Length < 8 || (!littleEndian && !tiff.StartsWith("MM\0*"u8)))
            return 1;

        var offset = littleEndian ? BinaryPrimitives.ReadUInt32LittleEndian(tiff[4..]) : BinaryPrimitives.ReadUInt32BigEndian(tiff[4..]);
        if (offset > tiff.Length - 2)
            return 1;
        var directory = tiff[(int)offset..];
        var count = UInt16(directory);
        for (directory = directory[2..]; count > 0 && directory.Length >= EntrySize; count--, directory = directory[EntrySize..])
            if (UInt16(directory) == OrientationTag)
                return UInt16(directory[8..]) is var orientation and >= 1 and <= 8 ? orientation : 1;
        return 1;

        int UInt16(ReadOnlySpan<byte> bytes) =>
            littleEndian ? BinaryPrimitives.ReadUInt16LittleEndian(bytes) : BinaryPrimitives.ReadUInt16BigEndian(bytes);
    }
}
