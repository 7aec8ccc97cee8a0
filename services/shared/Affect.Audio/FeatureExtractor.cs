using System.Buffers;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Affect.Audio;

/// <summary>
/// The acoustic features that the speech models read, equal to those of librosa 0.11
/// (<c>librosa.feature.mfcc</c>, <c>melspectrogram</c> with <c>power_to_db</c>, <c>delta</c>,
/// <c>zero_crossing_rate</c>, <c>rms</c>) at 22,050 Hz with its defaults, and 40 MFCC.
/// Safe to call from any number of threads.
/// </summary>
public static class FeatureExtractor
{
    /// <summary>The sample rate that windows must have, in hertz.</summary>
    public const int SampleRate = 22_050;

    /// <summary>Samples of a frame, and from one frame to the next.</summary>
    public const int FrameLength = 2048, HopLength = 512;

    public const int MelCount = 128, MfccCount = 40;

    private const int Lanes = LockStepFft.Lanes;
    private const int BinCount = (FrameLength / 2) + 1;
    private const int BlocksPerFrame = FrameLength / HopLength;

    /// <summary>power_to_db: nothing is quieter than this power, nor than 80 dB below the window's loudest.</summary>
    private const float MinPower = 1e-10f, TopDb = 80f;

    /// <summary>zero_crossings: samples this small count as (positive) zero.</summary>
    private const float ZeroThreshold = 1e-10f;

    /// <summary>delta: frames on each side of the one whose slope is taken.</summary>
    private const int DeltaReach = 4;

    private static readonly LockStepFft Fft = new(FrameLength);
    private static readonly float[] HalvedHann = BuildHalvedHann();
    private static readonly MelBand[] MelBands = BuildMelBands();
    private static readonly float[] Dct = BuildDct();

    [ThreadStatic]
    private static Workspace? _workspace;

    /// <summary>Values per frame: 42, 82, 128 or 130.</summary>
    public static int FeatureCount(FeatureSet set) => set switch
    {
        FeatureSet.MfccZcrRms => MfccCount + 2,
        FeatureSet.MfccDeltaZcrRms => (2 * MfccCount) + 2,
        FeatureSet.LogMel => MelCount,
        FeatureSet.LogMelZcrRms => MelCount + 2,
        _ => throw new ArgumentOutOfRangeException(nameof(set)),
    };

    /// <summary>Frames of a window: frame i is centred on sample 512 · i, and the last one is still inside.</summary>
    public static int FrameCount(int samples) => 1 + (samples / HopLength);

    /// <summary>Computes the features of a window. Allocates nothing once warm.</summary>
    /// <param name="window">Samples at 22,050 Hz, at least one, all finite. Levels count from the loudest of this window.</param>
    /// <param name="set">What to compute.</param>
    /// <param name="destination">Receives [frame][feature], FrameCount × FeatureCount values; what is longer is left alone.</param>
    /// <exception cref="ArgumentException">The window is empty, or the destination too short.</exception>
    public static void Extract(ReadOnlySpan<float> window, FeatureSet set, Span<float> destination)
    {
        if (window.IsEmpty)
            throw new ArgumentException("The window is empty.", nameof(window));

        var frames = FrameCount(window.Length);
        var features = FeatureCount(set);
        if (destination.Length < (long)frames * features)
            throw new ArgumentException($"The destination must hold {frames} frames of {features} values.", nameof(destination));

        var workspace = _workspace ??= new Workspace();
        var groups = (frames + Lanes - 1) / Lanes;
        var rented = ArrayPool<float>.Shared.Rent(groups * MelCount * Lanes);
        try
        {
            // [group][band][lane]: eight frames side by side, as they are computed.
            var logMel = MemoryMarshal.Cast<float, Vector256<float>>(rented.AsSpan(0, groups * MelCount * Lanes));
            var max = MinDb;
            for (var group = 0; group < groups; group++)
                max = MathF.Max(max, LogMelOfGroup(window, group * Lanes, frames, workspace, logMel.Slice(group * MelCount, MelCount)));

            var floor = Vector256.Create(max - TopDb);
            foreach (ref var value in logMel)
                value = Vector256.Max(value, floor);

            for (var group = 0; group < groups; group++)
            {
                ReadOnlySpan<Vector256<float>> values = logMel.Slice(group * MelCount, MelCount);
                if (set is not (FeatureSet.LogMel or FeatureSet.LogMelZcrRms))
                {
                    ToMfcc(values, workspace.Mfcc);
                    values = workspace.Mfcc;
                }
                StoreLanes(values, group * Lanes, frames, features, destination);
            }
        }
        finally
        {
            ArrayPool<float>.Shared.Return(rented);
        }

        if (set == FeatureSet.MfccDeltaZcrRms)
            StoreDeltas(frames, features, destination);
        if (set != FeatureSet.LogMel)
            StoreZcrAndRms(window, frames, features, destination);
    }

