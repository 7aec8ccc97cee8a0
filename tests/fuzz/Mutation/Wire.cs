namespace Affect.Fuzz.Mutation;

/// <summary>Mutations along the wire format of protobuf (https://protobuf.dev/programming-guides/encoding/).</summary>
internal static class Wire
{
    private const int Varint = 0, Fixed64 = 1, Delimited = 2, StartGroup = 3, EndGroup = 4, Fixed32 = 5;

    /// <summary>Ten bytes are the longest valid varint.</summary>
    private static readonly byte[][] Varints =
    [
        [0], [1], [0x7F], [0x80, 0x00], [0xFF, 0xFF, 0xFF, 0xFF, 0x0F], [0xFF, 0xFF, 0xFF, 0xFF, 0x7F], [0x80],
        [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01], [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
        [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F], [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
    ];

    public static byte[] Mutate(Random random, byte[] message)
    {
        if (random.Chance(0.1) || Parse(message) is not { Count: > 0 } fields)
            return Bytes.Mutate(random, message);
        return Encode(Sequence.Mutate(random, fields, field => Mutate(random, field)));
    }

    private static Field Mutate(Random random, Field field) => random.Next(12) switch
    {
        0 => field with { Number = random.Next(1, 20) },
        1 => field with { Number = (int)random.Pick(Hostile.Integers) & 0x1FFFFFFF },
        2 => field with { Type = random.Next(8) },
        3 => new(field.Number, Varint, random.Pick(Varints)),
        4 => field with { Length = random.Pick(Varints) },
        5 => new(field.Number, StartGroup, random.Chance(0.5) ? [] : Group(random, field.Number)),
        6 => new(field.Number, Delimited, Nest(field.Number, random.Pick([5, 99, 101, 3_000]))),
        7 => new(field.Number, random.Pick([Fixed32, Fixed64]), random.Bytes(random.Pick([4, 8]))),
        _ when field.Type == Delimited => field with { Payload = Mutate(random, field.Payload) },
        _ when field.Type == Varint => field with { Payload = random.Pick(Varints) },
        _ => field with { Payload = random.Bytes(field.Payload.Length) },
    };

    private static byte[] Group(Random random, int number) =>
        [.. Encode([new(random.Next(1, 9), Varint, [1])]), .. ToVarint((ulong)number << 3 | EndGroup)];

    /// <summary>Messages inside messages; parsers accept a depth of 100.</summary>
    private static byte[] Nest(int number, int depth)
    {
        byte[] nested = [];
        for (var i = 0; i < depth; i++)
            nested = Encode([new(number, Delimited, nested)]);
        return nested;
    }

    private static byte[] Encode(IEnumerable<Field> fields) => [.. fields.SelectMany(field => (byte[])
    [
        .. ToVarint((ulong)field.Number << 3 | (uint)field.Type),
        .. field.Type == Delimited ? field.Length ?? ToVarint((ulong)field.Payload.Length) : [],
        .. field.Payload,
    ])];

    /// <summary>The fields of a message; null if it is not one.</summary>
    private static List<Field>? Parse(ReadOnlySpan<byte> message)
    {
        var fields = new List<Field>();
        while (message.Length > 0)
        {
            if (ReadVarint(ref message) is not { } tag || tag >> 3 is 0 or > 0x1FFFFFFF)
                return null;
            var start = message;
            var type = (int)tag & 7;
            ulong? length = type switch { Fixed64 => 8, Fixed32 => 4, Delimited or Varint => ReadVarint(ref message), _ => null };
            if (length is null)
                return null;
            if (type == Varint)
            {
                length = (ulong)(start.Length - message.Length);
                message = start;
            }
            if (length > (ulong)message.Length)
                return null;
            fields.Add(new((int)(tag >> 3), type, message[..(int)length].ToArray()));
            message = message[(int)length..];
        }
        return fields;
    }

    private static ulong? ReadVarint(ref ReadOnlySpan<byte> bytes)
    {
        var value = 0UL;
        for (var i = 0; i < Math.Min(10, bytes.Length); i++)
        {
            value |= (ulong)(bytes[i] & 0x7F) << 7 * i;
            if (bytes[i] >= 0x80)
                continue;
            bytes = bytes[(i + 1)..];
            return value;
        }
        return null;
    }

    private static byte[] ToVarint(ulong value)
    {
        var bytes = new List<byte>();
        for (; value >= 0x80; value >>= 7)
            bytes.Add((byte)(value | 0x80));
        return [.. bytes, (byte)value];
    }

    /// <summary>A field as on the wire; <paramref name="Length"/> replaces the actual length of a delimited one.</summary>
    private sealed record Field(int Number, int Type, byte[] Payload, byte[]? Length = null);
}
