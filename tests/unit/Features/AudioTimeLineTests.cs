using Affect.Audio;
using Affect.Features;
using Affect.Features.Audio;
using Affect.Testing;
using Microsoft.Extensions.Options;

namespace Affect.UnitTests.Features;

/// <summary>The time line and the tracks of containers.</summary>
public sealed class AudioTimeLineTests
{
    private const double Speech = 4.2137; // seconds

    private static readonly string Wav = TestMedia.FixturePath("golden/speech.wav");

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static TheoryData<string, string> Containers => new()
    {
        { "webm", "libopus" },
        { "mkv", "pcm_s16le" },
        { "mp4", "aac" },
        { "mov", "pcm_s16le" },
    };

    [Theory]
    [MemberData(nameof(Containers))]
    public async Task DecodeAsync_LateStart_StartsWithSilence(string extension, string codec)
    {
        SkipWithoutFfmpeg();
        var file = AudioFile.RunFfmpeg(extension, "-itsoffset", "5", "-i", Wav, "-c:a", codec);
        var (audio, _) = await Decoder().DecodeAsync(file, Cancellation);
        Assert.Equal(5 + Speech, audio.Duration.TotalSeconds, 0.15);
        AssertSilent(audio, 0, 4.9);
        AssertSound(audio, 5, 9);
    }

    [Theory]
    [InlineData("ts", "aac")]
    [InlineData("flv", "aac")]
    [InlineData("wma", "wmav2")]
    public async Task DecodeAsync_AudioLaterThanVideo_StartsWithSilence(string extension, string codec)
    {
        SkipWithoutFfmpeg();
        var file = AudioFile.RunFfmpeg(
            extension, "-f", "lavfi", "-i", "color=size=64x64:rate=10:duration=10", "-itsoffset", "5", "-i", Wav, "-c:a", codec);
        var (audio, _) = await Decoder().DecodeAsync(file, Cancellation);
        Assert.Equal(5 + Speech, audio.Duration.TotalSeconds, 0.3);
        AssertSilent(audio, 0, 4.7);
        AssertSound(audio, 5.2, 9);
    }

    [Theory]
    [InlineData("webm", "libopus")]
    [InlineData("mkv", "pcm_s16le")]
    [InlineData("wma", "wmav2")]
    [InlineData("ts", "aac")]
    [InlineData("flv", "aac")]
    public async Task DecodeAsync_GapOf30Seconds_IsSilence(string extension, string codec)
    {
        SkipWithoutFfmpeg();
        // Timestamps jump by 30 s after 2 s.
        var file = AudioFile.RunFfmpeg(extension, "-i", Wav, "-af", "asetpts=PTS+gte(T\\,2)*30/TB", "-c:a", codec);
        var (audio, _) = await Decoder().DecodeAsync(file, Cancellation);
        Assert.Equal(30 + Speech, audio.Duration.TotalSeconds, 0.3);
        AssertSound(audio, 0, 2);
        AssertSilent(audio, 3, 31);
        AssertSound(audio, 32.5, 34);
    }

    [Fact]
    public async Task DecodeAsync_GapBeyondTheMaximumDuration_IsRejected()
    {
        SkipWithoutFfmpeg();
        var file = AudioFile.RunFfmpeg("mkv", "-i", Wav, "-af", "asetpts=PTS+gte(T\\,2)*100000/TB", "-c:a", "pcm_s16le");
        var rejection = await Assert.ThrowsAsync<AudioFormatException>(() => Decoder().DecodeAsync(file, Cancellation));
        Assert.Equal("must be at most 10 minutes long", rejection.Message);
    }

    [Fact]
    public async Task DecodeAsync_TimestampsThatStartAgain_KeepAllAudio()
    {
        SkipWithoutFfmpeg();
        var part = AudioFile.RunFfmpeg("ogg", "-i", Wav, "-c:a", "libvorbis");
        var (audio, _) = await Decoder().DecodeAsync((byte[])[.. part, .. part], Cancellation); // chained, RFC 3533
        Assert.Equal(2 * Speech, audio.Duration.TotalSeconds, 0.2);
    }

