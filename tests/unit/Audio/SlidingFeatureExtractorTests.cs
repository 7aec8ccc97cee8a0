using Affect.Audio;

namespace Affect.UnitTests.Audio;

public sealed class SlidingFeatureExtractorTests
{
    private const int Rate = FeatureExtractor.SampleRate, Length = Windowing.Length;

    private static readonly float[] Signal = TestSignals.Noise(12 * Rate, 0.1f);

    public static TheoryData<FeatureSet, int> Hops
    {
        get
        {
            var data = new TheoryData<FeatureSet, int>();
            foreach (var set in Enum.GetValues<FeatureSet>().Where(set => set != FeatureSet.WhisperLogMel))
                foreach (var hop in (int[])[2205, Rate / 2, Rate, 4 * Rate])
                    data.Add(set, hop);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Hops))]
    public void Extract_OverlappingWindows_EqualsEachWindowByItself(FeatureSet set, int hop)
    {
        var sliding = new SlidingFeatureExtractor(set, Length);
        foreach (var window in Windowing.Over(Signal.Length - 777, Length, hop))
            AssertEqual(sliding, window, set);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(300)]
    [InlineData(Rate)]
    [InlineData(Length - 1)]
    public void Extract_WindowShorterThanTheModels_IsPaddedWithZeros(int count)
    {
        var sliding = new SlidingFeatureExtractor(FeatureSet.MfccDeltaZcrRms, Length);
        AssertEqual(sliding, new(0, count), FeatureSet.MfccDeltaZcrRms);
        AssertEqual(sliding, new(512, count), FeatureSet.MfccDeltaZcrRms);
        AssertEqual(sliding, new(512, Length), FeatureSet.MfccDeltaZcrRms);
    }

    [Fact]
    public void Extract_WhisperLogMel_EqualsTheResampledWindow()
    {
        var sliding = new SlidingFeatureExtractor(FeatureSet.WhisperLogMel, Length);
        foreach (var (start, count) in new[] { (0, Length), (43 * 512, Length), (7, Rate) })
        {
            var window = new float[Length];
            Signal.AsSpan(start, count).CopyTo(window);
            var expected = new float[300 * WhisperLogMel.MelCount];
            WhisperLogMel.Extract(Resampler.Resample(window, Rate, WhisperLogMel.SampleRate), expected);

            var actual = new float[sliding.FeatureLength];
            sliding.Extract(start, count, (first, samples) => Signal.AsSpan((int)first, samples.Length).CopyTo(samples), actual);

            Assert.Equal(expected, actual);
        }
    }

    [Fact]
    public void Extract_WindowsOutOfOrderOrOffTheGrid_AreStillEqual()
    {
        var sliding = new SlidingFeatureExtractor(FeatureSet.MfccZcrRms, Length);
        foreach (var start in (int[])[0, 5 * 512, 512, 1000, 1512, 512, 512, 100 * 512, 101 * 512])
            AssertEqual(sliding, new(start, Length), FeatureSet.MfccZcrRms);
    }

    [Fact]
    public void Extract_SecondWindow_ReadsNoSampleBetweenTheLeadingFramesAndTheNewOnes()
    {
        var read = 0;
        var sliding = new SlidingFeatureExtractor(FeatureSet.MfccZcrRms, Length);
        for (var index = 0; index < 5; index++)
        {
            read = 0;
            sliding.Extract(Windowing.Start(index, Rate), Length, Count, new float[sliding.FeatureLength]);
        }

        Assert.InRange(read, Rate, Rate * 5 / 4);

        void Count(long first, Span<float> samples)
        {
            read += samples.Length;
            Signal.AsSpan((int)first, samples.Length).CopyTo(samples);
        }
    }

    private static void AssertEqual(SlidingFeatureExtractor sliding, Window window, FeatureSet set)
    {
        var padded = new float[Length];
        Signal.AsSpan(window.Start, window.Length).CopyTo(padded);
        var expected = new float[sliding.FeatureLength];
        FeatureExtractor.Extract(padded, set, expected);
        var actual = new float[sliding.FeatureLength];
        sliding.Extract(window.Start, window.Length, (first, samples) => Signal.AsSpan((int)first, samples.Length).CopyTo(samples), actual);
        for (var i = 0; i < expected.Length; i++)
            Assert.Equal(expected[i], actual[i], 1e-4f);
    }
}
