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

    /// <summary>Returns an MP3 file without the ID3v2 tags at its start; the file itself if nothing follows them.</summary>
    public static IReadOnlyList<ReadOnlyMemory<byte>> SkipId3(ReadOnlyMemory<byte> file)
    {
        const int header = 10, footer = 0x10;
        var rest = file;
        while (rest.Length >= header && rest.Span.StartsWith("ID3"u8))
        {
            // Seven bits of each byte count.
            var size = rest.Span[6..header];
            long length = header + ((size[0] & 0x7F) << 21 | (size[1] & 0x7F) << 14 | (size[2] & 0x7F) << 7 | size[3] & 0x7F);
            if ((rest.Span[5] & footer) != 0)
                length += header;
            if (length >= rest.Length)
                return [file];
            rest = rest[(int)length..];
        }

        return [rest];
    }
}
