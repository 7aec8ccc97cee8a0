using System.Collections.Concurrent;
using System.Diagnostics;
using Affect.Training.Data;

namespace Affect.UnitTests.Training;

public sealed class WaveAugmentationTests(ITestOutputHelper output)
{
    private const int Rate = 16_000, Length = 3 * Rate;

    private static readonly float[][] Sounds = [.. Enumerable.Range(0, 16).Select(i => Voice(100 + (7 * i), Rate * (15 + (2 * i)) / 10))];

    [Fact]
    public void WaveAugmentationVary_Seeds_AreReproducibleOnAnyThread()
    {
        var expected = Enumerable.Range(0, 60).Select(Vary).ToArray();
        var actual = new ConcurrentDictionary<int, float[]>();
        Parallel.For(0, expected.Length, new ParallelOptions { MaxDegreeOfParallelism = 4 }, seed => actual[seed] = Vary(seed));

        Assert.All(Enumerable.Range(0, expected.Length), seed => Assert.Equal(expected[seed], actual[seed]));
        Assert.Equal(expected.Length, expected.Select(window => window.Sum(sample => (double)sample * sample)).Distinct().Count());
    }

    [Fact]
    public void WaveAugmentationVary_AnyClip_GivesWindowOfFullScaleOrLess()
    {
        float[][] clips = [.. Sounds, new float[Rate], Voice(100, Rate / 10), Voice(100, 10 * Rate)];

        Assert.All(Enumerable.Range(0, 200), seed =>
        {
            var window = WaveAugmentation.Vary(new(seed), clips[seed % clips.Length], Length, random => Sounds[random.Next(16)]);
            Assert.Equal(Length, window.Length);
            Assert.All(window, sample => Assert.InRange(sample, -1, 1)); // and finite
        });
    }

    [Fact]
    public void WaveAugmentationVary_ManySeeds_UseBabbleAndSpanLevels()
    {
        var voices = new List<int>();
        var levels = new List<double>();
        for (var seed = 0; seed < 300; seed++)
        {
            var count = 0;
            var window = WaveAugmentation.Vary(new(seed), Sounds[0], Length, _ => Sounds[++count]);
            voices.Add(count);
            levels.Add(10 * Math.Log10(window.Average(sample => (double)sample * sample) - Math.Pow(window.Average(), 2)));
        }

        // A third of three quarters of the windows.
        Assert.InRange(voices.Count(count => count > 0) / 300.0, 0.18, 0.32);
        Assert.All(voices.Where(count => count > 0), count => Assert.InRange(count, 4, 8));
        Assert.InRange(levels.Max() - levels.Min(), 30, 60);
    }

    [Theory]
    [InlineData(1, 20)]
    [InlineData(1.15f, 20)]
    [InlineData(0.87f, 20)]
    [InlineData(1, 17)]
    [InlineData(1, 24)]
    [InlineData(0.87f, 24)]
    public void WaveAugmentationChangeVoice_TempoAndPitch_AreIndependent(float tempo, int pitch)
    {
        var changed = WaveAugmentation.ChangeVoice(Voice(150, Length), tempo, pitch);

        Assert.InRange(changed.Length * tempo / Length, 0.98, 1.02);
        Assert.InRange(Pitch(changed[(Rate / 2)..Rate]), 150 * pitch / 20.0 * 0.98, 150 * pitch / 20.0 * 1.02);
        var middle = changed[(Rate / 4)..^(Rate / 4)];
        Assert.InRange(Power(middle) / Power(Voice(150, Length)), 0.8, 1.2);
    }

