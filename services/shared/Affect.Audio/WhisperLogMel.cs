using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Affect.Audio;

/// <summary>
/// The log-mel spectrogram of Whisper (Radford et al. 2022, <c>whisper/audio.py</c>): 80 bands of Slaney's mel scale from 0 to 8 kHz,
/// frames of 25 ms every 10 ms, <c>(max(log10 power, maximum - 8) + 4) / 4</c>. Loudness and offset are removed first: the mean of each
/// frame is subtracted, and each window is brought to an active speech level of -26 dBFS. Both depend on the window alone, so that a
/// stream equals a file. Safe to call from any number of threads.
/// </summary>
public static class WhisperLogMel
{
    /// <summary>Sample rate of windows in hertz.</summary>
    public const int SampleRate = 16_000;

    /// <summary>Samples of a frame, and from the start of one frame to the next.</summary>
    public const int FrameLength = 400, HopLength = 160;

    public const int MelCount = 80;

    /// <summary>Active speech level of a window after normalization, as mean square relative to full scale: -26 dBFS.</summary>
    private const double ReferencePower = 2.51188643e-3;

    /// <summary>Active level over activity threshold in ITU-T P.56, method B: 15.9 dB.</summary>
    private const double ActivityMargin = 38.9045145;

    /// <summary>Level below which a window counts as digital silence and is not amplified: -96 dBFS.</summary>
    private const double SilencePower = 2.5e-10;

    private const float MinPower = 1e-10f, Range = 8;
    private const int Lanes = 8, HalfFrame = FrameLength / 2, Quarter = FrameLength / 4, BinCount = HalfFrame + 1, Group = 4;

    private static readonly float[] Hann = BuildHann();
    private static readonly MelBand[] MelBands = MelBand.Slaney(MelCount, SampleRate, FrameLength);

    // [group of bins][n][bin], cosines then sines, of the even and the odd bins.
    private static readonly float[] EvenRoots = BuildRoots(0), OddRoots = BuildRoots(1);

    [ThreadStatic]
    private static Workspace? _workspace;

    /// <summary>Frames of a window: frame i is centered on sample 160 · i.</summary>
    public static int FrameCount(int samples) => samples / HopLength;

    /// <summary>Computes the features of one window. Allocates nothing once warm.</summary>
    /// <param name="window">Samples at 16 kHz, more than 200, all finite.</param>
    /// <param name="destination">Receives [frame][band], FrameCount × 80 values; about -1 to 2.</param>
    /// <exception cref="ArgumentException">The window or the destination is too short.</exception>
    public static void Extract(ReadOnlySpan<float> window, Span<float> destination)
    {
        if (window.Length <= HalfFrame)
            throw new ArgumentException($"The window must have more than {HalfFrame} samples.", nameof(window));
        var frames = FrameCount(window.Length);
        if (destination.Length < frames * MelCount)
            throw new ArgumentException($"The destination must hold {frames} frames of {MelCount} values.", nameof(destination));

        var powers = ArrayPool<float>.Shared.Rent(frames);
        try
        {
            MelPower(window, 0, destination[..(frames * MelCount)]);
            for (var block = 0; block < frames; block++)
                powers[block] = BlockPower(window.Slice(block * HopLength, HopLength));
            Normalize(destination[..(frames * MelCount)], powers.AsSpan(0, frames));
        }
        finally
        {
            ArrayPool<float>.Shared.Return(powers);
        }
    }

    /// <summary>Mel powers of consecutive frames, before normalization.</summary>
    /// <param name="samples">A window or signal, reflected at both ends (<c>torch.stft</c> with <c>center=True</c>).</param>
    /// <param name="frame">Index of the first frame: it is centered on sample 160 · frame of <paramref name="samples"/>.</param>
    /// <param name="power">Receives [frame][band]; its length says how many frames.</param>
    internal static void MelPower(ReadOnlySpan<float> samples, int frame, Span<float> power)
    {
        var workspace = _workspace ??= new Workspace();
        for (; !power.IsEmpty; frame += Lanes)
        {
            var count = Math.Min(Lanes, power.Length / MelCount);
            MelPowerOfGroup(samples, frame, count, workspace);
            var scalars = MemoryMarshal.Cast<Vector256<float>, float>(workspace.Mel);
            for (var lane = 0; lane < count; lane++)
                for (var band = 0; band < MelCount; band++)
                    power[(lane * MelCount) + band] = scalars[(band * Lanes) + lane];
            power = power[(count * MelCount)..];
        }
    }

