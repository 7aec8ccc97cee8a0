using Affect.Audio;
using Affect.Emotions;
using Affect.Training.Data;
using Affect.Training.Evaluation;
using Affect.UnitTests.Audio;

namespace Affect.UnitTests.Training;

public sealed class ConditionTests
{
    private const int Rate = FeatureExtractor.SampleRate;

    private static readonly SpeechClip[] Clips =
    [
        new("savee/DC/a01", Emotion.Angry, Clip(TestSignals.Sine(1000, Rate, Rate + 17, amplitude: 0.05f))),
        new("savee/JE/a01", Emotion.Angry, Clip(TestSignals.Noise(Rate, 0.1f))),
        new("savee/JK/a01", Emotion.Angry, Clip(TestSignals.Noise(Rate / 2, 0.3f))),
    ];

    public static TheoryData<string> Names => [.. Condition.All.Select(condition => condition.Name ?? "clean")];

    [Fact]
    public void ConditionAll_Order_IsCleanTelephoneLevelsBackgroundsAll() =>
        Assert.Equal(
            [null, "8 kHz", "µ-law", "8 kHz, µ-law", "-30 dB", "peak -1 dBFS", "20 dB, clipped", "offset 10 %", "white noise 10 dB",
                "babble 10 dB", "room 0.5 s", "all of these"],
            Condition.All.Select(condition => condition.Name));

    [Theory]
    [MemberData(nameof(Names))]
    public void ConditionApply_SameClip_IsReproducible(string name)
    {
        var condition = Condition.All.Single(condition => (condition.Name ?? "clean") == name);

        var heard = Clips.Select(clip => condition.Apply(clip, Clips)).ToList();

        Assert.Equal(Clips.Select(clip => clip.Samples.Length), heard.Select(clip => clip.Length));
        Assert.Equal(heard, Clips.Select(clip => condition.Apply(clip, Clips)));
        Assert.Equal(name == "clean", heard[0].SequenceEqual(Clips[0].Samples.ToArray()));
    }

    [Theory]
    [InlineData("-30 dB", -30)]
    [InlineData("20 dB, clipped", 20)]
    [InlineData("peak -1 dBFS", 25)] // from a peak of 0.05
    [InlineData("white noise 10 dB", 0.41)] // 1.1 of the power
    [InlineData("babble 10 dB", 0.41)]
    [InlineData("room 0.5 s", 0)]
    public void ConditionApply_Level_ChangesAsNamed(string name, double decibels)
    {
        var heard = Condition.All.Single(condition => condition.Name == name).Apply(Clips[0], Clips);

        Assert.InRange(10 * Math.Log10(Power(heard) / Power(Clips[0].Samples.ToArray())) - decibels, -0.4, 0.4);
    }

    [Fact]
    public void ConditionApply_Offset_IsTenPercentOfFullScale() =>
        Assert.InRange(Condition.All.Single(condition => condition.Name == "offset 10 %").Apply(Clips[0], Clips).Average(sample => sample),
            3260, 3290);

    [Fact]
    public void ConditionRoomResponse_Decay_IsHalfASecond()
    {
        var response = Condition.RoomResponse(new(1), 0.5f);

        var remaining = new double[response.Length + 1];
        for (var i = response.Length - 1; i >= 0; i--)
            remaining[i] = remaining[i + 1] + Math.Pow(response[i], 2);
        var (at5, at25) = (At(-5), At(-25));
        Assert.InRange((at25 - at5) * 3.0 / Rate, 0.45, 0.55);
        Assert.InRange(response[0], 0.9, 1.1); // the direct sound

        int At(double decibels) => Array.FindIndex(remaining, energy => 10 * Math.Log10(energy / remaining[Rate / 100]) < decibels);
    }

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

        var heard = Condition.All[condition].Apply(new("savee/DC/a01", Emotion.Angry, clip), Clips);

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

        var heard = Condition.All[condition].Apply(new("savee/DC/a01", Emotion.Angry, clip), Clips);

        var middle = Enumerable.Range(Rate / 4, Rate / 2);
        var noise = middle.Average(i => Math.Pow(heard[i] - clip[i], 2)) / middle.Average(i => Math.Pow(clip[i], 2));
        Assert.InRange(-10 * Math.Log10(noise), 34, 42);
    }

    [Fact]
    public void ConditionApplyTo_Clips_TransformsWholeClipBeforeWindowing()
    {
        var clip = new SpeechClip("ravdess/01/x", Emotion.Sad, Clip(TestSignals.Noise(4 * Rate, 0.1f)));
        var clean = new SpeechWindows([clip], Windowing.Length, FeatureSet.LogMel);
        var narrow = new SpeechWindows([clip with { Samples = Condition.All[1].Apply(clip, [clip]) }], Windowing.Length, FeatureSet.LogMel);

        Assert.Same(clean, Condition.All[0].ApplyTo(clean));
        Assert.Equal(narrow.Windows(0).SelectMany(window => window),
            Condition.All[1].ApplyTo(clean).Windows(0).SelectMany(window => window));
        Assert.NotEqual(clean.Windows(0).First(), Condition.All[1].ApplyTo(clean).Windows(0).First());
    }

    private static short[] Clip(float[] sound) => Array.ConvertAll(sound, sample => (short)Math.Round(Math.Clamp(sample, -1, 1) * 32767));

    private static double Power(short[] sound) => sound.Average(sample => (double)sample * sample);
}
