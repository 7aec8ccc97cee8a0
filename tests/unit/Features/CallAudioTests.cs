using System.Runtime.InteropServices;
using Affect.Audio;
using Affect.Features.Audio;
using Affect.Testing;

namespace Affect.UnitTests.Features;

public sealed class CallAudioTests
{
    private const int Rate = 8_000, Second = FeatureExtractor.SampleRate;

    /// <summary>Speech, silence, speech, and a tail that ends off the grid.</summary>
    private static readonly float[] Talk = Resampler.Resample(
        [.. WavReader.Read(TestMedia.Speech()).ToMono(), .. new float[5 * Second], .. WavReader.Read(TestMedia.Speech()).ToMono()], Second, Rate);

    private static readonly CallFormat Format = new(
        SampleEncoding.MuLaw, Rate, [true, false], FeatureSet.MfccZcrRms, Windowing.Length, Windowing.Length, Windowing.DefaultHop);

    /// <summary>Talk on the first channel, silence on the second.</summary>
    private static readonly byte[] Stereo = [.. Talk.SelectMany(sample => (byte[])[G711.EncodeMuLaw((short)(sample * 32767)), 0xFF])];

    [Theory]
    [InlineData(2)]
    [InlineData(1602)]
    [InlineData(1 << 20)]
    public void Append_AnyChunks_GivesTheWindowsOfTheFile(int chunk)
    {
        var (audio, windows) = (new CallAudio(Format), new List<CallWindow>());
        foreach (var bytes in Stereo.Chunk(chunk))
        {
            audio.Append(bytes);
            Collect(audio, windows);
        }

        audio.End();
        Collect(audio, windows);

        var left = new float[Talk.Length];
        SampleEncoding.MuLaw.TryDecode(Stereo, 2, left);
        var clip = new SpeechClip(new AudioBuffer([left], Rate));
        var extractor = clip.CreateExtractor(TimeSpan.FromSeconds(3), FeatureSet.MfccZcrRms);
        var expected = clip.Windows(TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(1));
        Assert.Equal(expected.Select(window => ((long)window.Start, window.Length, clip.HasSpeech(window))),
            windows.Select(window => (window.Start, window.Length, window.Features is not null)));
        Assert.Equal(Enumerable.Range(0, expected.Count).Select(index => (0, (long)index)), windows.Select(window => (window.Channel, window.Index)));
        foreach (var (window, actual) in expected.Zip(windows).Where(pair => pair.Second.Features is not null))
            Assert.All(extractor.Extract(window).Zip(MemoryMarshal.Cast<byte, float>(actual.Features).ToArray()), pair => Assert.Equal(pair.First, pair.Second, 1e-3f));
    }

    [Fact]
    public void Save_ResumedAnywhere_LosesNothingAndRepeatsNothing()
    {
        var whole = Run(new CallAudio(Format), Stereo);
        for (var cut = Rate; cut < Talk.Length; cut += 12_345)
        {
            var first = new CallAudio(Format);
            first.Append(Stereo.AsSpan(0, cut * 2));
            var windows = new List<CallWindow>();
            Collect(first, windows);
            var state = first.Save();
            var second = Run(new CallAudio(Format, state), Stereo[(int)(state.Position * 2)..]);
            Assert.Equal(whole.Select(window => (window.Index, window.Start, window.Features is null)),
                windows.Concat(second).Select(window => (window.Index, window.Start, window.Features is null)));
        }
    }

    [Fact]
    public void Append_Ticks_CountSpeechAndPowerOfEachChannel()
    {
        var audio = new CallAudio(Format);
        audio.Append(Stereo);
        audio.End();
        Assert.Equal(Talk.Length / (Rate / CallTiming.TickRate), audio.Ticks);
        Assert.Equal(audio.Ticks * 2, audio.Speech.Count);
        Assert.Equal(audio.Speech.Count, audio.Power.Count);
        Assert.All(audio.Speech.Index().Where(tick => tick.Index % 2 == 1), tick => Assert.Equal(0, tick.Item));
        Assert.InRange(audio.Speech.Sum(speech => speech), 300, 800);
        Assert.True(audio.Power.Max() > 1e-3);
    }

