using System.Buffers;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Affect.Audio;

/// <summary>
/// The acoustic features of the speech models, equal to those of librosa 0.11
/// (<c>librosa.feature.mfcc</c>, <c>melspectrogram</c> with <c>power_to_db</c>, <c>delta</c>,
/// <c>zero_crossing_rate</c>, <c>rms</c>) at 22,050 Hz with its defaults, and 40 MFCC.
/// Safe to call from any number of threads.
/// </summary>
public static class FeatureExtractor
{
    /// <summary>Sample rate of windows in hertz.</summary>
    public const int SampleRate = 22_050;

    /// <summary>Samples of a frame, and from the start of one frame to the next.</summary>
    public const int FrameLength = 2048, HopLength = 512;

    public const int MelCount = 128, MfccCount = 40;

    private const int Lanes = LockStepFft.Lanes;
    private const int BinCount = (FrameLength / 2) + 1;
    private const int BlocksPerFrame = FrameLength / HopLength;

    /// <summary>power_to_db: lower bounds of the power, absolute and in dB below the maximum of the window.</summary>
    private const float MinPower = 1e-10f, TopDb = 80f;

    /// <summary>zero_crossings: smaller samples count as (positive) zero.</summary>
    private const float ZeroThreshold = 1e-10f;

    /// <summary>delta: frames on either side of the one whose slope is computed.</summary>
    private const int DeltaReach = 4;

    private static readonly LockStepFft Fft = new(FrameLength);
    private static readonly float[] HalvedHann = BuildHalvedHann();
    private static readonly MelBand[] MelBands = MelBand.Slaney(MelCount, SampleRate, FrameLength);
    private static readonly float[] Dct = BuildDct();

    [ThreadStatic]
    private static Workspace? _workspace;

    /// <summary>Values per frame: 42, 82, 128, 130 or 80.</summary>
    public static int FeatureCount(FeatureSet set) => set switch
    {
        FeatureSet.MfccZcrRms => MfccCount + 2,
        FeatureSet.MfccDeltaZcrRms => (2 * MfccCount) + 2,
        FeatureSet.LogMel => MelCount,
        FeatureSet.LogMelZcrRms => MelCount + 2,
        FeatureSet.WhisperLogMel => WhisperLogMel.MelCount,
        _ => throw new ArgumentOutOfRangeException(nameof(set)),
    };

    /// <summary>Frames of a window: frame i is centered on sample 512 · i, and the last one is still inside.</summary>
    public static int FrameCount(int samples) => 1 + (samples / HopLength);

    /// <summary>Computes the features of one window. Allocates nothing once warm.</summary>
    /// <param name="window">Samples at 22,050 Hz, at least one, all finite. Levels are relative to the loudest of this window.</param>
    /// <param name="set">Features to compute.</param>
    /// <param name="destination">Receives [frame][feature], FrameCount × FeatureCount values; the rest is left as it is.</param>
    /// <exception cref="ArgumentException">The window is empty, or the destination too short.</exception>
    public static void Extract(ReadOnlySpan<float> window, FeatureSet set, Span<float> destination)
    {
        if (window.IsEmpty)
            throw new ArgumentException("The window is empty.", nameof(window));

        var frames = FrameCount(window.Length);
        var logMel = ArrayPool<float>.Shared.Rent(frames * MelCount);
        var blocks = ArrayPool<Block>.Shared.Rent(frames);
        try
        {
            LogMel(window, -FrameLength / 2, logMel.AsSpan(0, frames * MelCount));
            for (var block = 0; block < frames; block++)
                blocks[block] = Measure(window, block * HopLength);
            Assemble(logMel.AsSpan(0, frames * MelCount), blocks.AsSpan(0, frames), set, destination);
        }
        finally
        {
            ArrayPool<float>.Shared.Return(logMel);
            ArrayPool<Block>.Shared.Return(blocks);
        }
    }

    /// <summary>The features of a window, from what its frames and blocks hold by themselves.</summary>
    /// <param name="logMel">[frame][band] in dB, before the floor.</param>
    /// <param name="blocks">Block i begins at sample 512 · i of the window; as many as there are frames.</param>
    /// <param name="set">Features to compute.</param>
    /// <param name="destination">Receives [frame][feature].</param>
    internal static void Assemble(ReadOnlySpan<float> logMel, ReadOnlySpan<Block> blocks, FeatureSet set, Span<float> destination)
    {
        var frames = logMel.Length / MelCount;
        var features = FeatureCount(set);
        if (destination.Length < (long)frames * features)
            throw new ArgumentException($"The destination must hold {frames} frames of {features} values.", nameof(destination));

        var floor = Max(logMel) - TopDb;
        if (set is FeatureSet.LogMel or FeatureSet.LogMelZcrRms)
            for (var frame = 0; frame < frames; frame++)
                Clamp(logMel.Slice(frame * MelCount, MelCount), floor, destination[(frame * features)..]);
        else
            for (var frame = 0; frame < frames; frame++)
                Mfcc(logMel.Slice(frame * MelCount, MelCount), floor, destination[(frame * features)..]);

        if (set == FeatureSet.MfccDeltaZcrRms)
            StoreDeltas(frames, features, destination);
        if (set != FeatureSet.LogMel)
            StoreZcrAndRms(blocks, features, destination);
    }

