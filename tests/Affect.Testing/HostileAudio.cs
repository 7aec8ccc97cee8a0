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
        ["AMR, frames without audio"] = () => Amr(0x7C, 1),
        ["AMR, comfort noise"] = () => Amr(0x44, 6),
        ["AMR, hours"] = () => Amr(0x04, 13),
        ["WMA, tags"] = Wma,
        ["AVI, 1,000 streams"] = () => Avi("strl", 1000),
        ["AVI, 200,000 streams"] = () => Avi("strl", 200_000),
        ["AVI, index"] = () => Avi("idx1", 1_700_000),
        ["AVI, comments"] = () => Avi("INFO", 2_500_000),
        ["MPEG-TS, streams"] = MpegTs,
        ["CAF, comments"] = () => Caf("info"),
        ["CAF, packet table"] = () => Caf("pakt"),
        ["CAF, claimed packets"] = () => Caf("claim"),
        ["CAF, 999 channels"] = () => Caf("channels"),
        ["ADPCM, blocks of 64 KiB"] = () => Adpcm(0x11, 1, 65_535),
        ["ADPCM, blocks of a sample"] = () => Adpcm(0x11, 2, 8),
        ["ADPCM, 255 channels"] = () => Adpcm(2, 255, 65_535),
        ["ADPCM, eight channels"] = () => Adpcm(0x11, 8, 256),
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

    /// <summary>An AMR of equal frames.</summary>
    /// <param name="header">Type of the frames.</param>
    /// <param name="length">Bytes of a frame.</param>
    public static byte[] Amr(byte header, int length) => [.. "#!AMR\n"u8, .. Repeat([header, .. new byte[length - 1]], Size)];

    /// <summary>A WMA with a million tags.</summary>
    public static byte[] Wma()
    {
        ReadOnlySpan<byte> header = [0x30, 0x26, 0xB2, 0x75, 0x8E, 0x66, 0xCF, 0x11, 0xA6, 0xD9, 0, 0xAA, 0, 0x62, 0xCE, 0x6C];
        ReadOnlySpan<byte> tags = [0x40, 0xA4, 0xD0, 0xD2, 0x07, 0xE3, 0xD2, 0x11, 0x97, 0xF0, 0, 0xA0, 0xC9, 0x5E, 0xA8, 0x50];
        const int objects = 26;
        var entries = Repeat([4, 0, (byte)'a', 0, 0, 0, 0, 0, 4, 0, (byte)'b', 0, 0, 0], 14 * 65_535);
        var length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, 26 + entries.Length);
        byte[] part = [.. tags, .. length, 0xFF, 0xFF, .. entries];
        BinaryPrimitives.WriteInt64LittleEndian(length, 30 + objects * part.Length);
        return [.. header, .. length, objects, 0, 0, 0, 1, 2, .. Repeat(part, objects * part.Length)];
    }

    /// <summary>An AVI with many streams, entries of its index or comments.</summary>
    public static byte[] Avi(string kind, int count)
    {
        byte[] main = new byte[56];
        (main[12], main[24]) = (0x10, 1);
        byte[] stream = [.. "auds"u8, .. new byte[16], 1, 0, 0, 0, 0x40, 0x1F, .. new byte[18], 1, .. new byte[11]];
        byte[] format = [7, 0, 1, 0, 0x40, 0x1F, 0, 0, 0x40, 0x1F, 0, 0, 1, 0, 8, 0];
        var streams = RiffChunk("LIST", [.. "strl"u8, .. RiffChunk("strh", stream), .. RiffChunk("strf", format)]);
        var data = RiffChunk("00wb", new byte[8000]);
        return RiffChunk("RIFF",
        [
            .. "AVI "u8,
            .. RiffChunk("LIST", [.. "hdrl"u8, .. RiffChunk("avih", main), .. Repeat(streams, (kind == "strl" ? count : 1) * streams.Length)]),
            .. kind == "INFO" ? RiffChunk("LIST", [.. "INFO"u8, .. Repeat(RiffChunk("ICMT", "ab"u8.ToArray()), 10 * count)]) : [],
            .. RiffChunk("LIST", [.. "movi"u8, .. data]),
            .. kind == "idx1" ? RiffChunk("idx1", Repeat([.. "00wb"u8, 16, 0, 0, 0, 4, 0, 0, 0, 0x40, 0x1F, 0, 0], 16 * count)) : [],
        ]);
    }

    /// <summary>An MPEG-TS whose packets belong to 8,170 streams, which no table announces.</summary>
    public static byte[] MpegTs()
    {
        var file = new byte[Size / 188 * 188];
        for (var (at, stream) = (0, 0); at < file.Length; at += 188, stream = (stream + 1) % 8170)
            new byte[] { 0x47, (byte)(0x40 | (16 + stream) >> 8), (byte)(16 + stream), 0x10, 0, 0, 1, 0xC0, 0, 0, 0x80 }.CopyTo(file, at);
        return file;
    }

    /// <summary>A CAF with millions of comments or packets, claimed ones, or 999 channels.</summary>
    public static byte[] Caf(string kind)
    {
        const int packets = 28_000_000, comments = 2_500_000;
        byte[] format = kind is "pakt" or "claim"
            ? [.. "aac "u8, .. new byte[8], 0, 0, 4, 0, 0, 0, 0, 1, 0, 0, 0, 0]
            : [.. "ulaw"u8, 0, 0, 0, 0, 0, 0, (byte)(kind == "channels" ? 3 : 0), (byte)(kind == "channels" ? 0xE7 : 1), 0, 0, 0, 1,
                0, 0, (byte)(kind == "channels" ? 3 : 0), (byte)(kind == "channels" ? 0xE7 : 1), 0, 0, 0, 8];
        byte[] extra = kind switch
        {
            "info" => CafChunk("info", [.. Number(comments)[4..], .. Comments()]),
            "pakt" => CafChunk("pakt", [.. Number(packets), .. Number(1024L * packets), .. new byte[8], .. Repeat([1], packets)]),
            "claim" => CafChunk("pakt", [.. Number(1L << 40), .. Number(1L << 50), .. new byte[8], .. Repeat([1], 100)]),
            _ => [],
        };
        return
        [
            .. "caff"u8, 0, 1, 0, 0, .. CafChunk("desc", [0x40, 0xBF, 0x40, 0, 0, 0, 0, 0, .. format]), .. extra,
            .. CafChunk("data", new byte[4 + 999 * 1000]),
        ];

        static byte[] Comments()
        {
            var bytes = new byte[10 * comments];
            for (var i = 0; i < comments; i++)
                Encoding.ASCII.GetBytes($"k{i:0000000}\0v").AsSpan(0, 9).CopyTo(bytes.AsSpan(10 * i));
            return bytes;
        }

        static byte[] CafChunk(string type, byte[] content) => [.. Encoding.ASCII.GetBytes(type), .. Number(content.Length), .. content];

        static byte[] Number(long value)
        {
            var bytes = new byte[8];
            BinaryPrimitives.WriteInt64BigEndian(bytes, value);
            return bytes;
        }
    }

    /// <summary>A WAV of 31 MB with ADPCM, zeros.</summary>
    /// <param name="tag">0x11: IMA, 2: MS.</param>
    /// <param name="channels">Number of channels.</param>
    /// <param name="block">Bytes of a block.</param>
    public static byte[] Adpcm(byte tag, byte channels, ushort block) => RiffChunk("RIFF",
    [
        .. "WAVE"u8,
        .. RiffChunk("fmt ", [tag, 0, channels, 0, 0x40, 0x1F, 0, 0, 0, 0x10, 0, 0, (byte)block, (byte)(block >> 8), 4, 0, 2, 0, 1, 0]),
        .. RiffChunk("data", new byte[31_000_000]),
    ]);

    private static byte[] RiffChunk(string type, byte[] content)
    {
        var length = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, content.Length);
        return [.. Encoding.ASCII.GetBytes(type), .. length, .. content, .. new byte[content.Length % 2]];
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
