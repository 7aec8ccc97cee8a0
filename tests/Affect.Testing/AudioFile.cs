using System.Buffers.Binary;
using System.Diagnostics;
using System.Text;

namespace Affect.Testing;

/// <summary>An audio file of each container and codec that features reads, as in the table of its README.</summary>
/// <param name="Container">First column of the table.</param>
/// <param name="Codec">Second column.</param>
/// <param name="Create">Creates the file from the path of a WAV file with samples of 16 bits.</param>
/// <param name="IsLossless">True if the samples are those of the WAV file, as 16 bits.</param>
public sealed record AudioFile(string Container, string Codec, Func<string, byte[]> Create, bool IsLossless = false)
{
    /// <summary>False if the sound is unrelated to that of the WAV file, because no encoder exists here.</summary>
    public bool HasSound { get; init; } = true;

    /// <summary>Every row of the table.</summary>
    public static IReadOnlyList<AudioFile> All { get; } =
    [
        Encoded("WAV", "PCM", "wav", "-c:a", "pcm_s16le").Lossless(),
        Encoded("WAV", "float", "wav", "-c:a", "pcm_f32le").Lossless(),
        Encoded("WAV", "A-law", "wav", "-c:a", "pcm_alaw"),
        Encoded("WAV", "µ-law", "wav", "-c:a", "pcm_mulaw"),
        Encoded("WAV", "MS ADPCM", "wav", "-c:a", "adpcm_ms"),
        Encoded("WAV", "IMA ADPCM", "wav", "-c:a", "adpcm_ima_wav"),
        Encoded("WAV", "G.722", "wav", "-ar", "16000", "-c:a", "g722"),
        Encoded("WAV", "G.723.1", "wav", "-ar", "8000", "-c:a", "g723_1", "-b:a", "6300"),
        Encoded("WAV", "G.726", "wav", "-ar", "8000", "-ac", "1", "-c:a", "g726", "-b:a", "32k"),
        Encoded("WAV", "GSM 6.10", "wav", "-ar", "8000", "-c:a", "libgsm_ms"),
        Encoded("WAV", "MP3", "wav", "-c:a", "libmp3lame"),
        new("WAV", "AAC (ADTS)", AdtsInWav),
        Encoded("RF64", "PCM", "wav", "-rf64", "always", "-c:a", "pcm_s16le").Lossless(),
        new("BW64", "PCM", wav => [.. "BW64"u8, .. File.ReadAllBytes(wav).AsSpan(4)], IsLossless: true),
        new("RIFX", "PCM", wav => Rifx(File.ReadAllBytes(wav)), IsLossless: true),
        Encoded("Wave64", "PCM", "w64", "-c:a", "pcm_s16le").Lossless(),
        Encoded("AIFF", "PCM", "aiff", "-c:a", "pcm_s16be").Lossless(),
        Encoded("AIFF", "µ-law", "aiff", "-c:a", "pcm_mulaw"),
        Encoded("AU", "PCM", "au", "-c:a", "pcm_s16be").Lossless(),
        Encoded("AU", "µ-law", "au", "-c:a", "pcm_mulaw"),
        Encoded("CAF", "PCM", "caf", "-c:a", "pcm_s16le").Lossless(),
        Encoded("CAF", "µ-law", "caf", "-c:a", "pcm_mulaw"),
        Encoded("CAF", "ALAC", "caf", "-c:a", "alac").Lossless(),
        Encoded("CAF", "Opus", "caf", "-ar", "48000", "-c:a", "libopus"),
        new("NIST SPHERE", "PCM", Sphere, IsLossless: true),
        Encoded("VOC", "PCM", "voc", "-c:a", "pcm_s16le").Lossless(),
        Encoded("SoX", "PCM", "sox", "-c:a", "pcm_s32le").Lossless(),
        Encoded("FLAC", "FLAC", "flac").Lossless(),
        Encoded("WavPack", "WavPack", "wv").Lossless(),
        Encoded("TTA", "TTA", "tta").Lossless(),
        Encoded("MP3", "layer III", "mp3"),
        Encoded("MP3", "layer II", "mp2", "-c:a", "mp2"),
        Encoded("AAC", "ADTS", "adts", "-c:a", "aac"),
        Encoded("AAC", "LOAS/LATM", "latm", "-c:a", "aac"),
        Encoded("AC-3", "AC-3", "ac3", "-ar", "48000"),
        Encoded("E-AC-3", "E-AC-3", "eac3", "-ar", "48000"),
        Encoded("DTS", "DTS", "dts", "-strict", "-2", "-ar", "48000", "-c:a", "dca", "-b:a", "320k"),
        new("AMR", "AMR-NB", wav => Amr("#!AMR\n", 0x3C, 31, wav)) { HasSound = false },
        new("AMR", "AMR-WB", wav => Amr("#!AMR-WB\n", 0x44, 60, wav)) { HasSound = false },
        Encoded("GSM", "GSM 6.10", "gsm", "-ar", "8000", "-c:a", "libgsm"),
        Encoded("Ogg", "Vorbis", "ogg", "-c:a", "libvorbis"),
        Encoded("Ogg", "Opus", "ogg", "-c:a", "libopus"),
        Encoded("Ogg", "Speex", "ogg", "-ar", "16000", "-c:a", "libspeex"),
        Encoded("Ogg", "FLAC", "ogg", "-c:a", "flac").Lossless(),
        Encoded("WebM", "Opus", "webm", "-c:a", "libopus"),
        Encoded("WebM", "Vorbis", "webm", "-c:a", "libvorbis"),
        Encoded("Matroska", "AAC", "mkv", "-c:a", "aac"),
        Encoded("Matroska", "PCM", "mkv", "-c:a", "pcm_s16le").Lossless(),
        Encoded("MP4", "AAC", "m4a", "-c:a", "aac"),
        Encoded("MP4", "ALAC", "m4a", "-c:a", "alac").Lossless(),
        Encoded("MP4", "MP3", "mp4", "-c:a", "libmp3lame"),
        Encoded("3GP", "AAC", "3gp", "-c:a", "aac"),
        Encoded("MOV", "PCM", "mov", "-c:a", "pcm_s16le").Lossless(),
        Encoded("WMA", "WMA 2", "wma", "-c:a", "wmav2"),
        Encoded("WMA", "WMA 1", "asf", "-c:a", "wmav1"),
        Encoded("AVI", "MP3", "avi", "-c:a", "libmp3lame"),
        Encoded("AVI", "PCM", "avi", "-c:a", "pcm_s16le").Lossless(),
        Encoded("FLV", "AAC", "flv", "-c:a", "aac"),
        Encoded("MPEG-TS", "AAC", "ts", "-c:a", "aac"),
        Encoded("MPEG-PS", "layer II", "mpg", "-c:a", "mp2"),
    ];

