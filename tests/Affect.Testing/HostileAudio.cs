using System.Buffers.Binary;
using System.Text;

namespace Affect.Testing;

/// <summary>Audio files whose tables, metadata and claims make readers allocate or compute a lot.</summary>
public static class HostileAudio
{
    /// <summary>Bytes of a file just below the largest request.</summary>
    private const int Size = 32_000_000;

    /// <summary>Every file by its name; made when it is needed.</summary>
    public static IReadOnlyDictionary<string, Func<byte[]>> All { get; } = new Dictionary<string, Func<byte[]>>
    {
        ["WAV, 192 kHz"] = () => Wav(1, 192_000),
        ["WAV, 10 minutes"] = () => Wav(1, 54_000),
        ["WAV, stereo"] = () => Wav(2, 96_000),
        ["RIFF, 65,535 channels"] = () => Wav(65_535, 4_000),
        ["WAV, empty chunks"] = WavOfChunks,
        ["FLAC, picture"] = () => Flac(picture: true),
        ["FLAC, comments"] = () => Flac(picture: false),
        ["Ogg, comments"] = Ogg,
        ["MP3, picture"] = () => Mp3(picture: true),
        ["MP3, tags"] = () => Mp3(picture: false),
        ["MP4, stsz"] = () => Mp4("stsz"),
        ["MP4, stts"] = () => Mp4("stts"),
        ["MP4, ctts"] = () => Mp4("ctts"),
        ["MP4, stsc"] = () => Mp4("stsc"),
        ["MP4, stco"] = () => Mp4("stco"),
        ["MP4, elst"] = () => Mp4("elst"),
        ["MP4, tracks"] = () => Mp4("trak"),
        ["MP4, picture"] = () => Mp4("covr"),
        ["MP4, picture, index last"] = () => Mp4("covr", indexFirst: false),
        ["MP4, nested boxes"] = () => Mp4("nested"),
        ["WebM, cues"] = () => WebM("cues"),
        ["WebM, tags"] = () => WebM("tags"),
        ["WebM, attachment"] = () => WebM("attachment"),
        ["AIFF, comment"] = () => Aiff(1),
        ["AIFF, 999 channels"] = () => Aiff(999),
    };

    /// <summary>A WAV of one byte per sample.</summary>
    /// <param name="channels">Number of channels.</param>
    /// <param name="rate">In hertz.</param>
    public static byte[] Wav(int channels, int rate) =>
        new WavFile
        {
            Samples = new float[Size / channels * channels],
            SampleRate = rate,
            Channels = channels,
            Encoding = WavEncoding.MuLaw,
        }.ToBytes();

    /// <summary>A WAV of empty chunks.</summary>
    public static byte[] WavOfChunks()
    {
        var file = new byte[Size];
        "RIFF\0\0\0\0WAVE"u8.CopyTo(file);
        for (var at = 12; at + 8 <= file.Length; at += 8)
            "LIST\0\0\0\0"u8.CopyTo(file.AsSpan(at));
        return file;
    }

    /// <summary>A FLAC with a picture, or with millions of comments.</summary>
    public static byte[] Flac(bool picture)
    {
        byte[] info = [0x10, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0x0A, 0xC4, 0x40, 0xF0, 0, 0, 0, 0, .. new byte[16]];
        var content = picture
            ? (byte[])[0, 0, 0, 3, 0, 0, 0, 9, .. "image/png"u8, 0, 0, 0, 0, .. new byte[16], 0, 0xFF, 0x80, 0, .. new byte[0xFF_8000]]
            : Comments(16_000_000);
        using var file = new MemoryStream();
        file.Write([.. "fLaC"u8, 0, 0, 0, 34, .. info]);
        for (var i = 0; i < 2 && file.Length + content.Length < Size; i++)
            file.Write([(byte)(picture ? 6 : 4), (byte)(content.Length >> 16), (byte)(content.Length >> 8), (byte)content.Length, .. content]);
        file.Write([0x81, 0, 0, 0]); // the last block: padding
        return file.ToArray();
    }