    /// <summary>Mean square of the samples of a block of 10 ms around their mean.</summary>
    internal static float BlockPower(ReadOnlySpan<float> block)
    {
        Vector256<float> sums = default, squares = default;
        foreach (var vector in MemoryMarshal.Cast<float, Vector256<float>>(block))
        {
            sums += vector;
            squares = Vector256.MultiplyAddEstimate(vector, vector, squares);
        }

        var mean = Vector256.Sum(sums) / block.Length;
        return MathF.Max(0, (Vector256.Sum(squares) / block.Length) - (mean * mean));
    }

    /// <summary>Brings mel powers of a window to the reference level and to Whisper's scale, in place.</summary>
    /// <param name="features">[frame][band].</param>
    /// <param name="powers">Power of each block of 10 ms of the window.</param>
    internal static void Normalize(Span<float> features, ReadOnlySpan<float> powers)
    {
        var level = ActiveLevel(powers);
        var gain = Vector256.Create(level < SilencePower ? 1 : (float)(ReferencePower / level));
        var vectors = MemoryMarshal.Cast<float, Vector256<float>>(features);
        var highest = Vector256.Create(float.MinValue);
        foreach (ref var vector in vectors)
        {
            vector = Vector256.Log2(Vector256.Max(vector * gain, Vector256.Create(MinPower))) * 0.30102999566f;
            highest = Vector256.Max(highest, vector);
        }

        var maximum = float.MinValue;
        for (var lane = 0; lane < Lanes; lane++)
            maximum = MathF.Max(maximum, highest[lane]);
        var floor = Vector256.Create(maximum - Range);
        foreach (ref var vector in vectors)
            vector = (Vector256.Max(vector, floor) + Vector256.Create(4f)) * 0.25f;
    }

    /// <summary>
    /// Active speech level as mean square: that of the blocks which lie at most 15.9 dB below it (ITU-T P.56, method B, with blocks of
    /// 10 ms in place of an envelope).
    /// </summary>
    internal static double ActiveLevel(ReadOnlySpan<float> powers)
    {
        var (level, active) = (0.0, 0);
        while (true)
        {
            var (sum, count) = (0.0, 0);
            foreach (var power in powers)
                if (power * ActivityMargin >= level)
                {
                    sum += power;
                    count++;
                }

            if (count == active)
                return level;
            (level, active) = (sum / count, count); // rises, because only blocks below it drop out
        }
    }

    private static void MelPowerOfGroup(ReadOnlySpan<float> samples, int frame, int count, Workspace workspace)
    {
        var start = (frame * HopLength) - HalfFrame;
        var needed = FrameLength + ((count - 1) * HopLength);
        var copy = workspace.Samples.AsSpan();
        if (start >= 0 && start + needed <= samples.Length)
            samples.Slice(start, needed).CopyTo(copy);
        else
            for (var i = 0; i < needed; i++)
                copy[i] = samples[Reflect(start + i, samples.Length)];
        copy[needed..].Clear();

        ref var sample = ref MemoryMarshal.GetReference(copy);
        Vector256<float> sum = default;
        var frames = workspace.Frames;
        for (var i = 0; i < FrameLength; i++)
            sum += frames[i] = Gather(ref Unsafe.Add(ref sample, i));
        var mean = sum * (1f / FrameLength);
        for (var i = 0; i < FrameLength; i++)
            frames[i] = (frames[i] - mean) * Vector256.Create(Hann[i]);

        Fold(workspace);
        Project(workspace.EvenCosines, workspace.EvenSines, EvenRoots, workspace.Power, 0);
        Project(workspace.OddCosines, workspace.OddSines, OddRoots, workspace.Power, 1);

        for (var band = 0; band < MelCount; band++)
        {
            var (first, weights) = MelBands[band];
            Vector256<float> power = default;
            for (var i = 0; i < weights.Length; i++)
                power = Vector256.MultiplyAddEstimate(workspace.Power[first + i], Vector256.Create(weights[i]), power);
            workspace.Mel[band] = power;
        }
    }

    private static int Reflect(int index, int length) =>
        index < 0 ? -index : index >= length ? Math.Max(0, (2 * length) - 2 - index) : index;

