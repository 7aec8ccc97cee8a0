using Affect.Audio;

using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;

namespace Affect.Benchmarks;

/// <summary>The audio front end on one core, for three seconds of sound.</summary>
/// <remarks>In this process, so that no second build is waited for: nothing here depends on how the process was started.</remarks>
[InProcess]
[WarmupCount(5), IterationCount(12), IterationTime(250)]
[MemoryDiagnoser]
[Config(typeof(Config))]
public class FrontEndBenchmarks
{
    private const int Seconds = 3;

    private readonly float[] _window = Noise(FeatureExtractor.SampleRate);
    private readonly float[] _telephone = Noise(8_000);
    private readonly float[] _studio = Noise(48_000);
    private readonly float[] _features = new float[FeatureExtractor.FrameCount(Windowing.Length) * FeatureExtractor.MelCount];

    [Benchmark(Baseline = true)]
    public void MfccZcrRms() => FeatureExtractor.Extract(_window, FeatureSet.MfccZcrRms, _features);

    [Benchmark]
    public void MfccDeltaZcrRms() => FeatureExtractor.Extract(_window, FeatureSet.MfccDeltaZcrRms, _features);

    [Benchmark]
    public void LogMel() => FeatureExtractor.Extract(_window, FeatureSet.LogMel, _features);

    [Benchmark]
    public float[] ResampleFrom8000() => Resampler.Resample(_telephone, 8_000, FeatureExtractor.SampleRate);

    [Benchmark]
    public float[] ResampleFrom48000() => Resampler.Resample(_studio, 48_000, FeatureExtractor.SampleRate);

    [Benchmark]
    public object VoiceActivity() => VoiceActivityDetector.Detect(_window, FeatureExtractor.SampleRate);

    private static float[] Noise(int sampleRate)
    {
        var random = new Random(1);
        var noise = new float[Seconds * sampleRate];
        foreach (ref var sample in noise.AsSpan())
            sample = random.NextSingle() - 0.5f;
        return noise;
    }

    private sealed class Config : ManualConfig
    {
        public Config() => AddColumn(new RealTimeFactor());
    }

    /// <summary>Seconds of sound per second of one core.</summary>
    private sealed class RealTimeFactor : IColumn
    {
        public string Id => nameof(RealTimeFactor);

        public string ColumnName => "× real time";

        public string Legend => "Seconds of sound done in a second of one core";

        public bool AlwaysShow => true;

        public ColumnCategory Category => ColumnCategory.Custom;

        public int PriorityInCategory => 0;

        public bool IsNumeric => true;

        public UnitType UnitType => UnitType.Dimensionless;

        public string GetValue(Summary summary, BenchmarkCase benchmarkCase) =>
            summary[benchmarkCase]?.ResultStatistics is { } statistics ? $"{Seconds / (statistics.Mean * 1e-9):N0}" : "?";

        public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style) => GetValue(summary, benchmarkCase);

        public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

        public bool IsAvailable(Summary summary) => true;
    }
}