    [Theory]
    [InlineData(24, 3000, 3600)]
    [InlineData(17, 7000, 5950)]
    [InlineData(24, 7000, null)] // 8,400 Hz does not exist at 16 kHz, and does not fold to 7,600 Hz
    public void WaveAugmentationChangeSpeed_Tone_MovesWithoutAliasing(int speed, double hertz, int? expected)
    {
        float[] tone = [.. Enumerable.Range(0, Length).Select(i => (float)(0.5 * Math.Sin(2 * Math.PI * hertz * i / Rate)))];

        var changed = WaveAugmentation.ChangeSpeed(tone, speed, 20, Rate)[1000..^1000];

        Assert.InRange(Power(changed), expected is null ? 0 : 0.12, expected is null ? 1e-6 : 0.13);
        if (expected is { } frequency)
            Assert.InRange(changed.Zip(changed.Skip(1)).Count(pair => pair.First < 0 && pair.Second >= 0) * Rate / (double)changed.Length,
                frequency - 2, frequency + 2);
    }

    [Theory]
    [InlineData(0.2f, 10)]
    [InlineData(0.5f, 0)]
    [InlineData(0.8f, -5)]
    public void WaveAugmentationRoomResponse_DecayAndRatio_AreAsRequested(float decay, float ratio)
    {
        var response = WaveAugmentation.RoomResponse(new(1), decay, ratio);

        var energy = response.Skip(1).Sum(sample => (double)sample * sample);
        Assert.Equal(ratio, -10 * Math.Log10(energy), 0.01);
        // Schroeder's backward integration, from -5 to -25 dB of the reverberant part.
        var (left, at5, at25) = (energy, 0, 0);
        for (var i = Rate / 20; i < response.Length && at25 == 0; i++)
        {
            var remaining = 10 * Math.Log10(response.Skip(i).Sum(sample => (double)sample * sample) / left);
            if (i == Rate / 20)
                left *= Math.Pow(10, remaining / 10);
            else if (remaining < -25)
                at25 = i;
            else if (remaining < -5 && at5 == 0)
                at5 = i;
            if (i > Rate / 20)
                i += 19;
        }
        Assert.InRange((at25 - at5) * 3.0 / Rate / decay, 0.75, 1.15);
    }

    [Fact]
    public void WaveAugmentationConvolve_Response_EqualsDefinition()
    {
        var (sound, response) = (Voice(100, 900), WaveAugmentation.RoomResponse(new(1), 0.2f, 0)[..600]);
        var heard = WaveAugmentation.Convolve(sound, response);

        Assert.Equal(sound.Length, heard.Length);
        for (var i = 0; i < sound.Length; i++)
        {
            var sum = 0.0;
            for (var j = 0; j <= Math.Min(i, response.Length - 1); j++)
                sum += (double)response[j] * sound[i - j];
            Assert.Equal(sum, heard[i], 1e-4);
        }
    }

    // 7 ms on one core; the limit is generous because other tests run at the same time.
    [Fact]
    public void WaveAugmentationVary_Cost_IsBelow60Milliseconds()
    {
        for (var seed = 0; seed < 100; seed++)
            Vary(seed);
        var start = Stopwatch.GetTimestamp();
        for (var seed = 0; seed < 200; seed++)
            Vary(seed);
        var cost = Stopwatch.GetElapsedTime(start) / 200;

        output.WriteLine($"{cost.TotalMilliseconds:F1} ms");
        Assert.InRange(cost.TotalMilliseconds, 0, 60);
    }

    private static float[] Vary(int seed) =>
        WaveAugmentation.Vary(new(seed), Sounds[seed % 16], Length, random => Sounds[random.Next(16)]);

    // Harmonics of a fundamental with some noise.
    private static float[] Voice(double hertz, int length)
    {
        var random = new Random(1);
        return [.. Enumerable.Range(0, length).Select(i =>
            (float)(Enumerable.Range(1, 8).Sum(k => 0.1 / k * Math.Sin(2 * Math.PI * hertz * k * i / Rate)) + 0.001 * random.NextDouble()))];
    }

    // The lag with the highest autocorrelation, between 110 and 300 Hz.
    private static double Pitch(float[] sound) =>
        Rate / (double)Enumerable.Range(Rate / 300, Rate / 110 - (Rate / 300)).MaxBy(lag =>
            Enumerable.Range(0, sound.Length - 400).Sum(i => (double)sound[i] * sound[i + lag]));

    private static double Power(float[] sound) => sound.Average(sample => (double)sample * sample);
}
