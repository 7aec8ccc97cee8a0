using System.Buffers.Binary;

using Affect.Audio;
using Affect.Testing;

namespace Affect.UnitTests.Audio;

public sealed class WavReaderTests
{
    private const int DataStart = 44; // of a WavFile without extras

    private static readonly float[] Sine = TestMedia.Sine(440, 0.1);

    public static TheoryData<WavEncoding, double, bool> Encodings => new()
    {
        // The error is half a step of the quantizer, or G.711's error for a sine of this level.
        { WavEncoding.Pcm8, 1 / 256.0, false },
        { WavEncoding.Pcm16, 1 / 65536.0, false },
        { WavEncoding.Pcm16, 1 / 65536.0, true },
        { WavEncoding.Pcm24, 1e-7, false },
        { WavEncoding.Pcm24, 1e-7, true },
        { WavEncoding.Pcm32, 1e-7, false },
        { WavEncoding.Ieee32, 0, false },
        { WavEncoding.Ieee32, 0, true },
        { WavEncoding.Ieee64, 0, false },
        { WavEncoding.ALaw, 0.016, false },
        { WavEncoding.MuLaw, 0.016, true },
    };

    [Theory]
    [MemberData(nameof(Encodings))]
    public void Read_EveryEncoding_GivesTheSamples(WavEncoding encoding, double tolerance, bool extensible)
    {
        foreach (var rate in new[] { 8000, 22050, 96000 })
        {
            foreach (var channels in new[] { 1, 2, 5 })
            {
                var samples = TestMedia.Sine(440, 0.1, rate);
                var length = samples.Length / channels;
                var audio = WavReader.Read(new WavFile
                {
                    Samples = samples[..(length * channels)],
                    SampleRate = rate,
                    Channels = channels,
                    Encoding = encoding,
                    Extensible = extensible,
                    ExtraChunk = new byte[7], // odd, so padded
                }.ToBytes());

                Assert.Equal((rate, channels, length), (audio.SampleRate, audio.ChannelCount, audio.Length));
                Assert.Equal((double)length / rate, audio.Duration.TotalSeconds, 1e-6);
                for (var channel = 0; channel < channels; channel++)
                {
                    for (var i = 0; i < length; i++)
                        Assert.Equal(samples[(i * channels) + channel], audio.Channel(channel)[i], tolerance + 1e-9);
                }
            }
        }
    }

    [Fact]
    public void Read_FullScale_IsOne()
    {
        float[] extremes = [-1, 1];
        Assert.Equal([-1, 127 / 128f], Read(extremes, WavEncoding.Pcm8));
        Assert.Equal([-1, 32767 / 32768f], Read(extremes, WavEncoding.Pcm16));
        Assert.Equal([-1, 8388607 / 8388608f], Read(extremes, WavEncoding.Pcm24));
        Assert.Equal([-1, 1], Read(extremes, WavEncoding.Pcm32));
    }

    [Fact]
    public void Read_FloatsBeyondFullScale_AreClipped() =>
        Assert.Equal([-1, 0.5f, 1], Read([-3, 0.5f, float.MaxValue], WavEncoding.Ieee32));

