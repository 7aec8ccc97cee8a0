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