    private static float MinDb => 10 * MathF.Log10(MinPower);

    /// <summary>The mel spectrogram of eight frames in dB, before the floor; returns its maximum.</summary>
    private static float LogMelOfGroup(ReadOnlySpan<float> window, int firstFrame, int frames, Workspace workspace, Span<Vector256<float>> logMel)
    {
        // librosa centres frames by padding half a frame of zeros on either side.
        var samples = workspace.Samples;
        CopyPadded(window, (firstFrame * HopLength) - (FrameLength / 2), samples);

        ref var sample = ref MemoryMarshal.GetArrayDataReference(samples);
        var lanes = workspace.Frames;
        for (var i = 0; i < FrameLength; i++)
            lanes[i] = Gather(ref Unsafe.Add(ref sample, i)) * Vector256.Create(HalvedHann[i]);

        var power = workspace.Power;
        Fft.PowerTimesFour(lanes, power);

        // Lanes behind the last frame hold sound too, that of frames which librosa does not compute.
        var valid = Vector256.LessThan(Vector256<int>.Indices + Vector256.Create(firstFrame), Vector256.Create(frames)).AsSingle();
        var max = Vector256.Create(MinDb);
        for (var band = 0; band < MelCount; band++)
        {
            var (first, weights) = MelBands[band];
            Vector256<float> even = default, odd = default;
            var bins = power.AsSpan(first, weights.Length);
            var i = 0;
            for (; i + 1 < weights.Length; i += 2)
            {
                even = Vector256.MultiplyAddEstimate(bins[i], Vector256.Create(weights[i]), even);
                odd = Vector256.MultiplyAddEstimate(bins[i + 1], Vector256.Create(weights[i + 1]), odd);
            }

            if (i < weights.Length)
                even = Vector256.MultiplyAddEstimate(bins[i], Vector256.Create(weights[i]), even);

            var db = ToDb(even + odd);
            logMel[band] = db;
            max = Vector256.Max(max, Vector256.ConditionalSelect(valid, db, max));
        }

        var loudest = MinDb;
        for (var lane = 0; lane < Lanes; lane++)
            loudest = MathF.Max(loudest, max[lane]);
        return loudest;
    }

    /// <summary>10 log10(power), as power_to_db with a reference of 1. Off by less than 1e-4 dB (see the tests).</summary>
    internal static Vector256<float> ToDb(Vector256<float> power) =>
        Vector256.Log2(Vector256.Max(power, Vector256.Create(MinPower))) * (10 * 0.30102999566f);

