using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Affect.Audio;
using Affect.Features;
using Affect.Features.Audio;
using Affect.Testing;
using Microsoft.Extensions.Options;

namespace Affect.UnitTests.Features;

/// <summary>Every container and codec in the tables of services/features/README.md.</summary>
public sealed class AudioFormatsTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static float[] Speech { get; } = WavReader.Read(TestMedia.Speech()).ToMono();

    public static TheoryData<string> Names => [.. AudioFile.All.Select(file => file.Name)];

    /// <summary>Tables of the README: the lines of that with the header, without the header.</summary>
    internal static List<string[]> Table(string header, [CallerFilePath] string path = "")
    {
        var readme = Path.Combine(Path.GetDirectoryName(path)!, "../../../services/features/README.md");
        return [.. File.ReadLines(readme)
            .SkipWhile(line => !line.StartsWith(header))
            .Skip(2)
            .TakeWhile(line => line.StartsWith('|'))
            .Select(line => line.Trim('|').Split('|').Select(cell => cell.Trim()).ToArray())];
    }

    private static List<string[]> Formats => Table("| container | codec |");

    [Fact]
    public void Table_Rows_AreTheTestedFormats() =>
        Assert.Equal(AudioFile.All.Select(file => file.Name), Formats.Select(row => $"{row[0]}, {row[1]}"));

    [Fact]
    public void Table_Costs_AreWithinTheLimits() => Assert.All(Formats, row =>
    {
        var cost = Regex.Match(row[3], @"^\d+\.\d MB, (\d+\.\d) s, (\d+) MiB$");
        Assert.True(cost.Success, row[3]);
        Assert.InRange(double.Parse(cost.Groups[1].ValueSpan, CultureInfo.InvariantCulture), 0, 10);
        Assert.InRange(int.Parse(cost.Groups[2].ValueSpan, CultureInfo.InvariantCulture), 1, 300);
    });

    [Theory]
    [MemberData(nameof(Names))]
    public async Task DecodeAsync_EveryRow_IsDecodedAsTheTableSays(string name)
    {
        Assert.SkipUnless(AudioFile.HasFfmpeg, "ffmpeg is not installed");
        var format = AudioFile.All.Single(file => file.Name == name);
        var row = Formats.Single(row => $"{row[0]}, {row[1]}" == name);
        var file = format.Create(TestMedia.FixturePath("golden/speech.wav"));

        // The demuxer of ffmpeg, or our own reader, which needs no ffmpeg.
        var container = AudioContainer.Identify(file, out _);
        Assert.Equal(row[2], WavReader.CanRead(file) || container == AudioContainer.BigEndianWav ? "WavReader" : $"`{container?.Demuxer}`");

        var (audio, track) = await Decoder(row[2] == "WavReader" ? "/nowhere" : "ffmpeg").DecodeAsync(file, Cancellation);
        Assert.Equal(new AudioTrack(0, 1), track);
        Assert.Equal(1, audio.ChannelCount);
        Assert.Equal(Speech.Length / 22050.0, audio.Duration.TotalSeconds, 0.15); // encoders pad
        var samples = Resampler.Resample(audio.ToMono(), audio.SampleRate, 22050);
        if (format.IsLossless)
        {
            Assert.Equal(Speech.Length, samples.Length);
            for (var i = 0; i < samples.Length; i++)
                Assert.Equal(Speech[i], samples[i], 1.01f / 32768);
        }
        else if (format.HasSound)
        {
            Assert.Equal(1, Rms(samples) / Rms(Speech), 0.15);
        }
    }

    /// <summary>Tags and bytes before the first frame, as downloads and recorders have them.</summary>
    public static TheoryData<string> Prefixes => [.. Prefixed.Keys];

    private static Dictionary<string, byte[]> Prefixed { get; } = new()
    {
        ["ID3"] = [.. "ID3"u8, 4, 0, 0, 0, 0, 1, 2, .. new byte[130]],
        ["two ID3"] = [.. "ID3"u8, 4, 0, 0, 0, 0, 0, 10, .. new byte[10], .. "ID3"u8, 3, 0, 0, 0, 0, 0, 10, .. new byte[10]],
        ["ID3 with a wrong length"] = [.. "ID3"u8, 4, 0, 0, 0x7F, 0x7F, 0x7F, 0x7F, .. new byte[20]],
        ["APE tag"] = [.. "APETAGEX"u8, 0xD0, 7, 0, 0, 50, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xA0, .. new byte[8 + 50]],
        ["zeros"] = new byte[4096],
        ["CRLF"] = "\r\n\r\n"u8.ToArray(),
        ["zeros, ID3, zeros"] = [.. new byte[100], .. "ID3"u8, 4, 0, 0, 0, 0, 0, 10, .. new byte[10], .. new byte[50]],
    };

    [Theory]
    [MemberData(nameof(Prefixes))]
    public async Task DecodeAsync_BytesBeforeTheAudio_AreSkipped(string prefix)
    {
        Assert.SkipUnless(AudioFile.HasFfmpeg, "ffmpeg is not installed");
        foreach (var name in new[] { "FLAC, FLAC", "MP3, layer III", "AAC, ADTS", "WAV, PCM", "WavPack, WavPack" })
        {
            var file = AudioFile.All.Single(file => file.Name == name).Create(TestMedia.FixturePath("golden/speech.wav"));
            var (audio, _) = await Decoder().DecodeAsync((byte[])[.. Prefixed[prefix], .. file], Cancellation);
            Assert.Equal(Speech.Length / 22050.0, audio.Duration.TotalSeconds, 0.15);
        }
    }

    [Theory]
    [InlineData("MP3, layer III")]
    [InlineData("AAC, ADTS")]
    [InlineData("AC-3, AC-3")]
    public async Task DecodeAsync_StreamCutWithinAFrame_StartsWithTheNextFrame(string name)
    {
        Assert.SkipUnless(AudioFile.HasFfmpeg, "ffmpeg is not installed");
        var file = AudioFile.All.Single(file => file.Name == name).Create(TestMedia.FixturePath("golden/speech.wav"));
        var (audio, _) = await Decoder().DecodeAsync(file.AsMemory(5000), Cancellation);
        Assert.InRange(audio.Duration.TotalSeconds, 2.5, 4.2);
    }

    /// <summary>Bytes of each row of the table of refused formats.</summary>
    private static Dictionary<string, byte[]> Refused { get; } = new()
    {
        ["playlists and manifests"] = "#EXTM3U\nhttp://127.0.0.1/a.ts"u8.ToArray(),
        ["headerless PCM, G.711, G.722, G.729"] = [.. Enumerable.Range(0, 8000).Select(i => (byte)(i * 7919 >> 3))],
        ["raw AAC in WAV"] =
        [
            .. "RIFF"u8, 0, 0, 0, 0, .. "WAVEfmt "u8, 20, 0, 0, 0, 0xFF, 0, 1, 0, 0x22, 0x56, 0, 0, 0, 0x20, 0, 0, 0, 3, 16, 0, 2, 0, 0x13, 0x88,
            .. "data"u8, 0x88, 0x13, 0, 0, .. Enumerable.Range(0, 5000).Select(i => (byte)(i * 7919 >> 3)),
        ],
        ["MIDI, trackers"] = [.. "MThd"u8, 0, 0, 0, 6, 0, 1, 0, 2, 0, 96, .. "MTrk"u8, .. new byte[100]],
        ["RealAudio, DSS, AMR with several channels"] = [.. ".RMF"u8, 0, 0, 0, 18, .. new byte[100]],
        ["Monkey's Audio, Musepack, MXF, NUT"] = [.. "MAC "u8, 0x96, 0x0F, .. new byte[100]],
        ["pictures, text, archives"] = [.. "PK\x03\x04"u8, .. new byte[100]],
    };

    [Fact]
    public async Task DecodeAsync_RefusedRows_AreRejected()
    {
        Assert.SkipUnless(AudioFile.HasFfmpeg, "ffmpeg is not installed");
        var rows = Table("| refused | why |");
        Assert.Equal(Refused.Keys, rows.Select(row => row[0]));
        foreach (var file in Refused.Values)
        {
            var rejection = await Assert.ThrowsAsync<AudioFormatException>(() => Decoder().DecodeAsync(file, Cancellation));
            Assert.StartsWith(
                file == Refused["raw AAC in WAV"] ? "must be WAV (format tag 0x00FF) with audio that can be decoded" : "must be audio in a supported container",
                rejection.Message);
        }
    }

    [Fact]
    public async Task DecodeAsync_RifxOfAnotherCodec_IsRejected()
    {
        var file = AudioFile.All.Single(file => file.Container == "RIFX").Create(TestMedia.FixturePath("golden/speech.wav"));
        file[21] = 2; // MS ADPCM
        var rejection = await Assert.ThrowsAsync<AudioFormatException>(() => Decoder().DecodeAsync(file, Cancellation));
        Assert.Equal("must be RIFX with PCM, float or G.711: save it as RIFF", rejection.Message);
    }

    [Theory]
    [InlineData(WavEncoding.Ieee32, false)]
    [InlineData(WavEncoding.Pcm24, true)]
    [InlineData(WavEncoding.MuLaw, false)]
    public async Task DecodeAsync_Rifx_HasTheSamplesOfRiff(WavEncoding encoding, bool extensible)
    {
        var riff = new WavFile
        {
            Samples = TestMedia.Sine(440, 0.1, 8000),
            SampleRate = 8000,
            Channels = 2,
            Encoding = encoding,
            Extensible = extensible,
        }.ToBytes();
        var (actual, _) = await Decoder().DecodeAsync(AudioFile.Rifx(riff), Cancellation);
        var (expected, _) = await Decoder().DecodeAsync(riff, Cancellation);
        Assert.Equal(expected.ToMono(), actual.ToMono());
    }

    [Fact]
    public async Task DecodeAsync_AmrWithoutSpeechFrames_IsRejectedByName()
    {
        Assert.SkipUnless(AudioFile.HasFfmpeg, "ffmpeg is not installed");
        byte[] file = [.. "#!AMR\n"u8, .. Enumerable.Repeat((byte)0x7C, 100)]; // frames that say "no data"
        var rejection = await Assert.ThrowsAsync<AudioFormatException>(() => Decoder().DecodeAsync(file, Cancellation));
        Assert.Equal("must be AMR with audio that can be decoded", rejection.Message);
        rejection = await Assert.ThrowsAsync<AudioFormatException>(() => Decoder().DecodeAsync(file.AsMemory(0, 6), Cancellation));
        Assert.Equal("must be AMR with audio that can be decoded", rejection.Message);
    }

    private static double Rms(float[] samples) => Math.Sqrt(samples.Average(sample => (double)sample * sample));

    private static AudioDecoder Decoder(string ffmpeg = "ffmpeg")
    {
        var options = Options.Create(new FeaturesOptions { FfmpegPath = ffmpeg });
        return new AudioDecoder(new Ffmpeg(options, TimeProvider.System), options);
    }
}
