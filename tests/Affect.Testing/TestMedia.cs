using System.Buffers.Binary;
using System.IO.Compression;

namespace Affect.Testing;

/// <summary>Audio and pictures of tests, generated or from tests/fixtures.</summary>
public static class TestMedia
{
    /// <summary>Sample rate of the golden signals in hertz.</summary>
    public const int SampleRate = 22050;

    /// <summary>Reads a file of tests/fixtures, for example "golden/speech.wav".</summary>
    public static byte[] Fixture(string path) => File.ReadAllBytes(FixturePath(path));

    /// <summary>Full path of a file of tests/fixtures.</summary>
    public static string FixturePath(string path) => Path.Combine(AppContext.BaseDirectory, "fixtures", path);

    /// <summary>4.2 s of synthesized speech, WAV.</summary>
    public static byte[] Speech() => Fixture("golden/speech.wav");

    /// <summary>A photograph from the folder in AFFECT_PHOTOS; null if that is not set.</summary>
    /// <param name="name">For example "two_people.jpg", or "1.jpg" (a crowd).</param>
    public static byte[]? Photo(string name) =>
        Environment.GetEnvironmentVariable("AFFECT_PHOTOS") is { Length: > 0 } folder
            ? File.ReadAllBytes(Path.Combine(folder, name))
            : null;

    /// <summary>Samples of a sine.</summary>
    public static float[] Sine(double hertz, double seconds, int sampleRate = SampleRate, double amplitude = 0.5)
    {
        var samples = new float[(int)Math.Round(seconds * sampleRate)];
        for (var i = 0; i < samples.Length; i++)
            samples[i] = (float)(amplitude * Math.Sin(2 * Math.PI * hertz * i / sampleRate));
        return samples;
    }

    /// <summary>Samples of digital silence.</summary>
    public static float[] Silence(double seconds, int sampleRate = SampleRate) => new float[(int)Math.Round(seconds * sampleRate)];

    /// <summary>White noise with a fixed seed.</summary>
    public static float[] Noise(double seconds, int sampleRate = SampleRate, double amplitude = 0.1)
    {
        var random = new Random(1);
        var samples = new float[(int)Math.Round(seconds * sampleRate)];
        for (var i = 0; i < samples.Length; i++)
            samples[i] = (float)(amplitude * (2 * random.NextDouble() - 1));
        return samples;
    }

    /// <summary>A gray PNG.</summary>
    /// <param name="width">Width in pixels.</param>
    /// <param name="height">Height in pixels.</param>
    /// <param name="pixel">Value at (x, y); medium gray if null.</param>
    public static byte[] Png(int width, int height, Func<int, int, byte>? pixel = null)
    {
        var rows = new byte[height * (width + 1)];
        for (var y = 0; y < height; y++)
            for (var x = 0; x < width; x++)
                rows[y * (width + 1) + 1 + x] = pixel?.Invoke(x, y) ?? 128;
        return Png(width, height, depth: 8, stream => stream.Write(rows));
    }

    /// <summary>
    /// A black PNG of a few kilobytes with one bit per pixel. Decoded to gray, 20,000 × 20,000 pixels take 400 MB.
    /// </summary>
    public static byte[] PngBomb(int width = 20_000, int height = 20_000)
    {
        var row = new byte[1 + (width + 7) / 8];
        return Png(width, height, depth: 1, stream =>
        {
            for (var y = 0; y < height; y++)
                stream.Write(row);
        });
    }

    private static byte[] Png(int width, int height, byte depth, Action<Stream> writeRows)
    {
        var header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), height);
        header[8] = depth;
        var data = new MemoryStream();
        using (var zlib = new ZLibStream(data, CompressionLevel.Optimal, leaveOpen: true))
            writeRows(zlib);

        var png = new MemoryStream();
        png.Write([0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A]);
        Chunk(png, "IHDR"u8, header);
        Chunk(png, "IDAT"u8, data.ToArray());
        Chunk(png, "IEND"u8, []);
        return png.ToArray();
    }

    /// <summary>Writes a chunk of a PNG.</summary>
    internal static void Chunk(Stream png, ReadOnlySpan<byte> type, ReadOnlySpan<byte> content)
    {
        Span<byte> number = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(number, content.Length);
        png.Write(number);
        png.Write(type);
        png.Write(content);
        BinaryPrimitives.WriteUInt32BigEndian(number, ~Crc(Crc(uint.MaxValue, type), content));
        png.Write(number);
    }

    /// <summary>CRC-32 of ISO 3309, as the PNG specification requires (annex D).</summary>
    public static uint Crc(ReadOnlySpan<byte> bytes) => ~Crc(uint.MaxValue, bytes);

    private static uint Crc(uint crc, ReadOnlySpan<byte> bytes)
    {
        foreach (var value in bytes)
        {
            crc ^= value;
            for (var bit = 0; bit < 8; bit++)
                crc = (crc >> 1) ^ ((crc & 1) * 0xEDB88320);
        }
        return crc;
    }
}