    /// <summary>One sample of each of eight frames.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Gather(ref float sample) => Vector256.Create(
        sample,
        Unsafe.Add(ref sample, HopLength),
        Unsafe.Add(ref sample, 2 * HopLength),
        Unsafe.Add(ref sample, 3 * HopLength),
        Unsafe.Add(ref sample, 4 * HopLength),
        Unsafe.Add(ref sample, 5 * HopLength),
        Unsafe.Add(ref sample, 6 * HopLength),
        Unsafe.Add(ref sample, 7 * HopLength));

    /// <summary>Copies what the window has from sample <paramref name="start"/> on, and zeros where it has nothing.</summary>
    private static void CopyPadded(ReadOnlySpan<float> window, int start, Span<float> target)
    {
        var before = Math.Clamp(-start, 0, target.Length);
        target[..before].Clear();
        target = target[before..];
        var from = Math.Min(start + before, window.Length);
        var count = Math.Min(target.Length, window.Length - from);
        window.Slice(from, count).CopyTo(target);
        target[count..].Clear();
    }

    /// <summary>The first 40 coefficients of the DCT of each lane.</summary>
    private static void ToMfcc(ReadOnlySpan<Vector256<float>> logMel, Span<Vector256<float>> mfcc)
    {
        // Eight coefficients at a time: each band is loaded once for eight independent sums.
        for (var first = 0; first < MfccCount; first += 8)
        {
            Vector256<float> c0 = default, c1 = default, c2 = default, c3 = default;
            Vector256<float> c4 = default, c5 = default, c6 = default, c7 = default;
            ref var weight = ref Dct[first * MelCount];
            foreach (var band in logMel)
            {
                c0 = Vector256.MultiplyAddEstimate(band, Vector256.Create(weight), c0);
                c1 = Vector256.MultiplyAddEstimate(band, Vector256.Create(Unsafe.Add(ref weight, 1)), c1);
                c2 = Vector256.MultiplyAddEstimate(band, Vector256.Create(Unsafe.Add(ref weight, 2)), c2);
                c3 = Vector256.MultiplyAddEstimate(band, Vector256.Create(Unsafe.Add(ref weight, 3)), c3);
                c4 = Vector256.MultiplyAddEstimate(band, Vector256.Create(Unsafe.Add(ref weight, 4)), c4);
                c5 = Vector256.MultiplyAddEstimate(band, Vector256.Create(Unsafe.Add(ref weight, 5)), c5);
                c6 = Vector256.MultiplyAddEstimate(band, Vector256.Create(Unsafe.Add(ref weight, 6)), c6);
                c7 = Vector256.MultiplyAddEstimate(band, Vector256.Create(Unsafe.Add(ref weight, 7)), c7);
                weight = ref Unsafe.Add(ref weight, 8);
            }

            mfcc[first] = c0;
            mfcc[first + 1] = c1;
            mfcc[first + 2] = c2;
            mfcc[first + 3] = c3;
            mfcc[first + 4] = c4;
            mfcc[first + 5] = c5;
            mfcc[first + 6] = c6;
            mfcc[first + 7] = c7;
        }
    }

    /// <summary>Writes each lane as one frame's first values.</summary>
    private static void StoreLanes(ReadOnlySpan<Vector256<float>> values, int firstFrame, int frames, int features, Span<float> destination)
    {
        var scalars = MemoryMarshal.Cast<Vector256<float>, float>(values);
        var lanes = Math.Min(Lanes, frames - firstFrame);
        for (var lane = 0; lane < lanes; lane++)
        {
            var frame = destination.Slice((firstFrame + lane) * features, values.Length);
            for (var i = 0; i < frame.Length; i++)
                frame[i] = scalars[(i * Lanes) + lane];
        }
    }

    /// <summary>
    /// The slope of the line that fits each MFCC's nine values around a frame best. Near the edges the first
    /// and the last nine serve, which is what mode "interp" of <c>scipy.signal.savgol_filter</c> comes to at
    /// order 1. A window of fewer frames, which librosa refuses, is fitted with all it has.
    /// </summary>
    private static void StoreDeltas(int frames, int features, Span<float> destination)
    {
        var reach = Math.Min(DeltaReach, (frames - 1) / 2);
        var scale = 0f;
        for (var k = 1; k <= reach; k++)
            scale += 2 * k * k;

        for (var frame = 0; frame < frames; frame++)
        {
            var delta = destination.Slice((frame * features) + MfccCount, MfccCount);
            delta.Clear();
            var centre = Math.Clamp(frame, reach, frames - 1 - reach);
            for (var k = 1; k <= reach; k++)
            {
                var after = destination.Slice((centre + k) * features, MfccCount);
                var before = destination.Slice((centre - k) * features, MfccCount);
                for (var i = 0; i < delta.Length; i++)
                    delta[i] += (after[i] - before[i]) * (k / scale);
            }
        }
    }

    /// <summary>
    /// The last two values of each frame. Frames overlap by three quarters, so each hop's crossings and
    /// energy are counted once and summed four at a time.
    /// </summary>
    private static void StoreZcrAndRms(ReadOnlySpan<float> window, int frames, int features, Span<float> destination)
    {
        Span<int> crossings = stackalloc int[BlocksPerFrame];
        Span<float> energies = stackalloc float[BlocksPerFrame];
        crossings.Clear();
        energies.Clear();
        (crossings[0], energies[0]) = Measure(window, 0);

        for (var frame = 0; frame < frames; frame++)
        {
            // Frame f covers the blocks f - 2 … f + 1. A block's slot is its number modulo four.
            var newest = (frame + 1) % BlocksPerFrame;
            (crossings[newest], energies[newest]) = Measure(window, (frame + 1) * HopLength);

            var crossed = crossings[0] + crossings[1] + crossings[2] + crossings[3];
            // The sample before a frame is not part of it, so its first cannot cross.
            var first = (frame - 2) * HopLength;
            if (first > 0 && IsNegative(window[first]) != IsNegative(window[first - 1]))
                crossed--;

            var energy = energies[0] + energies[1] + energies[2] + energies[3];
            var values = destination.Slice((frame * features) + features - 2, 2);
            values[0] = crossed / (float)FrameLength;
            values[1] = MathF.Sqrt(energy / FrameLength);
        }
    }

    /// <summary>
    /// Sign changes and energy of one hop from <paramref name="start"/> on. Beyond the window's ends there is
    /// nothing of either: librosa pads with zeros for RMS, and with the outermost samples for ZCR.
    /// </summary>
    private static (int Crossings, float Energy) Measure(ReadOnlySpan<float> window, int start)
    {
        if (start >= window.Length)
            return (0, 0);

        var end = Math.Min(start + HopLength, window.Length);
        var crossings = 0;
        var energy = 0f;
        var i = start;
        if (i == 0) // the one sample without a predecessor
        {
            energy = window[0] * window[0];
            i = 1;
        }

        ref var sample = ref MemoryMarshal.GetReference(window);
        var negative = Vector256.Create(-ZeroThreshold);
        Vector256<float> sum = default;
        for (; i <= end - Lanes; i += Lanes)
        {
            var here = Vector256.LoadUnsafe(ref sample, (nuint)i);
            var before = Vector256.LoadUnsafe(ref sample, (nuint)i - 1);
            var changes = Vector256.LessThan(here, negative) ^ Vector256.LessThan(before, negative);
            crossings += BitOperations.PopCount(changes.ExtractMostSignificantBits());
            sum = Vector256.MultiplyAddEstimate(here, here, sum);
        }

        energy += Vector256.Sum(sum);
        for (; i < end; i++)
        {
            if (IsNegative(window[i]) != IsNegative(window[i - 1]))
                crossings++;
            energy += window[i] * window[i];
        }

        return (crossings, energy);
    }

    private static bool IsNegative(float sample) => sample < -ZeroThreshold;

    /// <summary>scipy's periodic Hann window, halved for <see cref="LockStepFft.PowerTimesFour"/>.</summary>
    private static float[] BuildHalvedHann()
    {
        var window = new float[FrameLength];
        for (var i = 0; i < window.Length; i++)
            window[i] = (float)(0.25 - (0.25 * Math.Cos(2 * Math.PI * i / FrameLength)));
        return window;
    }

    /// <summary>
    /// <c>librosa.filters.mel</c>: triangles that are equally spaced on Slaney's mel scale, each of unit area.
    /// Only the bins under each triangle are kept.
    /// </summary>
    private static MelBand[] BuildMelBands()
    {
        var edges = new double[MelCount + 2];
        var highest = HertzToMel(SampleRate / 2.0);
        for (var i = 0; i < edges.Length; i++)
            edges[i] = MelToHertz(highest * i / (edges.Length - 1));

        var bands = new MelBand[MelCount];
        for (var band = 0; band < bands.Length; band++)
        {
            var (low, centre, high) = (edges[band], edges[band + 1], edges[band + 2]);
            var weights = new float[BinCount];
            for (var bin = 0; bin < BinCount; bin++)
            {
                var hertz = (double)bin * SampleRate / FrameLength;
                var height = Math.Min((hertz - low) / (centre - low), (high - hertz) / (high - centre));
                weights[bin] = (float)(Math.Max(0, height) * 2 / (high - low));
            }

            var first = Array.FindIndex(weights, weight => weight > 0);
            var last = Array.FindLastIndex(weights, weight => weight > 0);
            bands[band] = new MelBand(first, weights[first..(last + 1)]);
        }

        return bands;
    }

    /// <summary>Slaney's scale (Auditory Toolbox, 1998; librosa's htk=False): linear to 1 kHz, then 27 steps to each factor of 6.4.</summary>
    private static double HertzToMel(double hertz) =>
        hertz < 1000 ? hertz * 3 / 200 : 15 + (27 * Math.Log(hertz / 1000) / Math.Log(6.4));

    private static double MelToHertz(double mel) =>
        mel < 15 ? mel * 200 / 3 : 1000 * Math.Pow(6.4, (mel - 15) / 27);

    /// <summary>The orthonormal DCT-II (<c>scipy.fft.dct</c>, norm="ortho") as [coefficient / 8][band][coefficient % 8].</summary>
    private static float[] BuildDct()
    {
        var matrix = new float[MfccCount * MelCount];
        for (var c = 0; c < MfccCount; c++)
        {
            var scale = Math.Sqrt((c == 0 ? 1.0 : 2.0) / MelCount);
            for (var band = 0; band < MelCount; band++)
            {
                var value = scale * Math.Cos(Math.PI * c * ((2 * band) + 1) / (2 * MelCount));
                matrix[(c / 8 * 8 * MelCount) + (band * 8) + (c % 8)] = (float)value;
            }
        }

        return matrix;
    }

    /// <param name="First">The first bin with a weight.</param>
    /// <param name="Weights">The weights of the bins from there on.</param>
    private readonly record struct MelBand(int First, float[] Weights);

    /// <summary>What one thread needs for eight frames.</summary>
    private sealed class Workspace
    {
        public readonly float[] Samples = new float[FrameLength + ((Lanes - 1) * HopLength)];
        public readonly Vector256<float>[] Frames = new Vector256<float>[FrameLength];
        public readonly Vector256<float>[] Power = new Vector256<float>[BinCount];
        public readonly Vector256<float>[] Mfcc = new Vector256<float>[MfccCount];
    }
}
