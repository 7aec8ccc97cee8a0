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
}
