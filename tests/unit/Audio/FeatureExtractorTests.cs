using System.Runtime.Intrinsics;

using Affect.Audio;

namespace Affect.UnitTests.Audio;

public sealed class FeatureExtractorTests
{
    public static TheoryData<string> Signals => Golden.Names;

    [Theory]
    [MemberData(nameof(Signals))]
    public void Extract_GoldenSignal_EqualsLibrosa(string signal)
    {
        var golden = Golden.Load(signal);
        var window = golden.Audio.ToMono();
        Assert.Equal(FeatureExtractor.SampleRate, golden.Audio.SampleRate);

        var logMel = Extract(window, FeatureSet.LogMel);
        AssertWithin(0.01f, golden.Feature("melspectrogram_db"), logMel, 0);

        var all = Extract(window, FeatureSet.MfccDeltaZcrRms);
        AssertWithin(0.01f, golden.Feature("mfcc"), all, 0);
        AssertWithin(0.01f, golden.Feature("mfcc_delta"), all, 40);
        // The file has seven digits, which determine the number of crossings.
        var crossings = golden.Feature("zero_crossing_rate")[0].Select(rate => MathF.Round(rate * 2048));
        Assert.Equal(crossings, all.Select(frame => frame[80] * 2048));
        AssertWithin(1e-5f, golden.Feature("rms"), all, 81);

        // The other sets contain the same values at other positions.
        var withoutDelta = Extract(window, FeatureSet.MfccZcrRms);
        Assert.Equal(all.Select(frame => (float[])[.. frame[..40], .. frame[80..]]), withoutDelta);
        Assert.Equal(logMel.Zip(all, (bands, frame) => (float[])[.. bands, .. frame[80..]]), Extract(window, FeatureSet.LogMelZcrRms));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(511)]
    [InlineData(512)]
    [InlineData(4095)]
    [InlineData(66_150)]
    public void Extract_LongerDestination_WritesTheFramesOnly(int length)
    {
        var window = TestSignals.Noise(length, 0.1f);
        foreach (var set in Enum.GetValues<FeatureSet>().Where(set => set != FeatureSet.WhisperLogMel))
        {
            var values = FeatureExtractor.FrameCount(length) * FeatureExtractor.FeatureCount(set);
            var destination = new float[values + 8];
            Array.Fill(destination, float.NaN);
            FeatureExtractor.Extract(window, set, destination);
            Assert.All(destination[..values], value => Assert.True(float.IsFinite(value)));
            Assert.All(destination[values..], value => Assert.True(float.IsNaN(value)));
        }
    }

    [Fact]
    public void Extract_FewerThanNineFrames_HaveTheSlopeOfAllFramesAsDelta()
    {
        // Five frames: the delta of all is the slope of one line through them.
        var window = TestSignals.Noise(2100, 0.1f);
        var frames = Extract(window, FeatureSet.MfccDeltaZcrRms);
        Assert.Equal(5, frames.Length);
        for (var i = 0; i < 40; i++)
        {
            var slope = ((2 * (frames[4][i] - frames[0][i])) + frames[3][i] - frames[1][i]) / 10;
            Assert.All(frames, frame => Assert.Equal(slope, frame[40 + i], 1e-4));
        }
    }

    [Fact]
    public void Extract_ZeroCrossings_AreCountedAsInLibrosa()
    {
        // -0.0 and values within 1e-10 of zero count as positive, so only the true negative value crosses.
        var window = new float[4096];
        window[1000] = -0f;
        window[1010] = -1e-11f;
        window[1020] = -1e-9f;
        var frames = Extract(window, FeatureSet.MfccZcrRms);
        Assert.Equal(2 / 2048f, frames[2][40]);

        // The first sample of a frame has no predecessor in it: frame 4 starts on sample 1024.
        window = [.. Enumerable.Repeat(0.5f, 1024), .. Enumerable.Repeat(-0.5f, 3072)];
        frames = Extract(window, FeatureSet.MfccZcrRms);
        Assert.Equal(1 / 2048f, frames[3][40]);
        Assert.Equal(0f, frames[4][40]);
    }

    [Fact]
    public void ToDb_AnyPower_IsExactTo1e4Db()
    {
        var random = new Random(5);
        for (var i = 0; i < 100_000; i++)
        {
            var power = (float)Math.Pow(10, (random.NextDouble() * 16) - 10);
            Assert.Equal(10 * Math.Log10(power), FeatureExtractor.ToDb(Vector256.Create(power))[i % 8], 1e-4);
        }

        Assert.Equal(-100, FeatureExtractor.ToDb(Vector256<float>.Zero)[0], 1e-4);
    }

    [Fact]
    public void Extract_SecondCall_AllocatesNothing()
    {
        var window = TestSignals.Noise(66_150, 0.1f);
        var destination = new float[FeatureExtractor.FrameCount(window.Length) * 82];
        for (var i = 0; i < 50; i++)
            FeatureExtractor.Extract(window, FeatureSet.MfccDeltaZcrRms, destination);

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 10; i++)
            FeatureExtractor.Extract(window, FeatureSet.MfccDeltaZcrRms, destination);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void Extract_ConcurrentThreads_GiveTheSameFeatures()
    {
        var windows = Enumerable.Range(0, 16).Select(seed => TestSignals.Noise(30_000, 0.01f * (seed + 1), seed)).ToArray();
        var alone = windows.Select(window => Extract(window, FeatureSet.MfccDeltaZcrRms)).ToArray();
        Parallel.For(0, 200, i => Assert.Equal(alone[i % 16], Extract(windows[i % 16], FeatureSet.MfccDeltaZcrRms)));
    }

    [Fact]
    public void Extract_InvalidArgument_Throws()
    {
        Assert.Throws<ArgumentException>(() => FeatureExtractor.Extract([], FeatureSet.LogMel, new float[1000]));
        Assert.Throws<ArgumentException>(() => FeatureExtractor.Extract(new float[512], FeatureSet.LogMel, new float[255]));
        Assert.Throws<ArgumentOutOfRangeException>(() => FeatureExtractor.FeatureCount((FeatureSet)9));
    }

    /// <summary>The features as [frame][feature].</summary>
    private static float[][] Extract(float[] window, FeatureSet set)
    {
        var count = FeatureExtractor.FeatureCount(set);
        var destination = new float[FeatureExtractor.FrameCount(window.Length) * count];
        FeatureExtractor.Extract(window, set, destination);
        return [.. destination.Chunk(count)];
    }

    private static void AssertWithin(float tolerance, float[][] expected, float[][] frames, int firstFeature)
    {
        Assert.Equal(expected[0].Length, frames.Length);
        for (var feature = 0; feature < expected.Length; feature++)
        {
            for (var frame = 0; frame < frames.Length; frame++)
                Assert.Equal(expected[feature][frame], frames[frame][firstFeature + feature], tolerance);
        }
    }
}
