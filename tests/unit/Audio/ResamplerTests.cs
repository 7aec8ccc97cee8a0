using System.Buffers;

using Affect.Audio;
using Affect.Testing;

namespace Affect.UnitTests.Audio;

public sealed class ResamplerTests
{
    // Fractions of the lower Nyquist frequency.
    private static readonly double[] PassBand = [0.002, 0.1, 0.37, 0.63, 0.83, 0.9];
    private static readonly double[] TransitionBand = [0.93, 0.96, 0.99];
    private static readonly double[] StopBand = [1.001, 1.02, 1.1, 1.5, 1.9, 2.0, 3.3, 4.3];

    public static TheoryData<int, int> Rates
    {
        get
        {
            var rates = new TheoryData<int, int>();
            foreach (var rate in new[] { 8000, 11025, 16000, 44100, 48000, 96000 })
            {
                rates.Add(rate, 22050);
                rates.Add(22050, rate);
            }

            rates.Add(44056, 22050); // rates that share no large divisor are interpolated
            rates.Add(7919, 22050);
            return rates;
        }
    }

    [Theory]
    [MemberData(nameof(Rates))]
    public void Resample_SineInPassBand_KeepsLevelAndPhaseWithoutImages(int from, int to)
    {
        foreach (var fraction in PassBand)
        {
            var hertz = fraction * Math.Min(from, to) / 2;
            var output = Resampler.Resample(TestMedia.Sine(hertz, 0.5, from), from, to);

            var (sine, cosine, residue) = Fit(output, hertz, to);
            Assert.InRange(20 * Math.Log10(sine / 0.5), -0.1, 0.1);
            Assert.InRange(cosine, -1e-4, 1e-4); // no delay
            Assert.InRange(Db(residue / 0.5), -300, -80); // images and aliases
        }
    }

    [Theory]
    [InlineData(48_000, 22_050)]
    [InlineData(44_100, 22_050)]
    [InlineData(24_000, 22_050)]
    [InlineData(22_051, 22_050)]
    [InlineData(22_050, 22_050)]
    public void ResampleInPlace_LowerRate_EqualsResample(int from, int to)
    {
        var signal = TestSignals.Noise(200_000, 0.5f);
        var expected = Resampler.Resample(signal, from, to);
        var actual = Resampler.ResampleInPlace(signal, from, to).ToArray();
        Assert.Equal(expected.Length, actual.Length);
        Assert.All(expected.Zip(actual), pair => Assert.Equal(pair.First, pair.Second, 1e-6f));
    }

    [Theory]
    [MemberData(nameof(Rates))]
    public void Resample_SineInTransitionBand_LeavesNoImageOrAlias(int from, int to)
    {
        foreach (var fraction in TransitionBand)
        {
            var hertz = fraction * Math.Min(from, to) / 2;
            var output = Resampler.Resample(TestMedia.Sine(hertz, 0.5, from), from, to);
            Assert.InRange(Db(Fit(output, hertz, to).Residue / 0.5), -300, -80);
        }
    }

    [Theory]
    [MemberData(nameof(Rates))]
    public void Resample_SineAboveOutputBand_IsRemoved(int from, int to)
    {
        foreach (var hertz in StopBand.Select(fraction => fraction * to / 2).Where(hertz => hertz < from / 2.0))
        {
            var output = Middle(Resampler.Resample(TestMedia.Sine(hertz, 0.5, from), from, to));
            Assert.InRange(Db(output.Max(Math.Abs) / 0.5), -300, -80);
        }
    }

