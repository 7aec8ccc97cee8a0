using System.Diagnostics;
using Affect.Audio;
using Affect.Features;
using Affect.Features.Audio;
using Affect.Testing;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;

namespace Affect.UnitTests.Features;

public sealed class AudioDecoderTests
{
    private const int Rate = FeatureExtractor.SampleRate;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static float[] Speech { get; } = WavReader.Read(TestMedia.Speech()).ToMono();

    /// <summary>One channel at 22,050 Hz.</summary>
    private static async Task<float[]> SamplesAsync(AudioDecoder decoder, ReadOnlyMemory<byte> file)
    {
        var (audio, _) = await decoder.DecodeAsync(file, Cancellation);
        return Resampler.Resample(audio.ToMono(), audio.SampleRate, Rate);
    }

    [Fact]
    public async Task DecodeAsync_WavOfAnyRate_GivesTheSamples()
    {
        Assert.Equal(Speech, await SamplesAsync(Decoder(), TestMedia.Speech()));
        var call = await SamplesAsync(Decoder(), WavFile.Mono(TestMedia.Sine(440, 1, 8000), 8000, WavEncoding.MuLaw));
        Assert.Equal(Rate, call.Length);
        Assert.Equal(0.5 / Math.Sqrt(2), Rms(call), 0.01);
    }

    [Theory]
    [InlineData("flac")]
    [InlineData("aiff")]
    public async Task DecodeAsync_LosslessContainer_IsExact(string extension)
    {
        SkipWithoutFfmpeg();
        var samples = await SamplesAsync(Decoder(), AudioFile.RunFfmpeg(extension, "-i", TestMedia.FixturePath("golden/speech.wav")));
        Assert.Equal(Speech.Length, samples.Length);
        for (var i = 0; i < samples.Length; i++)
            Assert.Equal(Speech[i], samples[i], 1.01f / 32768);
    }

    [Theory]
    [InlineData("mp3")]
    [InlineData("ogg", "-c:a", "libvorbis")]
    [InlineData("opus", "-c:a", "libopus")]
    [InlineData("webm", "-c:a", "libopus")]
    [InlineData("mkv", "-c:a", "aac")]
    [InlineData("m4a", "-movflags", "+faststart")]
    [InlineData("m4a")] // the index after the data, as recorders write it
    [InlineData("mp4", "-movflags", "frag_keyframe+empty_moov")]
    public async Task DecodeAsync_LossyContainer_KeepsDurationAndLevel(string extension, params string[] options)
    {
        SkipWithoutFfmpeg();
        var samples = await SamplesAsync(Decoder(), AudioFile.RunFfmpeg(extension, ["-i", TestMedia.FixturePath("golden/speech.wav"), .. options]));
        Assert.Equal(Speech.Length / (double)Rate, samples.Length / (double)Rate, 0.15); // encoders pad
        Assert.Equal(1, Rms(samples) / Rms(Speech), 0.1);
    }

    [Fact]
    public async Task DecodeAsync_HighRateAndStereo_KeepsChannelsAtALowerRate()
    {
        SkipWithoutFfmpeg();
        var file = AudioFile.RunFfmpeg("flac", "-f", "lavfi", "-i", "sine=1000:sample_rate=96000:duration=1,volume=4", "-ac", "2", "-sample_fmt", "s32");
        var (audio, _) = await Decoder().DecodeAsync(file, Cancellation);
        Assert.Equal((2, 24_000), (audio.ChannelCount, audio.SampleRate));
        Assert.Equal(24_000, audio.Length, 2.0);
        Assert.Equal(0.25, Rms(audio.ToMono()[1000..^1000]), 0.005); // an eighth of full scale, times 4, spread over two channels by equal power
    }

    [Theory]
    [InlineData("flac")]
    [InlineData("mp3")]
    [InlineData("ogg")]
    [InlineData("aiff")]
    public async Task DecodeAsync_TruncatedFile_DecodesTheExistingPart(string extension)
    {
        SkipWithoutFfmpeg();
        var file = AudioFile.RunFfmpeg(extension, "-i", TestMedia.FixturePath("golden/speech.wav"));
        var samples = await SamplesAsync(Decoder(), file.AsMemory(0, file.Length / 2));
        Assert.InRange(samples.Length / (double)Speech.Length, 0.2, 0.8);
    }

