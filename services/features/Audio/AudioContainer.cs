using System.Buffers.Binary;

namespace Affect.Features.Audio;

/// <summary>
/// A container format that ffmpeg decodes. It is identified here by its content, so that no other file reaches ffmpeg: neither
/// text nor pictures nor playlists that refer to other files.
/// </summary>
/// <param name="Name">Name in error texts.</param>
/// <param name="Demuxer">Demuxer of ffmpeg, which then does not probe the file.</param>
internal sealed record AudioContainer(string Name, string Demuxer)
{
    /// <summary>Formats without a signature are searched for in these first bytes: a stream may be cut within a frame.</summary>
    private const int MaxSearch = 64 << 10;

    public static readonly AudioContainer
        Wav = new("WAV", "wav"),
        BigEndianWav = new("RIFX", "wav"),
        Wave64 = new("Wave64", "w64"),
        Aiff = new("AIFF", "aiff"),
        Au = new("AU", "au"),
        Caf = new("CAF", "caf") { Prepare = Audio.Caf.DataLast },
        Sphere = new("NIST SPHERE", "nistsphere"),
        Voc = new("VOC", "voc"),
        Sox = new("SoX", "sox"),
        Flac = new("FLAC", "flac") { Prepare = AudioTags.SkipFlac },
        WavPack = new("WavPack", "wv"),
        Tta = new("TTA", "tta"),
        Mp3 = new("MP3", "mp3"),
        Adts = new("AAC (ADTS)", "aac"),
        Loas = new("AAC (LOAS)", "loas"),
        Ac3 = new("AC-3", "ac3"),
        Eac3 = new("E-AC-3", "eac3"),
        Dts = new("DTS", "dts"),
        Amr = new("AMR", "amr"),
        Gsm = new("GSM 06.10", "gsm"),
        Ogg = new("Ogg", "ogg"),
        WebM = new("WebM", "matroska") { StartsAtZero = true },
        Mp4 = new("MP4", "mov") { StartsAtZero = true, Prepare = Audio.Mp4.IndexFirst },
        Asf = new("WMA", "asf") { StartsAtZero = true },
        Avi = new("AVI", "avi"),
        Flv = new("FLV", "flv"),
        MpegTs = new("MPEG-TS", "mpegts"),
        MpegPs = new("MPEG-PS", "mpeg");

    /// <summary>The parts of a file that ffmpeg gets, in this order.</summary>
    public Func<ReadOnlyMemory<byte>, IReadOnlyList<ReadOnlyMemory<byte>>> Prepare { get; init; } = file => [file];

    /// <summary>True if the time line starts at timestamp 0; otherwise it starts with the first packet of any track.</summary>
    public bool StartsAtZero { get; init; }

    /// <summary>Identifies the container of a file; null if it is not supported.</summary>
    /// <param name="file">The file, perhaps with tags or zeros before its first byte of audio.</param>
    /// <param name="start">Index of the container's first byte.</param>
    public static AudioContainer? Identify(ReadOnlySpan<byte> file, out int start)
    {
        start = 0;
        while (true)
        {
            if (BySignature(file[start..]) is { } container)
                return container;
            var skipped = AudioTags.Skip(file[start..]);
            if (skipped == 0)
                break;
            start += skipped;
        }

        var rest = file[start..];
        if (GsmFrames.IsGsm(rest))
            return Gsm;
        for (var from = 0; rest[from..Math.Min(rest.Length, MaxSearch)].IndexOfAny<byte>(0xFF, 0x56, 0x0B) is var next and >= 0; from += next + 1)
            if (AudioFrames.Identify(rest[(from + next)..], required: from + next == 0 ? 2 : 4) is { } stream)
            {
                start += from + next;
                return stream;
            }

        return null;
    }

    private static AudioContainer? BySignature(ReadOnlySpan<byte> file) =>
        file.Length >= 12 && (file.StartsWith("RIFF"u8) || file.StartsWith("RF64"u8) || file.StartsWith("BW64"u8))
            ? file[8..].StartsWith("WAVE"u8) ? Wav : file[8..].StartsWith("AVI "u8) ? Avi : null
        : file.Length >= 12 && file.StartsWith("RIFX"u8) && file[8..].StartsWith("WAVE"u8) ? BigEndianWav
        : file.StartsWith<byte>([0x72, 0x69, 0x66, 0x66, 0x2E, 0x91, 0xCF, 0x11]) ? Wave64
        : file.Length >= 12 && file.StartsWith("FORM"u8) && file[8..].StartsWith("AIF"u8) ? Aiff
        : file.StartsWith(".snd"u8) ? Au
        : file.StartsWith("caff"u8) ? Caf
        : file.StartsWith("NIST_1A\n"u8) ? Sphere
        : file.StartsWith("Creative Voice File\x1A"u8) ? Voc
        : file.StartsWith(".SoX"u8) ? Sox
        : file.StartsWith("fLaC"u8) ? Flac
        : file.StartsWith("wvpk"u8) ? WavPack
        : file.StartsWith("TTA1"u8) ? Tta
        : file.StartsWith("#!AMR\n"u8) || file.StartsWith("#!AMR-WB\n"u8) ? Amr
        : file.StartsWith("OggS"u8) ? Ogg
        : file.StartsWith<byte>([0x1A, 0x45, 0xDF, 0xA3]) ? WebM // EBML, RFC 8794
        : Audio.Mp4.IsMp4(file) ? Mp4
        : file.StartsWith<byte>([0x30, 0x26, 0xB2, 0x75, 0x8E, 0x66, 0xCF, 0x11]) ? Asf
        : file.StartsWith("FLV\x01"u8) ? Flv
        : file.StartsWith<byte>([0x00, 0x00, 0x01, 0xBA]) ? MpegPs // ISO/IEC 13818-1, 2.5.3.4
        : file.StartsWith<byte>([0x7F, 0xFE, 0x80, 0x01]) ? Dts
        : IsMpegTs(file, 0, 188) || IsMpegTs(file, 4, 192) ? MpegTs
        : null;

