using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Affect.Audio;

/// <summary>Inner products of single-precision vectors, in 512-bit registers where the processor has them.</summary>
internal static class InnerProduct
{
    /// <summary>Vectors have a multiple of this length, so that no remainder is left.</summary>
    public const int Granularity = 32;

    /// <summary>The inner product of <paramref name="a"/> and the start of <paramref name="b"/>.</summary>
    public static float Of(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        ref var x = ref MemoryMarshal.GetReference(a);
        ref var y = ref MemoryMarshal.GetReference(b[..a.Length]);
        // Several sums: a fused multiply-add has a latency of four cycles, and one can start in each.
        if (Vector512.IsHardwareAccelerated)
        {
            Vector512<float> w0 = default, w1 = default;
            for (nuint i = 0; i + Granularity <= (nuint)a.Length; i += Granularity)
            {
                w0 = Vector512.MultiplyAddEstimate(Vector512.LoadUnsafe(ref x, i), Vector512.LoadUnsafe(ref y, i), w0);
                w1 = Vector512.MultiplyAddEstimate(Vector512.LoadUnsafe(ref x, i + 16), Vector512.LoadUnsafe(ref y, i + 16), w1);
            }

            return Vector512.Sum(w0 + w1);
        }

        Vector256<float> s0 = default, s1 = default, s2 = default, s3 = default;
        for (nuint i = 0; i + Granularity <= (nuint)a.Length; i += Granularity)
        {
            s0 = Vector256.MultiplyAddEstimate(Vector256.LoadUnsafe(ref x, i), Vector256.LoadUnsafe(ref y, i), s0);
            s1 = Vector256.MultiplyAddEstimate(Vector256.LoadUnsafe(ref x, i + 8), Vector256.LoadUnsafe(ref y, i + 8), s1);
            s2 = Vector256.MultiplyAddEstimate(Vector256.LoadUnsafe(ref x, i + 16), Vector256.LoadUnsafe(ref y, i + 16), s2);
            s3 = Vector256.MultiplyAddEstimate(Vector256.LoadUnsafe(ref x, i + 24), Vector256.LoadUnsafe(ref y, i + 24), s3);
        }

        return Vector256.Sum(s0 + s1 + (s2 + s3));
    }

    /// <summary>As one of <see cref="OfFour"/>, to the last bit: the order of additions is the same.</summary>
    public static float OfOne(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        ref var x = ref MemoryMarshal.GetReference(a);
        ref var y = ref MemoryMarshal.GetReference(b[..a.Length]);
        if (Vector512.IsHardwareAccelerated)
        {
            Vector512<float> w = default;
            for (nuint i = 0; i + 16 <= (nuint)a.Length; i += 16)
                w = Vector512.MultiplyAddEstimate(Vector512.LoadUnsafe(ref x, i), Vector512.LoadUnsafe(ref y, i), w);
            return Sum(Fold(w));
        }

        Vector256<float> s = default;
        for (nuint i = 0; i + 8 <= (nuint)a.Length; i += 8)
            s = Vector256.MultiplyAddEstimate(Vector256.LoadUnsafe(ref x, i), Vector256.LoadUnsafe(ref y, i), s);
        return Sum(Fold(s));
    }

    /// <summary>
    /// The inner products of <paramref name="a"/> and four stretches of <paramref name="b"/> that start <paramref name="stride"/>
    /// apart. Faster than four calls of <see cref="Of"/>: <paramref name="a"/> is read once, and each stretch has one sum.
    /// </summary>
    public static Vector128<float> OfFour(ReadOnlySpan<float> a, ReadOnlySpan<float> b, int stride)
    {
        ref var x = ref MemoryMarshal.GetReference(a);
        ref var y = ref MemoryMarshal.GetReference(b[..(a.Length + (3 * stride))]);
        if (Vector512.IsHardwareAccelerated)
        {
            Vector512<float> w0 = default, w1 = default, w2 = default, w3 = default;
            for (nuint i = 0; i + 16 <= (nuint)a.Length; i += 16)
            {
                var factor = Vector512.LoadUnsafe(ref x, i);
                w0 = Vector512.MultiplyAddEstimate(factor, Vector512.LoadUnsafe(ref y, i), w0);
                w1 = Vector512.MultiplyAddEstimate(factor, Vector512.LoadUnsafe(ref y, i + (nuint)stride), w1);
                w2 = Vector512.MultiplyAddEstimate(factor, Vector512.LoadUnsafe(ref y, i + (2 * (nuint)stride)), w2);
                w3 = Vector512.MultiplyAddEstimate(factor, Vector512.LoadUnsafe(ref y, i + (3 * (nuint)stride)), w3);
            }

            return Sums(Fold(w0), Fold(w1), Fold(w2), Fold(w3));
        }

        Vector256<float> s0 = default, s1 = default, s2 = default, s3 = default;
        for (nuint i = 0; i + 8 <= (nuint)a.Length; i += 8)
        {
            var factor = Vector256.LoadUnsafe(ref x, i);
            s0 = Vector256.MultiplyAddEstimate(factor, Vector256.LoadUnsafe(ref y, i), s0);
            s1 = Vector256.MultiplyAddEstimate(factor, Vector256.LoadUnsafe(ref y, i + (nuint)stride), s1);
            s2 = Vector256.MultiplyAddEstimate(factor, Vector256.LoadUnsafe(ref y, i + (2 * (nuint)stride)), s2);
            s3 = Vector256.MultiplyAddEstimate(factor, Vector256.LoadUnsafe(ref y, i + (3 * (nuint)stride)), s3);
        }

        return Sums(Fold(s0), Fold(s1), Fold(s2), Fold(s3));
    }

    private static Vector128<float> Fold(Vector512<float> sums) => Fold(sums.GetLower() + sums.GetUpper());

    private static Vector128<float> Fold(Vector256<float> sums) => sums.GetLower() + sums.GetUpper();

    /// <summary>The sums of four vectors, each in the order of <see cref="Sum"/>.</summary>
    private static Vector128<float> Sums(Vector128<float> a, Vector128<float> b, Vector128<float> c, Vector128<float> d) =>
        Sse3.IsSupported
            ? Sse3.HorizontalAdd(Sse3.HorizontalAdd(a, b), Sse3.HorizontalAdd(c, d))
            : Vector128.Create(Sum(a), Sum(b), Sum(c), Sum(d));

    private static float Sum(Vector128<float> sums) => sums[0] + sums[1] + (sums[2] + sums[3]);
}