    /// <summary>The mel spectrogram in dB, before the floor, of consecutive frames.</summary>
    /// <param name="samples">Zeros are assumed before its first sample and behind its last.</param>
    /// <param name="start">First sample of the first frame, relative to <paramref name="samples"/>; may be negative.</param>
    /// <param name="logMel">Receives [frame][band]; its length says how many frames.</param>
    internal static void LogMel(ReadOnlySpan<float> samples, int start, Span<float> logMel)
    {
        var workspace = _workspace ??= new Workspace();
        for (; !logMel.IsEmpty; start += Lanes * HopLength)
        {
            LogMelOfGroup(samples, start, workspace);
            var frames = Math.Min(Lanes, logMel.Length / MelCount);
            var scalars = MemoryMarshal.Cast<Vector256<float>, float>(workspace.LogMel);
            for (var lane = 0; lane < frames; lane++)
            {
                var frame = logMel.Slice(lane * MelCount, MelCount);
                for (var band = 0; band < frame.Length; band++)
                    frame[band] = scalars[(band * Lanes) + lane];
            }

            logMel = logMel[(frames * MelCount)..];
        }
    }

    /// <summary>
    /// Zero crossings and energy of the block (one hop) that begins at <paramref name="start"/>. Beyond the end there is neither:
    /// librosa pads with zeros for RMS, and with the outermost samples for ZCR.
    /// </summary>
    /// <param name="samples">Of the signal or window.</param>
    /// <param name="start">First sample of the block; at or beyond the end, the block is empty.</param>
    internal static Block Measure(ReadOnlySpan<float> samples, int start)
    {
        if (start >= samples.Length)
            return default;

        var end = Math.Min(start + HopLength, samples.Length);
        var crossesAtStart = start > 0 && IsNegative(samples[start]) != IsNegative(samples[start - 1]);
        var crossings = crossesAtStart ? 1 : 0;
        var energy = samples[start] * samples[start];
        var i = start + 1;
        ref var sample = ref MemoryMarshal.GetReference(samples);
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
            if (IsNegative(samples[i]) != IsNegative(samples[i - 1]))
                crossings++;
            energy += samples[i] * samples[i];
        }

