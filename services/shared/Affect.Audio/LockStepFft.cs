using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Affect.Audio;

/// <summary>
/// The power spectra of eight real frames, one in each lane of a vector: no stage shuffles, and every instruction processes eight
/// frames. Holds tables only; thread-safe.
/// </summary>
internal sealed class LockStepFft
{
    /// <summary>Number of frames that are transformed together.</summary>
    public const int Lanes = 8;

    private readonly float[][] _twiddles; // for each stage and j: w^j, w^2j, w^3j as (cos, sin) pairs
    private readonly int[] _positions;    // position of bin k after the in-place transform
    private readonly float[] _split;      // e^(-2πik/n) as (cos, sin) pairs, for k up to n / 4

    /// <param name="size">Samples of a frame: twice a power of four.</param>
    public LockStepFft(int size)
    {
        Size = size;
        var points = size / 2;
        var stages = BitOperations.Log2((uint)points) / 2;
        if (size < 8 || points != 1 << (2 * stages))
            throw new ArgumentException("The size must be twice a power of four.", nameof(size));

        _twiddles = new float[stages][];
        for (int stage = 0, length = points; stage < stages; stage++, length /= 4)
        {
            var table = _twiddles[stage] = new float[length / 4 * 6];
            for (var j = 0; j < length / 4; j++)
            {
                for (var power = 1; power <= 3; power++)
                    SetRoot(table, (3 * j) + power - 1, (double)j * power / length);
            }
        }

        _split = new float[points + 2];
        for (var k = 0; k <= points / 2; k++)
            SetRoot(_split, k, (double)k / size);

        // Decimation in frequency leaves the bins in digit-reversed order, in base four.
        _positions = new int[points];
        for (var k = 0; k < points; k++)
        {
            var position = 0;
            for (int digit = 0, rest = k; digit < stages; digit++, rest /= 4)
                position = (position * 4) + (rest % 4);
            _positions[k] = position;
        }

        static void SetRoot(float[] table, int index, double turns)
        {
            table[2 * index] = (float)Math.Cos(2 * Math.PI * turns);
            table[(2 * index) + 1] = (float)-Math.Sin(2 * Math.PI * turns);
        }
    }

    /// <summary>Samples of a frame.</summary>
    public int Size { get; }

    /// <summary>
    /// Computes 4 |X[k]|² for k = 0 … Size / 2 of each lane. The factor saves two multiplications per bin; callers halve their window
    /// instead.
    /// </summary>
    /// <param name="frames">Size vectors, sample by sample; overwritten.</param>
    /// <param name="power">Size / 2 + 1 vectors, bin by bin.</param>
    public void PowerTimesFour(Span<Vector256<float>> frames, Span<Vector256<float>> power)
    {
        var points = Size / 2;
        ArgumentOutOfRangeException.ThrowIfNotEqual(frames.Length, Size, nameof(frames));
        ArgumentOutOfRangeException.ThrowIfNotEqual(power.Length, points + 1, nameof(power));

        // Even samples are the real parts and odd samples the imaginary parts of one transform of half the size, which gives the
        // spectra of both (Press et al., Numerical Recipes, section 12.3).
        ref var z = ref MemoryMarshal.GetReference(frames);
        Transform(ref z, points, 0);

        ref var result = ref MemoryMarshal.GetReference(power);
        for (var k = 0; k <= points / 2; k++)
        {
            ref var a = ref Unsafe.Add(ref z, 2 * _positions[k]);
            ref var b = ref Unsafe.Add(ref z, 2 * _positions[(points - k) & (points - 1)]);
            var (ar, ai, br, bi) = (a, Unsafe.Add(ref a, 1), b, Unsafe.Add(ref b, 1));

            var evenRe = ar + br;
            var evenIm = ai - bi;
            var oddRe = ai + bi;
            var oddIm = br - ar;
            var cos = Vector256.Create(_split[2 * k]);
            var sin = Vector256.Create(_split[(2 * k) + 1]);
            var turnedRe = Vector256.MultiplyAddEstimate(oddRe, cos, -(oddIm * sin));
            var turnedIm = Vector256.MultiplyAddEstimate(oddRe, sin, oddIm * cos);

            Unsafe.Add(ref result, k) = SquaredMagnitude(evenRe + turnedRe, evenIm + turnedIm);
            Unsafe.Add(ref result, points - k) = SquaredMagnitude(evenRe - turnedRe, evenIm - turnedIm);
        }
    }

    /// <summary>
    /// In-place complex transform, radix 4, decimation in frequency. Recursion is depth first: all stages but the first two find their
    /// data in the first-level cache.
    /// </summary>
    private void Transform(ref Vector256<float> z, int length, int stage)
    {
        var quarter = length / 4;
        ref var twiddle = ref MemoryMarshal.GetArrayDataReference(_twiddles[stage]);
        for (var j = 0; j < quarter; j++)
        {
            ref var a = ref Unsafe.Add(ref z, 2 * j);
            ref var b = ref Unsafe.Add(ref a, 2 * quarter);
            ref var c = ref Unsafe.Add(ref b, 2 * quarter);
            ref var d = ref Unsafe.Add(ref c, 2 * quarter);

            var sumAcRe = a + c;
            var sumAcIm = Unsafe.Add(ref a, 1) + Unsafe.Add(ref c, 1);
            var differenceAcRe = a - c;
            var differenceAcIm = Unsafe.Add(ref a, 1) - Unsafe.Add(ref c, 1);
            var sumBdRe = b + d;
            var sumBdIm = Unsafe.Add(ref b, 1) + Unsafe.Add(ref d, 1);
            var differenceBdRe = b - d;
            var differenceBdIm = Unsafe.Add(ref b, 1) - Unsafe.Add(ref d, 1);

            a = sumAcRe + sumBdRe;
            Unsafe.Add(ref a, 1) = sumAcIm + sumBdIm;
            if (quarter == 1) // the last stage: all twiddles are 1
            {
                b = differenceAcRe + differenceBdIm;
                Unsafe.Add(ref b, 1) = differenceAcIm - differenceBdRe;
                c = sumAcRe - sumBdRe;
                Unsafe.Add(ref c, 1) = sumAcIm - sumBdIm;
                d = differenceAcRe - differenceBdIm;
                Unsafe.Add(ref d, 1) = differenceAcIm + differenceBdRe;
                return;
            }

            ref var w = ref Unsafe.Add(ref twiddle, 6 * j);
            StoreTurned(ref b, differenceAcRe + differenceBdIm, differenceAcIm - differenceBdRe, ref w);
            StoreTurned(ref c, sumAcRe - sumBdRe, sumAcIm - sumBdIm, ref Unsafe.Add(ref w, 2));
            StoreTurned(ref d, differenceAcRe - differenceBdIm, differenceAcIm + differenceBdRe, ref Unsafe.Add(ref w, 4));
        }

        for (var part = 0; part < 4; part++)
            Transform(ref Unsafe.Add(ref z, 2 * quarter * part), quarter, stage + 1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreTurned(ref Vector256<float> target, Vector256<float> re, Vector256<float> im, ref float root)
    {
        var cos = Vector256.Create(root);
        var sin = Vector256.Create(Unsafe.Add(ref root, 1));
        target = Vector256.MultiplyAddEstimate(re, cos, -(im * sin));
        Unsafe.Add(ref target, 1) = Vector256.MultiplyAddEstimate(re, sin, im * cos);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> SquaredMagnitude(Vector256<float> re, Vector256<float> im) =>
        Vector256.MultiplyAddEstimate(re, re, im * im);
}