    [Fact]
    public void ToMono_SeveralChannels_IsTheirMean()
    {
        var audio = WavReader.Read(new WavFile { Samples = [0.5f, -0.25f, 1, 0], Channels = 2, Encoding = WavEncoding.Ieee32 }.ToBytes());
        Assert.Equal([0.125f, 0.5f], audio.ToMono());
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(uint.MaxValue)]
    [InlineData(uint.MaxValue - 36)]
    [InlineData(0x7FFFFFFFu)]
    [InlineData(100_000u)]
    public void Read_WrongSizes_GivesTheExistingSamples(uint claimed)
    {
        var file = new WavFile { Samples = Sine, ClaimedDataLength = claimed }.ToBytes();
        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(4), claimed); // the size of the file is wrong too
        Assert.Equal(Sine.Length, WavReader.Read(file).Length);
    }

    [Fact]
    public void Read_HeaderClaims4GiB_AllocatesTheExistingSamplesOnly()
    {
        var file = new WavFile { Samples = Sine, ClaimedDataLength = uint.MaxValue }.ToBytes();
        WavReader.Read(file);
        var before = GC.GetAllocatedBytesForCurrentThread();
        WavReader.Read(file);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, Sine.Length * sizeof(float), (Sine.Length * sizeof(float)) + 1000);
    }

    [Fact]
    public void ReadInfo_WrongSizes_IsThatOfTheExistingSamples()
    {
        var file = new WavFile { Samples = new float[16_000], SampleRate = 8_000, Channels = 2, ClaimedDataLength = uint.MaxValue }.ToBytes();
        Assert.Equal((TimeSpan.FromSeconds(1), 2), WavReader.ReadInfo(file));
        Assert.Equal(TimeSpan.FromSeconds(1), WavReader.Read(file).Duration);
        Assert.Throws<AudioFormatException>(() => WavReader.ReadInfo(file.AsSpan(0, 20)));
    }

    [Fact]
    public void Read_ChunkAfterTheData_IsIgnored()
    {
        byte[] file = [.. WavFile.Mono(Sine), .. "LIST"u8, 4, 0, 0, 0, .. "INFO"u8];
        Assert.Equal(Sine.Length, WavReader.Read(file).Length);
    }

    [Fact]
    public void Read_IncompleteLastFrame_DropsThatFrameOnly()
    {
        var file = new WavFile { Samples = Sine[..200], Channels = 2 }.ToBytes();
        Assert.Equal(99, WavReader.Read(file.AsSpan()[..^1]).Length);
    }

    [Fact]
    public void Read_OddChunkWithoutPadding_IsSkipped()
    {
        var file = new WavFile { Samples = Sine, ExtraChunk = [1, 2, 3] }.ToBytes().ToList();
        file.RemoveAt(36 + 8 + 3);
        Assert.Equal(Sine.Length, WavReader.Read([.. file]).Length);
    }

    [Fact]
    public void Read_Rf64_UsesItsLongSize()
    {
        var wav = WavFile.Streamed(Sine);
        var ds64 = new byte[28];
        BinaryPrimitives.WriteInt64LittleEndian(ds64.AsSpan(8), Sine.Length * 2);
        byte[] file = [.. "RF64"u8, 0xFF, 0xFF, 0xFF, 0xFF, .. "WAVE"u8, .. "ds64"u8, 28, 0, 0, 0, .. ds64, .. wav.AsSpan(12), .. "bext"u8, 0, 0, 0, 0];
        Assert.Equal(Sine.Length, WavReader.Read(file).Length);
    }

    [Fact]
    public void Read_SamplesNarrowerThanTheirContainer_GivesTheSamples()
    {
        // 24 valid bits, left-justified in 32: the format says 24 bits, its block size four bytes.
        var file = new WavFile { Samples = [0.5f, -0.25f], Encoding = WavEncoding.Pcm32 }.ToBytes();
        BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(34), 24);
        Assert.Equal([0.5f, -0.25f], WavReader.Read(file).ToMono());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(13)]
    [InlineData(16)]
    public void Read_G711WithAnyNumberOfBits_GivesTheSamples(byte bits)
    {
        foreach (var encoding in new[] { WavEncoding.ALaw, WavEncoding.MuLaw })
        {
            var file = WavFile.Mono(Sine, 8000, encoding);
            var expected = WavReader.Read(file).ToMono();
            BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(32), 2);
            BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(34), bits);
            Assert.Equal(expected, WavReader.Read(file).ToMono());
        }
    }

    [Theory]
    [InlineData(0, 22050 * 2)] // the sample rate is right, as is the byte rate
    [InlineData(1, 22050)]
    [InlineData(1, 22050 * 2)]
    [InlineData(4, 22050 * 2)]
    [InlineData(3, 22050 * 2)]
    public void Read_WrongBlockAlign_GivesTheSamples(ushort blockAlign, uint byteRate)
    {
        var file = WavFile.Mono(Sine);
        var expected = WavReader.Read(file).ToMono();
        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(28), byteRate);
        BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(32), blockAlign);
        Assert.Equal(expected, WavReader.Read(file).ToMono());
    }

    [Fact]
    public void Read_BitsAreZero_BlockAlignGivesTheWidth()
    {
        var file = WavFile.Mono(Sine);
        var expected = WavReader.Read(file).ToMono();
        BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(34), 0);
        Assert.Equal(expected, WavReader.Read(file).ToMono());
    }

    [Fact]
    public void Read_Bw64_GivesTheSamples() =>
        Assert.Equal(Sine.Length, WavReader.Read([.. "BW64"u8, .. WavFile.Mono(Sine).AsSpan(4)]).Length);

    [Fact]
    public void CanRead_OtherCodec_IsFalse()
    {
        Assert.True(WavReader.CanRead(WavFile.Mono(Sine)));
        Assert.True(WavReader.CanRead(WavFile.Mono(Sine, 8000, WavEncoding.MuLaw)));
        Assert.True(WavReader.CanRead(new WavFile { Samples = Sine, Extensible = true, ExtraChunk = [1, 2, 3] }.ToBytes()));
        Assert.True(WavReader.CanRead(WavFile.Mono(Sine).AsSpan(0, 30))); // truncated: for its error
        Assert.False(WavReader.CanRead(Patched(20, 0x11, 0))); // IMA ADPCM
        Assert.False(WavReader.CanRead("fLaC"u8));
    }

    public static TheoryData<string, byte[]> Unusable => new()
    {
        { "must not be empty", [] },
        { "must be a WAV file", "Dear Sir or Madam, this is a letter."u8.ToArray() },
        { "must be a WAV file", "RIFF    AVI LIST"u8.ToArray() },
        { "must be a WAV file", "RIFF"u8.ToArray() },
        { "must have a complete WAV header", WavFile.Mono(Sine)[..12] },
        { "must have a complete WAV header", WavFile.Mono(Sine)[..30] },
        { "must have a complete WAV header", WavFile.Mono(Sine)[..40] },
        { "must have a complete WAV header", Patched(16, 14) },
        { "must have its format before its data", [.. "RIFF"u8, 0, 0, 0, 0, .. "WAVE"u8, .. "data"u8, 2, 0, 0, 0, 0, 0] },
        { "must have samples", WavFile.Mono([]) },
        { "must have samples", WavFile.Mono(Sine)[..(DataStart + 1)] },
        { "must have samples", [.. "RIFF"u8, 36 + 12, 0, 0, 0, .. WavFile.Mono([]).AsSpan(8), .. "LIST"u8, 4, 0, 0, 0, .. "INFO"u8] },
        { "must have a sample rate of 4000 to 192000 Hz; it has 0", Patched(24, 0, 0, 0, 0) },
        { "must have a sample rate of 4000 to 192000 Hz; it has 4294967295", Patched(24, 255, 255, 255, 255) },
        { "must have at least one channel", Patched(22, 0, 0) },
        // BitsPerSample 16, BlockAlign 6 and a ByteRate that agrees with neither.
        { "must have a consistent WAV header: BitsPerSample 16 and BlockAlign 6 contradict each other", Patched(28, 1, 0, 0, 0, 6, 0) },
        { "must have a consistent WAV header: BitsPerSample 8 and BlockAlign 2 contradict each other", Patched(34, 8, 0) },
        { "must have a consistent WAV header: BitsPerSample 0 and BlockAlign 0 contradict each other", Patched(32, 0, 0, 0, 0) },
        { "must have a consistent WAV header: FormatTag 1 (PCM) and BitsPerSample 64 contradict each other", Patched(34, 64, 0) },
        { "must have a consistent WAV header: FormatTag 3 (float) and BitsPerSample 16 contradict each other", Patched(20, 3, 0) },
        { "must have PCM, float, A-law or µ-law samples", Patched(20, 0x11, 0) }, // IMA ADPCM
        { "must have finite samples", WavFile.Mono([0, float.NaN], encoding: WavEncoding.Ieee32) },
        { "must have finite samples", WavFile.Mono([0, float.NegativeInfinity], encoding: WavEncoding.Ieee64) },
    };

    [Theory]
    [MemberData(nameof(Unusable), DisableDiscoveryEnumeration = true)]
    public void Read_UnusableFile_ThrowsWithAnExpectation(string message, byte[] file) =>
        Assert.Equal(message, Assert.Throws<AudioFormatException>(() => WavReader.Read(file)).Message);

    [Fact]
    public void Read_DamagedHeader_ReadsOrThrowsAudioFormatException()
    {
        var random = new Random(3);
        var whole = new WavFile { Samples = Sine, Channels = 2, Extensible = true, ExtraChunk = [1, 2, 3] }.ToBytes();
        for (var i = 0; i < 20_000; i++)
        {
            var file = whole[..random.Next(whole.Length)];
            for (var damage = random.Next(4); damage > 0 && file.Length > 0; damage--)
                file[random.Next(Math.Min(file.Length, 100))] = (byte)random.Next(256);
            try
            {
                Assert.All(WavReader.Read(file).ToMono(), sample => Assert.InRange(sample, -1, 1));
            }
            catch (AudioFormatException)
            {
            }
        }
    }

    [Fact]
    public void IsWav_FirstTwelveBytes_Suffice()
    {
        Assert.True(WavReader.IsWav(WavFile.Mono(Sine).AsSpan()[..12]));
        Assert.False(WavReader.IsWav(WavFile.Mono(Sine).AsSpan()[..11]));
        Assert.False(WavReader.IsWav("OggS"u8));
    }

    private static float[] Read(float[] samples, WavEncoding encoding) =>
        WavReader.Read(WavFile.Mono(samples, encoding: encoding)).ToMono();

    /// <summary>A PCM file with some bytes of its header overwritten.</summary>
    private static byte[] Patched(int offset, params byte[] bytes)
    {
        var file = WavFile.Mono(Sine);
        bytes.CopyTo(file, offset);
        return file;
    }
}
