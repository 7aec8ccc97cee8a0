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
    public void Windows_follow_the_hop_and_the_last_ends_with_the_clip()
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
    public void A_clip_shorter_than_a_window_is_one_window()
    {
        var clip = Clip(Speech[..(2 * Rate)]);
        var window = Assert.Single(clip.Windows(Length, Hop));
        Assert.Equal(new Window(0, 2 * Rate), window);

        // Models take so many frames and no other number: what the clip lacks is silence.
        var expected = new float[FeatureExtractor.FrameCount(3 * Rate) * 42];
        FeatureExtractor.Extract([.. Speech[..(2 * Rate)], .. new float[Rate]], FeatureSet.MfccZcrRms, expected);
        Assert.All(expected.Zip(clip.Slide(Length, FeatureSet.MfccZcrRms).Extract(window)), pair => Assert.Equal(pair.First, pair.Second, 1e-4f));
    }

    [Fact]
    public void Windows_without_voice_say_so()
    {
        float[] samples = [.. new float[5 * Rate], .. Speech];
        var clip = Clip(samples);
        var windows = clip.Windows(Length, Hop);
        Assert.False(clip.HasSpeech(windows[0]));
        Assert.True(clip.HasSpeech(windows[^1]));
    }

    [Fact]
    public void Silence_and_noise_have_no_windows()
    {
        Assert.Empty(Clip(new float[4 * Rate]).Windows(Length, Hop));
        Assert.Empty(Clip(TestMedia.Noise(4)).Windows(Length, Hop));
    }

    [Fact]
    public void A_quarter_of_a_second_is_needed()
    {
        var syllable = Speech[Rate..]; // in the middle of speech
        Assert.Empty(Clip(syllable[..(Rate / 4 - 10)]).Windows(Length, Hop));
        Assert.Empty(Clip(syllable[..(Rate / 100)]).Windows(Length, Hop));
        Assert.Empty(Clip([]).Windows(Length, Hop));
    }

    [Fact]
    public void Features_are_those_of_the_window()
    {
        var clip = Clip(Speech);
        var windows = clip.Slide(Length, FeatureSet.MfccDeltaZcrRms);
        foreach (var window in clip.Windows(Length, Hop))
        {
            var expected = new float[FeatureExtractor.FrameCount(3 * Rate) * 82];
            FeatureExtractor.Extract(Speech.AsSpan(window.Start, 3 * Rate), FeatureSet.MfccDeltaZcrRms, expected);
            Assert.All(expected.Zip(windows.Extract(window)), pair => Assert.Equal(pair.First, pair.Second, 1e-4f));
        }
    }
}
