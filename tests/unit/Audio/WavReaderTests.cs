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
    public void Every_encoding_is_read(WavEncoding encoding, double tolerance, bool extensible)
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
    public void Full_scale_is_one()
    {
        float[] extremes = [-1, 1];
        Assert.Equal([-1, 127 / 128f], Read(extremes, WavEncoding.Pcm8));
        Assert.Equal([-1, 32767 / 32768f], Read(extremes, WavEncoding.Pcm16));
        Assert.Equal([-1, 8388607 / 8388608f], Read(extremes, WavEncoding.Pcm24));
        Assert.Equal([-1, 1], Read(extremes, WavEncoding.Pcm32));
    }

    [Fact]
    public void Float_samples_beyond_full_scale_are_clipped() =>
        Assert.Equal([-1, 0.5f, 1], Read([-3, 0.5f, float.MaxValue], WavEncoding.Ieee32));

    [Fact]
    public void Mono_is_the_mean_of_the_channels()
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
    public void Wrong_sizes_are_read_as_far_as_there_is_sound(uint claimed)
    {
        var file = new WavFile { Samples = Sine, ClaimedDataLength = claimed }.ToBytes();
        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(4), claimed); // the size of the whole is as wrong
        Assert.Equal(Sine.Length, WavReader.Read(file).Length);
    }

    [Fact]
    public void A_header_that_claims_4_GiB_allocates_what_is_there()
    {
        var file = new WavFile { Samples = Sine, ClaimedDataLength = uint.MaxValue }.ToBytes();
        WavReader.Read(file);
        var before = GC.GetAllocatedBytesForCurrentThread();
        WavReader.Read(file);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, Sine.Length * sizeof(float), (Sine.Length * sizeof(float)) + 1000);
    }

    [Fact]
    public void The_duration_is_that_of_the_sound_that_is_there()
    {
        var file = new WavFile { Samples = new float[16_000], SampleRate = 8_000, Channels = 2, ClaimedDataLength = uint.MaxValue }.ToBytes();
        Assert.Equal(TimeSpan.FromSeconds(1), WavReader.ReadDuration(file));
        Assert.Equal(TimeSpan.FromSeconds(1), WavReader.Read(file).Duration);
        Assert.Throws<AudioFormatException>(() => WavReader.ReadDuration(file.AsSpan(0, 20)));
    }

    [Fact]
    public void What_follows_the_data_is_not_sound()
    {
        byte[] file = [.. WavFile.Mono(Sine), .. "LIST"u8, 4, 0, 0, 0, .. "INFO"u8];
        Assert.Equal(Sine.Length, WavReader.Read(file).Length);
    }

    [Fact]
    public void Data_cut_within_a_frame_lose_only_that_frame()
    {
        var file = new WavFile { Samples = Sine[..200], Channels = 2 }.ToBytes();
        Assert.Equal(99, WavReader.Read(file.AsSpan()[..^1]).Length);
    }

    [Fact]
    public void A_chunk_whose_writer_forgot_the_padding_is_passed_over()
    {
        var file = new WavFile { Samples = Sine, ExtraChunk = [1, 2, 3] }.ToBytes().ToList();
        file.RemoveAt(36 + 8 + 3);
        Assert.Equal(Sine.Length, WavReader.Read([.. file]).Length);
    }

    [Fact]
    public void Rf64_is_read_by_its_long_size()
    {
        var wav = WavFile.Streamed(Sine);
        var ds64 = new byte[28];
        BinaryPrimitives.WriteInt64LittleEndian(ds64.AsSpan(8), Sine.Length * 2);
        byte[] file = [.. "RF64"u8, 0xFF, 0xFF, 0xFF, 0xFF, .. "WAVE"u8, .. "ds64"u8, 28, 0, 0, 0, .. ds64, .. wav.AsSpan(12), .. "bext"u8, 0, 0, 0, 0];
        Assert.Equal(Sine.Length, WavReader.Read(file).Length);
    }

    [Fact]
    public void Samples_may_be_narrower_than_their_container()
    {
        // 24 valid bits, left-justified in 32: the format says 24 bits, its block size four bytes.
        var file = new WavFile { Samples = [0.5f, -0.25f], Encoding = WavEncoding.Pcm32 }.ToBytes();
        BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(34), 24);
        Assert.Equal([0.5f, -0.25f], WavReader.Read(file).ToMono());
    }

    public static TheoryData<string, byte[]> Unusable => new()
    {
        { "The file is empty.", [] },
        { "The file is not a WAV file.", "Dear Sir or Madam, this is a letter."u8.ToArray() },
        { "The file is not a WAV file.", "RIFF    AVI LIST"u8.ToArray() },
        { "The file is not a WAV file.", "RIFF"u8.ToArray() },
        { "The WAV header is cut off.", WavFile.Mono(Sine)[..12] },
        { "The WAV header is cut off.", WavFile.Mono(Sine)[..30] },
        { "The WAV header is cut off.", WavFile.Mono(Sine)[..40] },
        { "The WAV header is cut off.", Patched(16, 14) },
        { "The WAV header has no format before its data.", [.. "RIFF"u8, 0, 0, 0, 0, .. "WAVE"u8, .. "data"u8, 2, 0, 0, 0, 0, 0] },
        { "The WAV file has no samples.", WavFile.Mono([]) },
        { "The WAV file has no samples.", WavFile.Mono(Sine)[..(DataStart + 1)] },
        { "The WAV file has no samples.", [.. "RIFF"u8, 36 + 12, 0, 0, 0, .. WavFile.Mono([]).AsSpan(8), .. "LIST"u8, 4, 0, 0, 0, .. "INFO"u8] },
        { "The sample rate must be between 4000 and 192000 Hz; the WAV header says 0.", Patched(24, 0, 0, 0, 0) },
        { "The sample rate must be between 4000 and 192000 Hz; the WAV header says 4294967295.", Patched(24, 255, 255, 255, 255) },
        { "The WAV header says that there are no channels.", Patched(22, 0, 0) },
        { "The WAV header contradicts itself.", Patched(32, 1, 0) },
        { "The WAV header contradicts itself.", Patched(34, 0, 0) },
        { "The WAV file's sample format is not supported.", Patched(20, 0x11, 0) }, // IMA ADPCM
        { "The WAV file's sample format is not supported.", Patched(20, 3, 0) },    // float of 16 bits
        { "The WAV file's samples must be finite.", WavFile.Mono([0, float.NaN], encoding: WavEncoding.Ieee32) },
        { "The WAV file's samples must be finite.", WavFile.Mono([0, float.NegativeInfinity], encoding: WavEncoding.Ieee64) },
    };

    [Theory]
    [MemberData(nameof(Unusable), DisableDiscoveryEnumeration = true)]
    public void What_cannot_be_used_is_refused_in_one_sentence(string message, byte[] file) =>
        Assert.Equal(message, Assert.Throws<AudioFormatException>(() => WavReader.Read(file)).Message);

    [Fact]
    public void No_damage_to_a_header_causes_anything_but_a_refusal()
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
    public void A_wav_file_is_told_by_its_first_twelve_bytes()
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
