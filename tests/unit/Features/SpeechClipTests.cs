using Affect.Audio;
using Affect.Features.Audio;
using Affect.Testing;

namespace Affect.UnitTests.Features;

public sealed class SpeechClipTests
{
    private const int Rate = FeatureExtractor.SampleRate;

    private static readonly TimeSpan Length = TimeSpan.FromSeconds(3), Hop = TimeSpan.FromSeconds(1);

    private static SpeechClip Clip(float[] samples) => new(new AudioBuffer([samples], Rate));

    private static float[] Speech { get; } = WavReader.Read(TestMedia.Speech()).ToMono();

    [Fact]
    public void Windows_LongClip_FollowTheHopAndEndWithTheClip()
    {
        var clip = Clip(Speech);
        var windows = clip.Windows(Length, Hop).ToList();

        for (var i = 0; i < windows.Count - 1; i++)
            Assert.Equal(new Window((int)Windowing.Start(i, Rate), 3 * Rate), windows[i]);
        Assert.Equal(new Window(Speech.Length - 3 * Rate, 3 * Rate), windows[^1]);
        Assert.InRange(windows[^1].Start - windows[^2].Start, 1, Rate);
        Assert.All(windows, window => Assert.True(clip.HasSpeech(window)));
    }

    [Fact]
    public void Windows_ClipShorterThanAWindow_IsOnePaddedWindow()
    {
        var clip = Clip(Speech[..(2 * Rate)]);
        var window = Assert.Single(clip.Windows(Length, Hop));
        Assert.Equal(new Window(0, 2 * Rate), window);

        // The input of a model has a fixed number of frames: the clip is padded with silence.
        var expected = new float[FeatureExtractor.FrameCount(3 * Rate) * 42];
        FeatureExtractor.Extract([.. Speech[..(2 * Rate)], .. new float[Rate]], FeatureSet.MfccZcrRms, expected);
        Assert.All(expected.Zip(clip.CreateExtractor(Length, FeatureSet.MfccZcrRms).Extract(window)), pair => Assert.Equal(pair.First, pair.Second, 1e-4f));
    }

    [Fact]
    public void HasSpeech_WindowOfSilence_IsFalse()
    {
        float[] samples = [.. new float[5 * Rate], .. Speech];
        var clip = Clip(samples);
        var windows = clip.Windows(Length, Hop);
        Assert.False(clip.HasSpeech(windows[0]));
        Assert.True(clip.HasSpeech(windows[^1]));
    }

    [Fact]
    public void Windows_SilenceOrNoise_AreEmpty()
    {
        Assert.Empty(Clip(new float[4 * Rate]).Windows(Length, Hop));
        Assert.Empty(Clip(TestMedia.Noise(4)).Windows(Length, Hop));
    }

    [Fact]
    public void Windows_BelowTheMinimumDuration_AreEmpty()
    {
        var syllable = Speech[Rate..]; // in the middle of speech
        Assert.Empty(Clip(syllable[..(Rate / 4 - 10)]).Windows(Length, Hop));
        Assert.Empty(Clip(syllable[..(Rate / 100)]).Windows(Length, Hop));
        Assert.Empty(Clip([]).Windows(Length, Hop));
    }

    [Fact]
    public void Extract_EachWindow_EqualsFeatureExtractor()
    {
        var clip = Clip(Speech);
        var windows = clip.CreateExtractor(Length, FeatureSet.MfccDeltaZcrRms);
        foreach (var window in clip.Windows(Length, Hop))
        {
            var expected = new float[FeatureExtractor.FrameCount(3 * Rate) * 82];
            FeatureExtractor.Extract(Speech.AsSpan(window.Start, 3 * Rate), FeatureSet.MfccDeltaZcrRms, expected);
            Assert.All(expected.Zip(windows.Extract(window)), pair => Assert.Equal(pair.First, pair.Second, 1e-4f));
        }
    }
}