    [Theory]
    [MemberData(nameof(Rates))]
    public void Process_PiecesOfAnySize_GiveTheSamplesOfTheWhole(int from, int to)
    {
        var input = TestMedia.Noise(1.0, from);
        var whole = Resampler.Resample(input, from, to);
        Assert.Equal((int)Math.Ceiling((double)input.Length * to / from), whole.Length);

        var random = new Random(7);
        var resampler = new Resampler(from, to);
        for (var round = 0; round < 2; round++) // Flush resets it
        {
            var output = new ArrayBufferWriter<float>();
            for (var at = 0; at < input.Length;)
            {
                var count = Math.Min(random.Next(0, 1000), input.Length - at);
                resampler.Process(input.AsSpan(at, count), output);
                at += count;
            }

            resampler.Flush(output);
            Assert.Equal(whole, output.WrittenSpan.ToArray());
        }
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 1)]
    [InlineData(2, 1)]
    [InlineData(3, 2)]
    public void Resample_ShortestSignals_HaveTheExpectedLength(int length, int expected) =>
        Assert.Equal(expected, Resampler.Resample(new float[length], 44100, 22050).Length);

    [Theory]
    [MemberData(nameof(Rates))]
    public void Resample_Constant_IsUnchanged(int from, int to)
    {
        var output = Resampler.Resample(Enumerable.Repeat(0.5f, from).ToArray(), from, to);
        Assert.All(Middle(output), sample => Assert.Equal(0.5f, sample, 1e-6f));
    }

    [Theory]
    [InlineData(0, 22050)]
    [InlineData(22050, -1)]
    [InlineData(22050, 1_000_000)]
    public void Resampler_RateOutOfRange_Throws(int from, int to) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new Resampler(from, to));

    /// <summary>The middle half, which the silence beyond the ends does not affect.</summary>
    private static float[] Middle(float[] signal) => signal[(signal.Length / 4)..(signal.Length * 3 / 4)];

    /// <summary>
    /// Fits the sine and the cosine of one frequency to the middle of a signal by least squares; returns their amplitudes and the peak
    /// of the residue.
    /// </summary>
    private static (double Sine, double Cosine, double Residue) Fit(float[] signal, double hertz, int rate)
    {
        var waves = Enumerable.Range(0, signal.Length).Select(i => Math.SinCos(2 * Math.PI * hertz * i / rate)).ToArray();
        var samples = Middle(signal).Zip(waves.Skip(signal.Length / 4)).ToArray();

        double ss = 0, cc = 0, sc = 0, ys = 0, yc = 0;
        foreach (var (y, (s, c)) in samples)
        {
            (ss, cc, sc) = (ss + (s * s), cc + (c * c), sc + (s * c));
            (ys, yc) = (ys + (y * s), yc + (y * c));
        }

        var determinant = (ss * cc) - (sc * sc);
        var sine = ((ys * cc) - (yc * sc)) / determinant;
        var cosine = ((yc * ss) - (ys * sc)) / determinant;
        var residue = samples.Max(sample => Math.Abs(sample.First - (sine * sample.Second.Sin) - (cosine * sample.Second.Cos)));
        return (sine, cosine, residue);
    }

    private static double Db(double ratio) => 20 * Math.Log10(ratio + 1e-15);

    [Theory]
    [InlineData(8000)]
    [InlineData(11025)]
    [InlineData(16000)]
    [InlineData(22050)]
    [InlineData(44100)]
    [InlineData(48000)]
    [InlineData(8009)]
    public void ResamplePart_AnyPart_EqualsThatPartOfTheWhole(int rate)
    {
        const int to = 22050;
        var random = new Random(rate);
        var signal = new float[rate * 2];
        for (var i = 0; i < signal.Length; i++)
            signal[i] = (float)((random.NextDouble() * 2) - 1);
        var whole = Resampler.Resample(signal, rate, to);
        var reach = Resampler.Reach(rate, to);

        foreach (var (start, length) in ((int, int)[])[(0, 5000), (1, 4410), (12_345, 9_999), (whole.Length - 3000, 3000), (0, whole.Length)])
        {
            var first = Math.Max(0, (long)start * rate / to - reach);
            var last = Math.Min(signal.Length, ((long)(start + length) * rate / to) + reach + 1);
            var part = new float[length];
            Resampler.ResamplePart(signal.AsSpan((int)first, (int)(last - first)), first, rate, to, start, part);
            for (var i = 0; i < length; i++)
                Assert.Equal(whole[start + i], part[i], 1e-6f);
        }
    }
}
