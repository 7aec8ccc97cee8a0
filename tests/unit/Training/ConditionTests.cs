using Affect.Audio;
using Affect.Emotions;
using Affect.Training.Data;
using Affect.Training.Evaluation;
using Affect.UnitTests.Audio;

namespace Affect.UnitTests.Training;

public sealed class ConditionTests
{
    private const int Rate = FeatureExtractor.SampleRate;

    [Fact]
    public void ConditionAll_Order_IsCleanNarrowBandMuLawBoth() =>
        Assert.Equal([null, "8 kHz", "µ-law", "8 kHz, µ-law"], Condition.All.Select(condition => condition.Name));

    [Theory]
    [InlineData(1, 1000, 0.99, 1.01)]
    [InlineData(1, 6000, 0, 0.001)] // above 4 kHz nothing is left
    [InlineData(2, 1000, 0.99, 1.01)]
    [InlineData(2, 6000, 0.99, 1.01)]
    [InlineData(3, 1000, 0.99, 1.01)]
    [InlineData(3, 6000, 0, 0.01)]
    public void ConditionApply_Sine_PassesBelow4kHzOnly(int condition, double hertz, double least, double most)
    {
        var clip = Clip(TestSignals.Sine(hertz, Rate, Rate + 17));

        var heard = Condition.All[condition].Apply(clip);

        Assert.Equal(clip.Length, heard.Length);
        Assert.InRange(Power(heard) / Power(clip), least, most);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void ConditionApply_MuLaw_HasSignalToNoiseRatioOf38dB(int condition)
    {
        // µ-law's signal-to-noise ratio is about 38 dB for loud and for faint sound alike.
        var clip = Clip(TestSignals.Sine(1000, Rate, Rate, amplitude: 0.05f));

        var heard = Condition.All[condition].Apply(clip);

        var middle = Enumerable.Range(Rate / 4, Rate / 2);
        var noise = middle.Average(i => Math.Pow(heard[i] - clip[i], 2)) / middle.Average(i => Math.Pow(clip[i], 2));
        Assert.InRange(-10 * Math.Log10(noise), 34, 42);
    }

    [Fact]
    public void ConditionApplyTo_Clips_TransformsWholeClipBeforeWindowing()
    {
        var clip = new SpeechClip("ravdess/01/x", Emotion.Sad, Clip(TestSignals.Noise(4 * Rate, 0.1f)));
        var clean = new SpeechWindows([clip], Windowing.Length, FeatureSet.LogMel);
        var narrow = new SpeechWindows([clip with { Samples = Condition.All[1].Apply(clip.Samples) }], Windowing.Length, FeatureSet.LogMel);

        Assert.Same(clean, Condition.All[0].ApplyTo(clean));
        Assert.Equal(narrow.Windows(0).SelectMany(window => window),
            Condition.All[1].ApplyTo(clean).Windows(0).SelectMany(window => window));
        Assert.NotEqual(clean.Windows(0).First(), Condition.All[1].ApplyTo(clean).Windows(0).First());
    }

    private static short[] Clip(float[] sound) => Array.ConvertAll(sound, sample => (short)Math.Round(Math.Clamp(sample, -1, 1) * 32767));

    private static double Power(short[] sound) => sound.Average(sample => (double)sample * sample);
}
