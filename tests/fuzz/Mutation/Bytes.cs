using System.Buffers.Binary;

namespace Affect.Fuzz.Mutation;

/// <summary>Mutations of bytes without structure.</summary>
internal static class Bytes
{
    /// <summary>Returns a mutated copy; the mutation starts in the first <paramref name="reach"/> bytes, for example in a header.</summary>
    public static byte[] Mutate(Random random, byte[] bytes, int reach = int.MaxValue)
    {
        if (bytes.Length == 0)
            return random.Bytes(random.Next(1, 9));
        var at = random.Next(Math.Min(reach, bytes.Length));
        var count = random.Next(1, Math.Min(bytes.Length - at, 1 << random.Next(10)) + 1);
        switch (random.Next(7))
        {
            case 0:
                return [.. bytes[..at], (byte)(bytes[at] ^ (1 << random.Next(8))), .. bytes[(at + 1)..]];
            case 1:
                return Integer(random, bytes, at);
            case 2:
                return [.. bytes[..at], .. random.Bytes(count), .. bytes[at..]];
            case 3:
                return [.. bytes[..at], .. bytes[(at + count)..]];
            case 4:
                return [.. bytes[..(at + count)], .. bytes[at..]];
            case 5:
                return bytes[..at];
            default:
                return [.. bytes[..at], .. random.Bytes(Math.Min(count, 8)), .. bytes[Math.Min(bytes.Length, at + Math.Min(count, 8))..]];
        }
    }

    // Overwrites two or four bytes, aligned, in either order of bytes.
    private static byte[] Integer(Random random, byte[] bytes, int at)
    {
        var copy = bytes.ToArray();
        var value = random.Pick(Hostile.Integers);
        at &= ~1;
        var to = copy.AsSpan(at);
        if (to.Length >= 4 && random.Chance(0.5))
        {
            if (random.Chance(0.5))
                BinaryPrimitives.WriteInt32LittleEndian(to, (int)value);
            else
                BinaryPrimitives.WriteInt32BigEndian(to, (int)value);
        }
        else if (to.Length >= 2)
        {
            if (random.Chance(0.5))
                BinaryPrimitives.WriteInt16LittleEndian(to, (short)value);
            else
                BinaryPrimitives.WriteInt16BigEndian(to, (short)value);
        }
        return copy;
    }
}