        return new Block(crossings, crossesAtStart, energy);
    }

    /// <summary>Computes the mel spectrogram in dB of eight frames into <see cref="Workspace.LogMel"/>.</summary>
    private static void LogMelOfGroup(ReadOnlySpan<float> window, int start, Workspace workspace)
    {
        var samples = workspace.Samples;
        CopyPadded(window, start, samples);

        ref var sample = ref MemoryMarshal.GetArrayDataReference(samples);
        var lanes = workspace.Frames;
        for (var i = 0; i < FrameLength; i++)
            lanes[i] = Gather(ref Unsafe.Add(ref sample, i)) * Vector256.Create(HalvedHann[i]);

        var power = workspace.Power;
        Fft.PowerTimesFour(lanes, power);

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
            workspace.LogMel[band] = ToDb(even + odd);
        }
    }

    /// <summary>10 log10(power), as power_to_db with a reference of 1, with an error below 1e-4 dB.</summary>
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

    /// <summary>Copies the samples from <paramref name="start"/> on, with zeros outside of the window.</summary>
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

    private static float Max(ReadOnlySpan<float> values)
    {
        var max = Vector256.Create(float.MinValue);
        foreach (var value in MemoryMarshal.Cast<float, Vector256<float>>(values))
            max = Vector256.Max(max, value);
        var largest = float.MinValue;
        for (var lane = 0; lane < Vector256<float>.Count; lane++)
            largest = MathF.Max(largest, max[lane]);
        return largest;
    }

    private static void Clamp(ReadOnlySpan<float> logMel, float floor, Span<float> destination)
    {
        for (var band = 0; band < logMel.Length; band++)
            destination[band] = MathF.Max(logMel[band], floor);
    }

    /// <summary>The first 40 coefficients of the DCT of one frame.</summary>
    private static void Mfcc(ReadOnlySpan<float> logMel, float floor, Span<float> destination)
    {
        // All 40 at a time: each band is loaded once for five independent sums of eight coefficients.
        Vector256<float> c0 = default, c1 = default, c2 = default, c3 = default, c4 = default;
        ref var weight = ref MemoryMarshal.GetArrayDataReference(Dct);
        var lowest = Vector256.Create(floor);
        foreach (var value in logMel)
        {
            var band = Vector256.Max(Vector256.Create(value), lowest);
            c0 = Vector256.MultiplyAddEstimate(band, Vector256.LoadUnsafe(ref weight), c0);
            c1 = Vector256.MultiplyAddEstimate(band, Vector256.LoadUnsafe(ref weight, 8), c1);
            c2 = Vector256.MultiplyAddEstimate(band, Vector256.LoadUnsafe(ref weight, 16), c2);
            c3 = Vector256.MultiplyAddEstimate(band, Vector256.LoadUnsafe(ref weight, 24), c3);
            c4 = Vector256.MultiplyAddEstimate(band, Vector256.LoadUnsafe(ref weight, 32), c4);
            weight = ref Unsafe.Add(ref weight, MfccCount);
        }

        c0.CopyTo(destination);
        c1.CopyTo(destination[8..]);
        c2.CopyTo(destination[16..]);
        c3.CopyTo(destination[24..]);
        c4.CopyTo(destination[32..]);
    }

    /// <summary>
    /// The slope of the least-squares line through the nine values of an MFCC around a frame. Near the edges, the first and the last
    /// nine values serve, as in mode "interp" of <c>scipy.signal.savgol_filter</c> at order 1. A window of fewer frames, which
    /// librosa rejects, is fitted with all it has.
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
            var center = Math.Clamp(frame, reach, frames - 1 - reach);
            for (var k = 1; k <= reach; k++)
            {
                var after = destination.Slice((center + k) * features, MfccCount);
                var before = destination.Slice((center - k) * features, MfccCount);
                for (var i = 0; i < delta.Length; i++)
                    delta[i] += (after[i] - before[i]) * (k / scale);
            }
        }
    }

    /// <summary>Stores the last two values of each frame, sums over the four blocks that the frame covers.</summary>
    private static void StoreZcrAndRms(ReadOnlySpan<Block> blocks, int features, Span<float> destination)
    {
        for (var frame = 0; frame < blocks.Length; frame++)
        {
            var covered = blocks[Math.Max(0, frame - (BlocksPerFrame / 2))..Math.Min(blocks.Length, frame + (BlocksPerFrame / 2))];
            // The sample before a frame is not part of it, so its first sample cannot cross.
            var crossings = covered[0].CrossesAtStart ? -1 : 0;
            var energy = 0f;
            foreach (ref readonly var block in covered)
            {
                crossings += block.Crossings;
                energy += block.Energy;
            }

            var values = destination.Slice((frame * features) + features - 2, 2);
            values[0] = crossings / (float)FrameLength;
            values[1] = MathF.Sqrt(energy / FrameLength);
        }
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

    /// <summary>The orthonormal DCT-II (<c>scipy.fft.dct</c>, norm="ortho") as [band][coefficient].</summary>
    private static float[] BuildDct()
    {
        var matrix = new float[MelCount * MfccCount];
        for (var c = 0; c < MfccCount; c++)
        {
            var scale = Math.Sqrt((c == 0 ? 1.0 : 2.0) / MelCount);
            for (var band = 0; band < MelCount; band++)
                matrix[(band * MfccCount) + c] = (float)(scale * Math.Cos(Math.PI * c * ((2 * band) + 1) / (2 * MelCount)));
        }

        return matrix;
    }

    /// <summary>One hop of samples.</summary>
    /// <param name="Crossings">Sign changes from each sample's predecessor to the sample.</param>
    /// <param name="CrossesAtStart">True if the first sample is one of them.</param>
    /// <param name="Energy">Sum of squares.</param>
    internal readonly record struct Block(int Crossings, bool CrossesAtStart, float Energy);

    /// <summary>Buffers of one thread for eight frames.</summary>
    private sealed class Workspace
    {
        public readonly float[] Samples = new float[FrameLength + ((Lanes - 1) * HopLength)];
        public readonly Vector256<float>[] Frames = new Vector256<float>[FrameLength];
        public readonly Vector256<float>[] Power = new Vector256<float>[BinCount];
        public readonly Vector256<float>[] LogMel = new Vector256<float>[MelCount];
    }
}