    [Theory]
    [InlineData(3 * Rate)]
    [InlineData((100 * Rate) + 123)]
    public void AppendSilence_WithinSpeech_EqualsSilentSamples(int silence)
    {
        // The speech breaks off within a tick, and continues within another.
        var cut = 2 * ((2 * Rate) + 37);
        byte[] silent = [.. Stereo[..cut], .. Enumerable.Repeat((byte)0xFF, 2 * silence), .. Stereo[cut..]];
        var (expected, actual) = (new CallAudio(Format), new CallAudio(Format));
        expected.Append(silent);
        expected.End();

        actual.Append(Stereo.AsSpan(0, cut));
        for (long left = silence; left > 0;)
            left -= actual.AppendSilence(left);
        var state = actual.Save();
        actual.Append(Stereo.AsSpan(cut));
        actual.End();

        Assert.Equal(expected.Segments, actual.Segments);
        Assert.Equal(expected.Speech, actual.Speech);
        Assert.All(expected.Power.Zip(actual.Power), pair => Assert.Equal(pair.First, pair.Second, 1e-6f)); // sums in other pieces
        Assert.Equal(expected.Windows.Select(Describe), actual.Windows.Select(Describe));

        // The call continues from a state within the silence.
        var resumed = new CallAudio(Format, state);
        for (var left = (cut / 2) + silence - state.Position; left > 0;)
            left -= resumed.AppendSilence(left);
        resumed.Append(Stereo.AsSpan(cut));
        resumed.End();
        Assert.Equal(2, resumed.Segments.Count);
        Assert.Equal(expected.Windows.TakeLast(resumed.Windows.Count).Select(window => (window.Index, window.Start, window.Features is null)),
            resumed.Windows.Select(window => (window.Index, window.Start, window.Features is null)));

        static (int, long, long, int, string?) Describe(CallWindow window) =>
            (window.Channel, window.Index, window.Start, window.Length, window.Features is null ? null : Convert.ToHexString(window.Features));
    }

    [Fact]
    public void AppendSilence_FourHours_IsCounted()
    {
        var audio = new CallAudio(Format);
        var (windows, ticks, silence) = (0, 0, 4L * 3600 * Rate);
        var before = GC.GetAllocatedBytesForCurrentThread();
        while (silence > 0)
        {
            silence -= audio.AppendSilence(silence);
            Assert.All(audio.Windows, window => Assert.Null(window.Features));
            windows += audio.Windows.Count;
            ticks += audio.Speech.Count / 2;
            audio.Clear();
        }

        Assert.InRange(windows, (4 * 3600) - 5, 4 * 3600);
        Assert.InRange(ticks, (4 * 3600 * CallTiming.TickRate) - 100, 4 * 3600 * CallTiming.TickRate);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 32 << 20); // four hours of samples are 230 MB
        Assert.InRange(audio.Save().Position, (4L * 3600 * Rate) - (15 * Rate), 4L * 3600 * Rate);
    }

    [Fact]
    public void Append_PartOfASample_Throws() =>
        Assert.Throws<AudioFormatException>(() => new CallAudio(Format).Append(new byte[3]));

    [Fact]
    public void Append_SampleThatIsNotFinite_Throws() =>
        Assert.Throws<AudioFormatException>(() => new CallAudio(Format with { Encoding = SampleEncoding.Ieee32 }).Append(
            [.. BitConverter.GetBytes(float.NaN), .. BitConverter.GetBytes(0f)]));

    private static List<CallWindow> Run(CallAudio audio, byte[] bytes)
    {
        var windows = new List<CallWindow>();
        audio.Append(bytes);
        audio.End();
        Collect(audio, windows);
        return windows;
    }

    private static void Collect(CallAudio audio, List<CallWindow> windows)
    {
        windows.AddRange(audio.Windows);
        audio.Clear();
    }
}