    /// <summary>
    /// Folds a frame by the symmetries of its 400 roots: sample n and 400 - n share cosine and sine; n and 200 - n do too, with a
    /// sign that depends on the parity of the bin. A quarter of the products remains. 400 is not a power of two.
    /// </summary>
    private static void Fold(Workspace workspace)
    {
        var x = workspace.Frames;
        for (var n = 0; n <= Quarter; n++)
        {
            var (here, there) = (Sum(n), Sum(HalfFrame - n));
            var (hereDifference, thereDifference) = (Difference(n), Difference(HalfFrame - n));
            var middle = n == Quarter;
            workspace.EvenCosines[n] = middle ? here : here + there;
            workspace.OddCosines[n] = middle ? default : here - there;
            workspace.EvenSines[n] = middle ? default : hereDifference - thereDifference;
            workspace.OddSines[n] = middle ? hereDifference : hereDifference + thereDifference;
        }

        Vector256<float> Sum(int n) => n is 0 or HalfFrame ? x[n] : x[n] + x[FrameLength - n];

        Vector256<float> Difference(int n) => n is 0 or HalfFrame ? default : x[n] - x[FrameLength - n];
    }

    /// <summary>Power of every second bin. Four bins at a time, so that each folded sample is loaded once for eight sums.</summary>
    private static void Project(
        Vector256<float>[] cosines, Vector256<float>[] sines, float[] roots, Vector256<float>[] power, int parity)
    {
        ref var root = ref MemoryMarshal.GetArrayDataReference(roots);
        for (var bin = parity; bin < BinCount; bin += 2 * Group)
        {
            Vector256<float> re0 = default, re1 = default, re2 = default, re3 = default;
            Vector256<float> im0 = default, im1 = default, im2 = default, im3 = default;
            for (var n = 0; n <= Quarter; n++)
            {
                var (even, odd) = (cosines[n], sines[n]);
                re0 = Vector256.MultiplyAddEstimate(even, Vector256.Create(root), re0);
                re1 = Vector256.MultiplyAddEstimate(even, Vector256.Create(Unsafe.Add(ref root, 1)), re1);
                re2 = Vector256.MultiplyAddEstimate(even, Vector256.Create(Unsafe.Add(ref root, 2)), re2);
                re3 = Vector256.MultiplyAddEstimate(even, Vector256.Create(Unsafe.Add(ref root, 3)), re3);
                im0 = Vector256.MultiplyAddEstimate(odd, Vector256.Create(Unsafe.Add(ref root, 4)), im0);
                im1 = Vector256.MultiplyAddEstimate(odd, Vector256.Create(Unsafe.Add(ref root, 5)), im1);
                im2 = Vector256.MultiplyAddEstimate(odd, Vector256.Create(Unsafe.Add(ref root, 6)), im2);
                im3 = Vector256.MultiplyAddEstimate(odd, Vector256.Create(Unsafe.Add(ref root, 7)), im3);
                root = ref Unsafe.Add(ref root, 2 * Group);
            }

            Store(bin, re0, im0);
            Store(bin + 2, re1, im1);
            Store(bin + 4, re2, im2);
            Store(bin + 6, re3, im3);
        }

        void Store(int bin, Vector256<float> re, Vector256<float> im)
        {
            if (bin < BinCount)
                power[bin] = (re * re) + (im * im);
        }
    }

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

    /// <summary><c>torch.hann_window</c>: periodic.</summary>
    private static float[] BuildHann()
    {
        var window = new float[FrameLength];
        for (var i = 0; i < window.Length; i++)
            window[i] = (float)(0.5 - (0.5 * Math.Cos(2 * Math.PI * i / FrameLength)));
        return window;
    }

    private static float[] BuildRoots(int parity)
    {
        var roots = new List<float>();
        for (var bin = parity; bin < BinCount; bin += 2 * Group)
            for (var n = 0; n <= Quarter; n++)
            {
                for (var i = 0; i < Group; i++)
                    roots.Add((float)Math.Cos(2 * Math.PI * (bin + (2 * i)) * n / FrameLength));
                for (var i = 0; i < Group; i++)
                    roots.Add((float)Math.Sin(2 * Math.PI * (bin + (2 * i)) * n / FrameLength));
            }

        return [.. roots];
    }

    /// <summary>Buffers of one thread for eight frames.</summary>
    private sealed class Workspace
    {
        public readonly float[] Samples = new float[FrameLength + ((Lanes - 1) * HopLength)];
        public readonly Vector256<float>[] Frames = new Vector256<float>[FrameLength];
        public readonly Vector256<float>[] EvenCosines = new Vector256<float>[Quarter + 1];
        public readonly Vector256<float>[] EvenSines = new Vector256<float>[Quarter + 1];
        public readonly Vector256<float>[] OddCosines = new Vector256<float>[Quarter + 1];
        public readonly Vector256<float>[] OddSines = new Vector256<float>[Quarter + 1];
        public readonly Vector256<float>[] Power = new Vector256<float>[BinCount];
        public readonly Vector256<float>[] Mel = new Vector256<float>[MelCount];
    }
}
