using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Affect.Audio;

internal static class InnerProduct
{
    /// <summary>Lengths are multiples of this, so that there is no remainder to care for.</summary>
    public const int Granularity = 32;

    /// <summary>The inner product of <paramref name="a"/> and the start of <paramref name="b"/>.</summary>
    public static float Of(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        ref var x = ref MemoryMarshal.GetReference(a);
        ref var y = ref MemoryMarshal.GetReference(b[..a.Length]);
        // Four sums, for a fused multiply-add takes four cycles but one can start in each.
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

    /// <summary>
    /// The inner products of <paramref name="a"/> and four stretches of <paramref name="b"/>, each <paramref name="stride"/>
    /// further than the one before: faster than one by one, for <paramref name="a"/> is read once, and each has one sum.
    /// </summary>
    public static Vector128<float> OfFour(ReadOnlySpan<float> a, ReadOnlySpan<float> b, int stride)
    {
        ref var x = ref MemoryMarshal.GetReference(a);
        ref var y = ref MemoryMarshal.GetReference(b[..(a.Length + (3 * stride))]);
        Vector256<float> s0 = default, s1 = default, s2 = default, s3 = default;
        for (nuint i = 0; i + 8 <= (nuint)a.Length; i += 8)
        {
            var factor = Vector256.LoadUnsafe(ref x, i);
            s0 = Vector256.MultiplyAddEstimate(factor, Vector256.LoadUnsafe(ref y, i), s0);
            s1 = Vector256.MultiplyAddEstimate(factor, Vector256.LoadUnsafe(ref y, i + (nuint)stride), s1);
            s2 = Vector256.MultiplyAddEstimate(factor, Vector256.LoadUnsafe(ref y, i + (2 * (nuint)stride)), s2);
            s3 = Vector256.MultiplyAddEstimate(factor, Vector256.LoadUnsafe(ref y, i + (3 * (nuint)stride)), s3);
        }

        return Vector128.Create(Vector256.Sum(s0), Vector256.Sum(s1), Vector256.Sum(s2), Vector256.Sum(s3));
    }
}
