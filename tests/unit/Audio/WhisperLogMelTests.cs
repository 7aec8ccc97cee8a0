using Affect.Audio;

namespace Affect.UnitTests.Audio;

public sealed class WhisperLogMelTests
{
    [Fact]
    public void Extract_GoldenSpeech_EqualsWhisperButForLevelAndOffset()
    {
        var golden = Golden.Load("whisper");
        var expected = golden.Values("mel").SelectMany(frame => frame).ToArray();

        var actual = Extract(golden.Audio.ToMono());

        // The level is a constant in the logarithm. Without the mean of each frame, the two lowest bands differ.
        var shifts = actual.Zip(expected, (a, b) => a - b).ToArray();
        var level = shifts.Order().ElementAt(shifts.Length / 2);
        Assert.All(shifts.Select((shift, i) => (shift, Band: i % WhisperLogMel.MelCount)).Where(item => item.Band > 1),
            item => Assert.Equal(level, item.shift, 1e-3));
    }

    [Theory]
    [InlineData(0.03f, 0)]
    [InlineData(10, 0)]
    [InlineData(1, 0.1f)]
    public void Extract_GainOrOffset_ChangesNothing(float gain, float offset)
    {
        var window = TestSignals.Noise(WhisperLogMel.SampleRate, 0.01f);
        var changed = Array.ConvertAll(window, sample => (sample * gain) + offset);

        var difference = Extract(window).Zip(Extract(changed), (a, b) => Math.Abs(a - b)).Max();

        Assert.True(difference < 2e-3, $"{difference}");
    }

    [Fact]
    public void ActiveLevel_SpeechWithPauses_IgnoresThePauses()
    {
        float[] powers = [.. Enumerable.Repeat(1e-2f, 100), .. Enumerable.Repeat(1e-6f, 200)];

        Assert.Equal(1e-2, WhisperLogMel.ActiveLevel(powers), 1e-6);
    }

    [Fact]
    public void Extract_DigitalSilence_IsConstant() =>
        Assert.All(Extract(new float[WhisperLogMel.SampleRate]), value => Assert.Equal(-1.5f, value, 1e-4f));

    private static float[] Extract(float[] window)
    {
        var features = new float[WhisperLogMel.FrameCount(window.Length) * WhisperLogMel.MelCount];
        WhisperLogMel.Extract(window, features);
        return features;
    }
}