    [Fact]
    public async Task DecodeAsync_VideoWithoutAudio_IsRejected()
    {
        SkipWithoutFfmpeg();
        var file = AudioFile.RunFfmpeg("mp4", "-f", "lavfi", "-i", "testsrc=duration=1:size=64x64", "-c:v", "mpeg4");
        var rejection = await Assert.ThrowsAsync<AudioFormatException>(() => Decoder().DecodeAsync(file, Cancellation));
        Assert.Contains("MP4", rejection.Message);
    }

    [Theory]
    [InlineData("fLaC")]
    [InlineData("OggS")]
    [InlineData("ID3")]
    [InlineData("\u001AEß£")]
    [InlineData("\0\0\0\u0020ftypM4A ")]
    [InlineData("FORM\0\0\u0010\0AIFF")]
    public async Task DecodeAsync_GarbageAfterMagicBytes_IsRejected(string magic)
    {
        SkipWithoutFfmpeg();
        var garbage = new byte[100_000];
        new Random(1).NextBytes(garbage);
        byte[] file = [.. System.Text.Encoding.Latin1.GetBytes(magic), .. garbage];
        await Assert.ThrowsAsync<AudioFormatException>(() => Decoder().DecodeAsync(file, Cancellation));
    }

    [Fact]
    public async Task DecodeAsync_OtherFiles_AreRejected()
    {
        byte[][] files = [[], "plain text, called .wav"u8.ToArray(), TestMedia.Png(64, 64), new byte[100_000], TestMedia.Speech()[..30]];
        foreach (var file in files)
            await Assert.ThrowsAsync<AudioFormatException>(() => Decoder().DecodeAsync(file, Cancellation));
    }