    /// <summary>True if ffmpeg is on the path.</summary>
    public static bool HasFfmpeg { get; } =
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, "ffmpeg")));

    public string Name => $"{Container}, {Codec}";

    private AudioFile Lossless() => this with { IsLossless = true };

    private static AudioFile Encoded(string container, string codec, string extension, params string[] options) =>
        new(container, codec, wav => RunFfmpeg(extension, ["-i", wav, .. options]));

    /// <summary>The output of ffmpeg.</summary>
    /// <param name="extension">Extension or muxer of the output.</param>
    /// <param name="options">All options before the output.</param>
    public static byte[] RunFfmpeg(string extension, params string[] options)
    {
        var file = Path.Combine(Path.GetTempPath(), $"affect-{Guid.NewGuid():N}.{extension}");
        try
        {
            string[] muxer = extension is "adts" or "latm" or "gsm" or "sox" ? ["-f", extension] : [];
            using var process = Process.Start("ffmpeg", ["-hide_banner", "-loglevel", "error", "-nostdin", "-y", .. options, .. muxer, file]);
            process.WaitForExit();
            return process.ExitCode == 0 ? File.ReadAllBytes(file) : throw new InvalidOperationException($"ffmpeg must be able to write {extension}");
        }
        finally
        {
            File.Delete(file);
        }
    }

    /// <summary>A WAV file with all numbers and samples in big-endian order.</summary>
    /// <param name="wav">A file of the chunks "fmt " and "data".</param>
    public static byte[] Rifx(byte[] wav)
    {
        var width = BinaryPrimitives.ReadUInt16LittleEndian(wav.AsSpan(32)) / wav[22];
        var data = 20 + wav[16];
        wav = [.. wav];
        "RIFX"u8.CopyTo(wav);
        Reverse(4, 4);
        Reverse(16, 4);
        var at = 20;
        foreach (var length in (ReadOnlySpan<int>)[2, 2, 4, 4, 2, 2, 2, 2, 4, 4, 2, 2])
            if (at < data)
                at = Reverse(at, length);
        Reverse(data + 4, 4);
        for (at = data + 8; at + width <= wav.Length;)
            at = Reverse(at, width);
        return wav;

        int Reverse(int start, int length)
        {
            wav.AsSpan(start, length).Reverse();
            return start + length;
        }
    }

    /// <summary>A header of 1,024 bytes of text, then the samples.</summary>
    private static byte[] Sphere(string wav)
    {
        var file = File.ReadAllBytes(wav);
        var (channels, rate) = (file[22], BinaryPrimitives.ReadInt32LittleEndian(file.AsSpan(24)));
        var data = file.AsSpan(file.AsSpan().IndexOf("data"u8) + 8);
        var fields = $"""
            NIST_1A
               1024
            channel_count -i {channels}
            sample_count -i {data.Length / 2 / channels}
            sample_rate -i {rate}
            sample_n_bytes -i 2
            sample_byte_format -s2 01
            sample_sig_bits -i 16
            sample_coding -s3 pcm
            end_head

            """;
        return [.. Encoding.ASCII.GetBytes(fields.PadRight(1024)), .. data];
    }

    /// <summary>Format tag 0x1600, MPEG_ADTS_AAC.</summary>
    private static byte[] AdtsInWav(string wav)
    {
        var format = File.ReadAllBytes(wav).AsSpan(20, 16);
        BinaryPrimitives.WriteUInt16LittleEndian(format, 0x1600);
        BinaryPrimitives.WriteUInt16LittleEndian(format[14..], 0); // bits
        var frames = RunFfmpeg("adts", "-i", wav, "-c:a", "aac");
        var length = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, frames.Length);
        return [.. "RIFF"u8, 0xFF, 0xFF, 0xFF, 0xFF, .. "WAVEfmt "u8, 16, 0, 0, 0, .. format, .. "data"u8, .. length, .. frames];
    }

    /// <summary>Frames of 20 ms as long as the WAV file, with arbitrary bits.</summary>
    private static byte[] Amr(string magic, byte header, int length, string wav)
    {
        var file = File.ReadAllBytes(wav);
        var frames = (int)((file.Length - 44) * 50L / BinaryPrimitives.ReadInt32LittleEndian(file.AsSpan(28))); // bytes per second
        var random = new Random(1);
        var bytes = new byte[frames * (1 + length)];
        random.NextBytes(bytes);
        for (var frame = 0; frame < frames; frame++)
            bytes[frame * (1 + length)] = header;
        return [.. Encoding.ASCII.GetBytes(magic), .. bytes];
    }
}