    /// <summary>An Opus file with millions of comments.</summary>
    public static byte[] Ogg()
    {
        using var file = new MemoryStream();
        var number = 0;
        Page([.. "OpusHead"u8, 1, 1, 0, 0, 0x80, 0xBB, 0, 0, 0, 0, 0], first: true, ends: true, flags: 2);
        byte[] tags = [.. "OpusTags"u8, .. Comments(28_000_000)];
        for (var at = 0; at < tags.Length; at += 255 * 255)
            Page(tags.AsSpan(at, Math.Min(255 * 255, tags.Length - at)), first: at == 0, ends: at + 255 * 255 >= tags.Length, flags: 0);
        return file.ToArray();

        void Page(ReadOnlySpan<byte> content, bool first, bool ends, byte flags)
        {
            var lacing = new List<byte>();
            for (var rest = content.Length; rest >= 255 && lacing.Count < 255; rest -= 255)
                lacing.Add(255);
            if (ends)
                lacing.Add((byte)(content.Length % 255));
            byte[] page =
            [
                .. "OggS"u8, 0, (byte)(flags | (first ? 0 : 1)), .. new byte[8], 1, 0, 0, 0, (byte)number, (byte)(number++ >> 8), 0, 0, 0, 0, 0, 0,
                (byte)lacing.Count, .. lacing, .. content,
            ];
            BinaryPrimitives.WriteUInt32LittleEndian(page.AsSpan(22), Crc(page));
            file.Write(page);
        }

        static uint Crc(byte[] bytes)
        {
            uint crc = 0;
            foreach (var value in bytes)
            {
                crc ^= (uint)value << 24;
                for (var bit = 0; bit < 8; bit++)
                    crc = (crc << 1) ^ ((crc >> 31) * 0x04C11DB7);
            }
            return crc;
        }
    }

    /// <summary>An MP3 with a picture of 28 MB, or with millions of tags.</summary>
    public static byte[] Mp3(bool picture)
    {
        const int length = 28_000_000;
        using var file = new MemoryStream();
        file.Write([.. "ID3"u8, 4, 0, 0, .. SynchSafe(length)]);
        if (picture)
        {
            byte[] head = [0, .. "image/png"u8, 0, 3, 0, 0x89, .. "PNG"u8];
            file.Write([.. "APIC"u8, .. SynchSafe(length - 10), 0, 0, .. head, .. new byte[length - 10 - head.Length]]);
        }
        else
        {
            var tag = new byte[16];
            for (var at = 0; at < length / 16; at++)
            {
                ((byte[])[.. "TXXX"u8, .. SynchSafe(6), 0, 0, 0, .. Name(at), 0, (byte)'b']).CopyTo(tag, 0);
                file.Write(tag);
            }
        }
        var frame = new byte[417];
        new byte[] { 0xFF, 0xFB, 0x90, 0xC4 }.CopyTo(frame, 0);
        for (var i = 0; i < 100; i++)
            file.Write(frame);
        return file.ToArray();

        static byte[] Name(int index) => [(byte)('a' + index % 26), (byte)('a' + index / 26 % 26), (byte)('a' + index / 676 % 26)];

        static byte[] SynchSafe(int value) => [(byte)(value >> 21 & 0x7F), (byte)(value >> 14 & 0x7F), (byte)(value >> 7 & 0x7F), (byte)(value & 0x7F)];
    }