    [Theory]
    [InlineData("m4a", 0)]
    [InlineData("m4a", 1)]
    [InlineData("mkv", 0)]
    [InlineData("mkv", 1)]
    public async Task DecodeAsync_TwoTracks_DecodesTheDefaultOne(string extension, int index)
    {
        SkipWithoutFfmpeg();
        string[] order = index == 0 ? ["-map", "1", "-map", "0"] : ["-map", "0", "-map", "1"];
        var file = AudioFile.RunFfmpeg(
            extension, ["-f", "lavfi", "-i", "anullsrc=r=22050:cl=mono:d=4", "-i", Wav, .. order, "-c:a", "aac",
                "-disposition:a:0", index == 0 ? "default" : "0", "-disposition:a:1", index == 1 ? "default" : "0"]);
        var (audio, track) = await Decoder().DecodeAsync(file, Cancellation);
        Assert.Equal(new AudioTrack(index, 2), track);
        AssertSound(audio, 0, 4);
    }

    [Fact]
    public async Task DecodeAsync_NineChannels_IsRejected()
    {
        SkipWithoutFfmpeg();
        var channels = new float[9 * 1000];
        foreach (var file in new[]
                 {
                     new WavFile { Samples = channels, Channels = 9 }.ToBytes(),
                     AudioFile.RunFfmpeg("mkv", "-f", "lavfi", "-i", "anullsrc=r=8000:cl=hexadecagonal:d=1", "-c:a", "pcm_s16le"),
                 })
        {
            var rejection = await Assert.ThrowsAsync<AudioFormatException>(() => Decoder().DecodeAsync(file, Cancellation));
            Assert.StartsWith("must have at most 8 channels; it has ", rejection.Message);
        }
    }

    [Fact]
    public async Task DecodeAsync_ManyChannels_AreBoundedTogether()
    {
        SkipWithoutFfmpeg();
        var options = new FeaturesOptions { MaxAudioDuration = TimeSpan.FromMinutes(1) };
        var file = AudioFile.RunFfmpeg("flac", "-f", "lavfi", "-i", "anullsrc=r=24000:cl=7.1:d=20");
        var rejection = await Assert.ThrowsAsync<AudioFormatException>(() => Decoder(options).DecodeAsync(file, Cancellation));
        Assert.Equal("must be at most 0.3 minutes long with 8 channels", rejection.Message);
        var (audio, _) = await Decoder(options).DecodeAsync(AudioFile.RunFfmpeg("flac", "-f", "lavfi", "-i", "anullsrc=r=24000:cl=7.1:d=14"), Cancellation);
        Assert.Equal(8, audio.ChannelCount);
    }

    [Fact]
    public async Task DecodeAsync_MaximumDurationWithPadding_IsCut()
    {
        SkipWithoutFfmpeg();
        var options = new FeaturesOptions { MaxAudioDuration = TimeSpan.FromSeconds(10) };
        var (audio, _) = await Decoder(options).DecodeAsync(
            AudioFile.RunFfmpeg("mp3", "-f", "lavfi", "-i", "sine=duration=10:sample_rate=8000", "-write_xing", "0"), Cancellation);
        Assert.Equal(TimeSpan.FromSeconds(10), audio.Duration);
    }

    private static void AssertSilent(AudioBuffer audio, double from, double to) =>
        Assert.True(Peak(audio, from, to) < 0.01, $"there is sound between {from} and {to} s");

    private static void AssertSound(AudioBuffer audio, double from, double to) =>
        Assert.True(Peak(audio, from, to) > 0.05, $"there is no sound between {from} and {to} s");

    private static float Peak(AudioBuffer audio, double from, double to)
    {
        var peak = 0f;
        foreach (var sample in audio.Channel(0)[(int)(from * audio.SampleRate)..(int)(to * audio.SampleRate)])
            peak = Math.Max(peak, Math.Abs(sample));
        return peak;
    }

    private static void SkipWithoutFfmpeg() => Assert.SkipUnless(AudioFile.HasFfmpeg, "ffmpeg is not installed");

    private static AudioDecoder Decoder(FeaturesOptions? options = null)
    {
        var fixedOptions = Options.Create(options ?? new FeaturesOptions());
        return new AudioDecoder(new Ffmpeg(fixedOptions, TimeProvider.System), fixedOptions);
    }
}