    /// <summary>ISO/IEC 13818-1, 2.4.3.2: a sync byte at the start of every packet; Blu-ray has four bytes before it.</summary>
    private static bool IsMpegTs(ReadOnlySpan<byte> file, int offset, int packet)
    {
        const int required = 5;
        for (var i = 0; i < required; i++)
            if (offset + i * packet >= file.Length || file[offset + i * packet] != 0x47)
                return false;
        return true;
    }
}

/// <summary>Raw frames of GSM 06.10 (ETSI EN 300 961), 33 bytes each, as Asterisk writes them.</summary>
internal static class GsmFrames
{
    private const int Length = 33, MinFrames = 10, MaxFrames = 1000;

    /// <summary>True if each frame starts with the signature 0xD in four bits.</summary>
    public static bool IsGsm(ReadOnlySpan<byte> file)
    {
        var frames = Math.Min(file.Length / Length, MaxFrames);
        for (var i = 0; i < frames; i++)
            if (file[i * Length] >> 4 != 0xD)
                return false;
        return frames >= MinFrames;
    }
}

/// <summary>Formats without a signature: each frame starts with sync bits and tells its length, at which the next must start.</summary>
internal static class AudioFrames
{
    /// <summary>Identifies consecutive frames.</summary>
    /// <param name="bytes">Starts with a frame.</param>
    /// <param name="required">Number of headers that must be found.</param>
    public static AudioContainer? Identify(ReadOnlySpan<byte> bytes, int required) =>
        Repeats(bytes, required, MpegLength) ? AudioContainer.Mp3
        : Repeats(bytes, required, AdtsLength) ? AudioContainer.Adts
        : Repeats(bytes, required, LoasLength) ? AudioContainer.Loas
        : Repeats(bytes, required, Ac3Length) ? bytes[5] >> 3 > 10 ? AudioContainer.Eac3 : AudioContainer.Ac3
        : null;

    private delegate int? FrameLength(ReadOnlySpan<byte> bytes);

    private static bool Repeats(ReadOnlySpan<byte> bytes, int required, FrameLength length)
    {
        for (; required > 1; required--)
        {
            if (length(bytes) is not { } frame || frame >= bytes.Length)
                return false;
            bytes = bytes[frame..];
        }

        return length(bytes) is not null;
    }

    /// <summary>MPEG audio (ISO/IEC 11172-3, 2.4.1.3), layers I to III.</summary>
    private static int? MpegLength(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < 4)
            return null;
        var header = BinaryPrimitives.ReadUInt32BigEndian(bytes);
        var version = header >> 19 & 3; // 0: MPEG 2.5, 2: MPEG 2, 3: MPEG 1
        var layer = 4 - (int)(header >> 17 & 3);
        var bitRate = (int)(header >> 12 & 15);
        var rate = (int)(header >> 10 & 3);
        if (header >> 21 != 0x7FF || version == 1 || layer == 4 || bitRate is 0 or 15 || rate == 3)
            return null;

        ReadOnlySpan<short> kilobits = (version == 3, layer) switch
        {
            (true, 1) => [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
            (true, 2) => [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
            (true, _) => [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
            (false, 1) => [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
            (false, _) => [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
        };
        ReadOnlySpan<int> hertz = [44_100, 48_000, 32_000];
        var sampleRate = hertz[rate] >> (version switch { 3 => 0, 2 => 1, _ => 2 });
        var padding = (int)(header >> 9 & 1);
        return layer == 1
            ? (12_000 * kilobits[bitRate] / sampleRate + padding) * 4
            : (version == 3 || layer == 2 ? 144_000 : 72_000) * kilobits[bitRate] / sampleRate + padding;
    }

    /// <summary>ISO/IEC 13818-7, 6.2: the header has 7 bytes.</summary>
    private static int? AdtsLength(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < 7 || bytes[0] != 0xFF || (bytes[1] & 0xF6) != 0xF0 || (bytes[2] >> 2 & 15) > 12)
            return null;
        var length = (bytes[3] & 3) << 11 | bytes[4] << 3 | bytes[5] >> 5;
        return length > 7 ? length : null;
    }

    /// <summary>ISO/IEC 14496-3, 1.7.2: sync of 11 bits and length of 13.</summary>
    private static int? LoasLength(ReadOnlySpan<byte> bytes) =>
        bytes.Length >= 3 && bytes[0] == 0x56 && bytes[1] >> 5 == 7 && ((bytes[1] & 0x1F) << 8 | bytes[2]) is var length and > 0
            ? length + 3
            : null;

    /// <summary>ETSI TS 102 366: AC-3 (table F.6.1 of bit rates) and E-AC-3 (E.1.3.1.3).</summary>
    private static int? Ac3Length(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < 6 || bytes[0] != 0x0B || bytes[1] != 0x77)
            return null;
        var identification = bytes[5] >> 3;
        if (identification > 16)
            return null;
        if (identification > 10)
            return (((bytes[2] & 7) << 8 | bytes[3]) + 1) * 2;

        ReadOnlySpan<short> kilobits = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640];
        var (rate, size) = (bytes[4] >> 6, bytes[4] & 63);
        if (rate == 3 || size / 2 >= kilobits.Length)
            return null;
        var bits = kilobits[size / 2];
        return 2 * (rate switch { 0 => 2 * bits, 1 => 320 * bits / 147 + (size & 1), _ => 3 * bits });
    }
}