    /// <summary>An MP4 with one table that claims or holds millions of entries.</summary>
    /// <param name="table">"stsz" (one size and a count, without entries), "stts", "ctts", "stsc", "stco", "elst", "trak", "covr" or "nested".</param>
    /// <param name="indexFirst">False if the index follows the data, as recorders write it.</param>
    public static byte[] Mp4(string table, bool indexFirst = true)
    {
        var entries = 27_000_000 / (table is "stsc" or "elst" ? 12 : table == "stco" ? 4 : 8);
        byte[] sound = [.. new byte[6], 0, 1, .. new byte[8], 0, 1, 0, 16, 0, 0, 0, 0, 0xAC, 0x44, 0, 0];
        byte[] tables =
        [
            .. Box("stsd", [0, 0, 0, 0, 0, 0, 0, 1, .. Box("sowt", sound)]),
            .. table == "stts" ? Table("stts", entries, [0, 0, 0, 1, 0, 0, 0, 1]) : Table("stts", 1, [0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 1]),
            .. table == "ctts" ? Table("ctts", entries, [0, 0, 0, 1, 0, 0, 0, 1]) : [],
            .. table == "stsc"
                ? Table("stsc", entries, [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1])
                : Table("stsc", 1, [0, 0, 0, 1, 0x0F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 1]),
            .. table == "stsz"
                ? Box("stsz", [0, 0, 0, 0, 0, 0, 0, 5, 0x0F, 0xFF, 0xFF, 0xFF])
                : Box("stsz", [0, 0, 0, 0, 0, 0, 0, 5, 0, 0x60, 0, 0]),
            .. table == "stco" ? Table("stco", entries, [0, 0, 1, 0]) : Table("stco", 1, [0, 0, 1, 0]),
        ];
        var track = Track(tables);
        var index = Box("moov",
        [
            .. Box("mvhd", new byte[100]),
            .. track,
            .. table == "trak" ? Repeat(Box("trak", [.. Box("tkhd", new byte[84]), .. Box("mdia", [])]), 27_000_000) : [],
            .. table == "covr" ? Cover() : [],
            .. table == "nested" ? Nested() : [],
        ]);
        var data = Box("mdat", new byte[100_000]);
        var type = Box("ftyp", [.. "M4A "u8, 0, 0, 0, 0]);
        return indexFirst ? [.. type, .. index, .. data] : [.. type, .. data, .. index];

        byte[] Track(byte[] content) => Box("trak",
        [
            .. Box("tkhd", [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, .. new byte[68]]),
            .. table == "elst" ? Box("edts", Table("elst", entries, [0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0])) : [],
            .. Box("mdia",
            [
                .. Box("mdhd", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xAC, 0x44, 0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0]),
                .. Box("hdlr", [0, 0, 0, 0, 0, 0, 0, 0, .. "soun"u8, .. new byte[13]]),
                .. Box("minf", [.. Box("smhd", new byte[8]), .. Box("stbl", content)]),
            ]),
        ]);

        static byte[] Cover()
        {
            var handler = Box("hdlr", [0, 0, 0, 0, 0, 0, 0, 0, .. "mdirappl"u8, .. new byte[9]]);
            var list = Box("ilst", Box("covr", Box("data", [0, 0, 0, 14, 0, 0, 0, 0, .. new byte[27_000_000]])));
            return Box("udta", Box("meta", [0, 0, 0, 0, .. handler, .. list]));
        }

