using System.Buffers.Binary;

namespace Affect.Features.Audio;

/// <summary>Skips tags and pictures: ffmpeg copies them several times, and takes 10 s for 28 MB of comments.</summary>
internal static class AudioTags
{
    private const int BlockHeader = 4, StreamInfo = 34;

    /// <summary>Returns a FLAC file with STREAMINFO as its only metadata (RFC 9639, section 8); the file itself if it is broken.</summary>
    public static IReadOnlyList<ReadOnlyMemory<byte>> SkipFlac(ReadOnlyMemory<byte> file)
    {
        const int marker = 4, frames = marker + BlockHeader + StreamInfo;
        if (file.Length < frames || (file.Span[marker] & 0x7F) != 0)
            return [file];
        var last = false;
        var at = marker;
        while (!last && at + BlockHeader <= file.Length)
        {
            var header = BinaryPrimitives.ReadUInt32BigEndian(file.Span[at..]);
            last = header >> 31 == 1;
            at += BlockHeader + (int)(header & 0xFF_FFFF);
        }

        if (!last || at > file.Length)
            return [file];
        var start = file[..frames].ToArray();
        start[marker] = 0x80; // the last block
        return [start, file[at..]];
    }

    /// <summary>Length of a tag or of meaningless bytes at the start of a file; 0 if it starts with neither.</summary>
    public static int Skip(ReadOnlySpan<byte> file)
    {
        const int id3Header = 10, id3Footer = 0x10, apeHeader = 32;
        const uint apeHasHeader = 1u << 29;

        if (file.StartsWith("ID3"u8) && file.Length >= id3Header)
        {
            // ID3v2.4, section 3.1: seven bits of each byte count.
            var size = file[6..id3Header];
            var length = id3Header + ((size[0] & 0x7F) << 21 | (size[1] & 0x7F) << 14 | (size[2] & 0x7F) << 7 | size[3] & 0x7F);
            if ((file[5] & id3Footer) != 0)
                length += id3Header;
            return length < file.Length ? length : id3Header; // a wrong length: the audio is searched for
        }

        if (file.StartsWith("APETAGEX"u8) && file.Length >= apeHeader)
        {
            // APEv2: the size has the items and the footer, without the header.
            var size = BinaryPrimitives.ReadUInt32LittleEndian(file[12..]);
            var flags = BinaryPrimitives.ReadUInt32LittleEndian(file[20..]);
            var length = size + ((flags & apeHasHeader) != 0 ? apeHeader : 0L);
            return length >= apeHeader && length < file.Length ? (int)length : apeHeader;
        }

        var audio = file.IndexOfAnyExcept("\0\r\n \t"u8);
        return audio < 0 ? 0 : audio;
    }
}