    [Fact]
    public async Task DecodeAsync_TooLongWav_IsRejectedBeforeDecoding()
    {
        var file = new WavFile { Samples = new float[30 * 60 * 8000], SampleRate = 8000, Encoding = WavEncoding.MuLaw }.ToBytes();
        var before = GC.GetAllocatedBytesForCurrentThread();
        var rejection = await Assert.ThrowsAsync<AudioFormatException>(() => Decoder().DecodeAsync(file, Cancellation));
        Assert.Contains("10 minutes", rejection.Message);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1_000_000);
    }

    [Fact]
    public async Task DecodeAsync_TooLongContainer_IsRejected()
    {
        SkipWithoutFfmpeg();
        var decoder = Decoder(new FeaturesOptions { MaxAudioDuration = TimeSpan.FromSeconds(10) });
        var file = AudioFile.RunFfmpeg("flac", "-f", "lavfi", "-i", "sine=duration=30:sample_rate=8000");
        await Assert.ThrowsAsync<AudioFormatException>(() => decoder.DecodeAsync(file, Cancellation));
    }

    [Fact]
    public async Task DecodeAsync_FfmpegMissing_DecodesWavOnly()
    {
        var decoder = Decoder(new FeaturesOptions { FfmpegPath = "/nowhere/ffmpeg" });
        await Assert.ThrowsAsync<DecoderMissingException>(() => decoder.DecodeAsync("fLaC and more"u8.ToArray(), Cancellation));
        Assert.Equal(Speech, await SamplesAsync(decoder, TestMedia.Speech()));
    }

    [Fact]
    public async Task DecodeAsync_IdleFfmpegTimesOut_IsBusyAndKillsIt()
    {
        using var program = new Program("echo $$ > \"$0.pid\"\nexec sleep 600");
        var time = new FakeTimeProvider();
        var decoding = Decoder(new FeaturesOptions { FfmpegPath = program.Path }, time).DecodeAsync("fLaC and more"u8.ToArray(), Cancellation);
        var child = Process.GetProcessById(int.Parse(await program.ReadAsync("pid")));

        // It has used no processor time: the file is not at fault.
        time.Advance(TimeSpan.FromSeconds(10));
        await Assert.ThrowsAsync<BusyException>(() => decoding);
        await child.WaitForExitAsync(Cancellation);
    }

    [Fact]
    public async Task DecodeAsync_WorkingFfmpegTimesOut_IsRejectedAndKillsIt()
    {
        using var program = new Program("echo $$ > \"$0.pid\"\nwhile :; do :; done");
        var time = new FakeTimeProvider();
        var options = new FeaturesOptions { FfmpegPath = program.Path, DecodeTimeout = TimeSpan.FromMilliseconds(100) };
        var decoding = Decoder(options, time).DecodeAsync("fLaC and more"u8.ToArray(), Cancellation);
        var child = Process.GetProcessById(int.Parse(await program.ReadAsync("pid")));
        while (child.TotalProcessorTime < options.DecodeTimeout)
            await Task.Delay(10, Cancellation);

        time.Advance(options.DecodeTimeout);
        var rejection = await Assert.ThrowsAsync<AudioFormatException>(() => decoding);
        Assert.Contains("0.1 s", rejection.Message);
        await child.WaitForExitAsync(Cancellation);
    }

    [Fact]
    public async Task DecodeAsync_Canceled_KillsFfmpeg()
    {
        using var program = new Program("echo $$ > \"$0.pid\"\nexec sleep 600");
        using var caller = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var decoding = Decoder(new FeaturesOptions { FfmpegPath = program.Path }).DecodeAsync("fLaC and more"u8.ToArray(), caller.Token);
        var child = Process.GetProcessById(int.Parse(await program.ReadAsync("pid")));

        await caller.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => decoding);
        await child.WaitForExitAsync(Cancellation);
    }

    [Fact]
    public async Task DecodeAsync_Ffmpeg_GetsPipesAndNoEnvironment()
    {
        using var program = new Program("/usr/bin/env > \"$0.env\"\n/bin/ls -l /proc/$$/fd > \"$0.fd.new\"\n/bin/mv \"$0.fd.new\" \"$0.fd\"");
        await Assert.ThrowsAsync<AudioFormatException>(
            () => Decoder(new FeaturesOptions { FfmpegPath = program.Path }).DecodeAsync("fLaC and more"u8.ToArray(), Cancellation));

        var shellVariables = new[] { "PWD", "OLDPWD", "SHLVL", "_" };
        Assert.All((await program.ReadAsync("env")).Trim().Split('\n'), line => Assert.Contains(line.Split('=')[0], shellVariables));
        var handles = (await program.ReadAsync("fd")).Trim().Split('\n').Where(line => line.Contains("->")).ToList();
        foreach (var number in new[] { 0, 1, 2 })
            Assert.Contains(handles, line => line.Contains($" {number} -> ") && (line.Contains("pipe:") || line.Contains("socket:") || number == 1));
    }

    [Fact]
    public async Task DecodeAsync_Ffmpeg_HasLimitsOfMemoryAndTime()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "prlimit is Linux's.");
        using var program = new Program("/bin/cat > /dev/null\n/bin/cat /proc/$$/limits > \"$0.new\"\n/bin/mv \"$0.new\" \"$0.limits\"");
        await Assert.ThrowsAsync<AudioFormatException>(
            () => Decoder(new FeaturesOptions { FfmpegPath = program.Path }).DecodeAsync("fLaC and more"u8.ToArray(), Cancellation));

        var limits = await program.ReadAsync("limits");
        Assert.Matches($@"Max data size\s+{176 << 20}\s+{176 << 20}\s", limits);
        Assert.Matches(@"Max cpu time\s+11\s+11\s", limits);
    }

    [Fact]
    public async Task DecodeAsync_MetadataBeyondTheLimitOfMemory_IsRejected()
    {
        SkipWithoutFfmpeg();
        await Assert.ThrowsAsync<AudioFormatException>(() => Decoder().DecodeAsync(HostileAudio.All["WebM, tags"](), Cancellation));
    }

    private static double Rms(float[] samples) => Math.Sqrt(samples.Average(sample => (double)sample * sample));

    private static void SkipWithoutFfmpeg() => Assert.SkipUnless(AudioFile.HasFfmpeg, "ffmpeg is not installed");

    private static AudioDecoder Decoder(FeaturesOptions? options = null, TimeProvider? time = null)
    {
        var fixedOptions = Options.Create(options ?? new FeaturesOptions());
        return new AudioDecoder(new Ffmpeg(fixedOptions, time ?? TimeProvider.System), fixedOptions);
    }

    /// <summary>A shell script in place of ffmpeg.</summary>
    private sealed class Program : IDisposable
    {
        private readonly string _folder = Directory.CreateTempSubdirectory("affect-").FullName;

        public Program(string script)
        {
            Path = System.IO.Path.Combine(_folder, "ffmpeg");
            File.WriteAllText(Path, $"#!/bin/sh\n{script}\n");
            if (!OperatingSystem.IsWindows())
                File.SetUnixFileMode(Path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }

        public string Path { get; }

        /// <summary>Waits for the file that the script writes next to itself.</summary>
        public async Task<string> ReadAsync(string extension)
        {
            while (true)
            {
                if (File.Exists($"{Path}.{extension}") && await File.ReadAllTextAsync($"{Path}.{extension}", Cancellation) is { Length: > 0 } text)
                    return text;
                await Task.Delay(10, Cancellation);
            }
        }

        public void Dispose() => Directory.Delete(_folder, recursive: true);
    }
}