        static byte[] Nested()
        {
            var boxes = new byte[2_000_000];
            for (var at = 0; at + 8 <= boxes.Length; at += 8)
            {
                BinaryPrimitives.WriteInt32BigEndian(boxes.AsSpan(at), boxes.Length - at);
                "udta"u8.CopyTo(boxes.AsSpan(at + 4));
            }
            return boxes;
        }
    }

    /// <summary>A WebM with millions of cue points or tags, or an attachment of 28 MB.</summary>
    /// <param name="element">"cues", "tags" or "attachment".</param>
    public static byte[] WebM(string element)
    {
        byte[] head = Ebml([0x1A, 0x45, 0xDF, 0xA3], Ebml([0x42, 0x82], "webm"u8.ToArray()));
        byte[] tracks = Ebml([0x16, 0x54, 0xAE, 0x6B], Ebml([0xAE],
        [
            .. Ebml([0xD7], [1]), .. Ebml([0x73, 0xC5], [1]), .. Ebml([0x83], [2]), .. Ebml([0x86], "A_PCM/INT/LIT"u8.ToArray()),
            .. Ebml([0xE1], [.. Ebml([0xB5], [0x47, 0x2C, 0x44, 0]), .. Ebml([0x9F], [1]), .. Ebml([0x62, 0x64], [16])]),
        ]));
        var cue = Ebml([0xBB], [.. Ebml([0xB3], [1]), .. Ebml([0xB7], [.. Ebml([0xF7], [1]), .. Ebml([0xF1], [1])])]);
        var tag = Ebml([0x73, 0x73], Ebml([0x67, 0xC8], [.. Ebml([0x45, 0xA3], "a"u8.ToArray()), .. Ebml([0x44, 0x87], "b"u8.ToArray())]));
        byte[] attachment = [.. Ebml([0x46, 0x6E], "a"u8.ToArray()), .. Ebml([0x46, 0x60], "image/png"u8.ToArray()), .. Ebml([0x46, 0xAE], [1])];
        byte[] large = element switch
        {
            "cues" => Ebml([0x1C, 0x53, 0xBB, 0x6B], Repeat(cue, 28_000_000)),
            "tags" => Ebml([0x12, 0x54, 0xC3, 0x67], Repeat(tag, 28_000_000)),
            _ => Ebml([0x19, 0x41, 0xA4, 0x69], Ebml([0x61, 0xA7], [.. attachment, .. Ebml([0x46, 0x5C], new byte[28_000_000])])),
        };
        byte[] cluster = Ebml([0x1F, 0x43, 0xB6, 0x75], [.. Ebml([0xE7], [0]), .. Ebml([0xA3], [0x81, 0, 0, 0x80, .. new byte[88_200]])]);
        return [.. head, .. Ebml([0x18, 0x53, 0x80, 0x67], [.. tracks, .. large, .. cluster])];

        static byte[] Ebml(byte[] id, byte[] content)
        {
            var length = new byte[8];
            BinaryPrimitives.WriteInt64BigEndian(length, content.Length + (1L << 56));
            return content.Length < 127 ? [.. id, (byte)(0x80 | content.Length), .. content] : [.. id, .. length, .. content];
        }
    }

    /// <summary>An AIFF of many channels, with a chunk of 28 MB before its samples.</summary>
    public static byte[] Aiff(int channels)
    {
        byte[] common = [(byte)(channels >> 8), (byte)channels, 0, 0x0F, 0xFF, 0xFF, 0, 16, 0x40, 0x0E, 0xAC, 0x44, 0, 0, 0, 0, 0, 0];
        byte[] chunks = [.. "AIFF"u8, .. AiffChunk("COMM", common), .. AiffChunk("ANNO", new byte[28_000_000]), .. AiffChunk("SSND", new byte[2_000_000])];
        return AiffChunk("FORM", chunks);

        static byte[] AiffChunk(string type, byte[] content)
        {
            var length = new byte[4];
            BinaryPrimitives.WriteInt32BigEndian(length, content.Length);
            return [.. Encoding.ASCII.GetBytes(type), .. length, .. content];
        }
    }

    /// <summary>Comments of Vorbis: a vendor, then as many comments of one letter as fit.</summary>
    private static byte[] Comments(int length)
    {
        var comments = new byte[length / 8 * 8];
        BinaryPrimitives.WriteInt32LittleEndian(comments.AsSpan(4), length / 8 - 1);
        for (var at = 8; at < comments.Length; at += 8)
            new byte[] { 4, 0, 0, 0, (byte)('A' + at / 8 % 26), (byte)('A' + at / 208 % 26), (byte)'=', (byte)'b' }.CopyTo(comments, at);
        return comments;
    }

    private static byte[] Table(string type, int count, byte[] entry)
    {
        var content = new byte[8 + count * entry.Length];
        BinaryPrimitives.WriteInt32BigEndian(content.AsSpan(4), count);
        for (var i = 0; i < count; i++)
            entry.CopyTo(content, 8 + i * entry.Length);
        return Box(type, content);
    }

    private static byte[] Box(string type, byte[] content)
    {
        var box = new byte[8 + content.Length];
        BinaryPrimitives.WriteInt32BigEndian(box, box.Length);
        Encoding.ASCII.GetBytes(type).CopyTo(box, 4);
        content.CopyTo(box, 8);
        return box;
    }

    private static byte[] Repeat(byte[] part, int length)
    {
        var all = new byte[length / part.Length * part.Length];
        for (var at = 0; at < all.Length; at += part.Length)
            part.CopyTo(all, at);
        return all;
    }
}
