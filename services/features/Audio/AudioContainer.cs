using System.Buffers.Binary;

namespace Affect.Features.Audio;

/// <summary>
/// A container format that ffmpeg decodes. It is identified here by its first bytes, so that no other file reaches ffmpeg: neither
/// text nor pictures nor playlists that refer to other files.
/// </summary>
/// <param name="Name">Name in error texts.</param>
/// <param name="Demuxer">Demuxer of ffmpeg, which then does not probe the file.</param>
/// <param name="Prepare">The parts of a file that ffmpeg gets, in this order.</param>
internal sealed record AudioContainer(string Name, string Demuxer, Func<ReadOnlyMemory<byte>, IReadOnlyList<ReadOnlyMemory<byte>>> Prepare)
{
    public static readonly AudioContainer
        Flac = new("FLAC", "flac", AudioTags.SkipFlac),
        Mp3 = new("MP3", "mp3", AudioTags.SkipId3),
        Ogg = new("Ogg", "ogg", Whole),
        WebM = new("WebM", "matroska", Whole),
        Mp4 = new("MP4", "mov", Audio.Mp4.IndexFirst),
        Aiff = new("AIFF", "aiff", Whole);

    /// <summary>Identifies the container of a file; null if it is not supported.</summary>
    public static AudioContainer? Identify(ReadOnlySpan<byte> file) =>
        file.StartsWith("fLaC"u8) ? Flac
        : file.StartsWith("OggS"u8) ? Ogg
        : file.StartsWith<byte>([0x1A, 0x45, 0xDF, 0xA3]) ? WebM // EBML, RFC 8794
        : file.Length >= 12 && file[4..8].SequenceEqual("ftyp"u8) ? Mp4
        : file.Length >= 12 && file.StartsWith("FORM"u8) && file[8..11].SequenceEqual("AIF"u8) ? Aiff
        : file.StartsWith("ID3"u8) || StartsWithMp3Frames(file) ? Mp3
        : null;

    private static IReadOnlyList<ReadOnlyMemory<byte>> Whole(ReadOnlyMemory<byte> file) => [file];

    /// <summary>
    /// MP3 has no magic bytes: checks two frame headers (ISO/IEC 11172-3, 2.4.1.3) at the distance that the first specifies.
    /// </summary>
    private static bool StartsWithMp3Frames(ReadOnlySpan<byte> file) =>
        FrameLength(file) is { } length && file.Length > length && FrameLength(file[length..]) is not null;

    private static int? FrameLength(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < 4)
            return null;
        var header = BinaryPrimitives.ReadUInt32BigEndian(bytes);
        var version = header >> 19 & 3; // 0: MPEG 2.5, 2: MPEG 2, 3: MPEG 1
        var layer = header >> 17 & 3;   // 1: layer III
        var bitRate = (int)(header >> 12 & 15);
        var rate = (int)(header >> 10 & 3);
        if (header >> 21 != 0x7FF || version == 1 || layer != 1 || bitRate is 0 or 15 || rate == 3)
            return null;

        ReadOnlySpan<short> kilobits = version == 3
            ? [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320]
            : [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
        ReadOnlySpan<int> hertz = [44_100, 48_000, 32_000];
        var sampleRate = hertz[rate] >> (version switch { 3 => 0, 2 => 1, _ => 2 });
        var padding = (int)(header >> 9 & 1);
        return (version == 3 ? 144_000 : 72_000) * kilobits[bitRate] / sampleRate + padding;
    }
}
