using System.Collections;
using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace Affect.Fuzz.Mutation;

/// <summary>Mutations of the values of a message that stays valid protobuf.</summary>
internal static class Message
{
    /// <summary>Returns a mutated copy.</summary>
    public static T Mutate<T>(Random random, T message)
        where T : IDeepCloneable<T>, IMessage
    {
        var copy = message.Clone();
        for (var rounds = 1 + random.Next(3); rounds > 0; rounds--)
            Change(random, copy);
        return copy;
    }

    private static void Change(Random random, IMessage message)
    {
        if (message.Descriptor.Fields.InDeclarationOrder() is not { Count: > 0 } fields)
            return;
        var field = random.Pick(fields.ToList());
        var value = field.Accessor.GetValue(message);
        if (field.IsMap || random.Chance(0.05))
            field.Accessor.Clear(message);
        else if (field.IsRepeated)
            Change(random, field, (IList)value);
        else if (field.FieldType == FieldType.Message)
        {
            value ??= field.MessageType.Parser.ParseFrom(ByteString.Empty);
            Change(random, (IMessage)value);
            field.Accessor.SetValue(message, value);
        }
        else
            field.Accessor.SetValue(message, Extreme(random, field, value));
    }

    private static void Change(Random random, FieldDescriptor field, IList list)
    {
        if (list.Count > 0 && random.Chance(0.4))
        {
            var at = random.Next(list.Count);
            if (field.FieldType == FieldType.Message)
                Change(random, (IMessage)list[at]!);
            else
                list[at] = Extreme(random, field, list[at]);
            return;
        }
        var item = list.Count > 0
            ? list[^1]!
            : field.FieldType == FieldType.Message ? field.MessageType.Parser.ParseFrom(ByteString.Empty) : Extreme(random, field, null);
        for (var count = random.Pick([1, 1, 2, 16, 17, 3_000]); count > 0 && list.Count < 3_000; count--)
            list.Add(item);
    }

    private static object Extreme(Random random, FieldDescriptor field, object? old)
    {
        var integer = random.Pick(Hostile.Integers);
        var number = random.Pick(Hostile.Doubles);
        return field.FieldType switch
        {
            FieldType.Bool => random.Chance(0.5),
            FieldType.String => random.Pick(Hostile.Strings),
            FieldType.Bytes => ByteString.CopyFrom(Bytes.Mutate(random, (old as ByteString)?.ToByteArray() ?? [])),
            FieldType.Enum => System.Enum.ToObject(field.EnumType.ClrType, random.Chance(0.7) ? random.Next(6) : (int)integer),
            FieldType.Float => (float)number,
            FieldType.Double => number,
            FieldType.Int32 or FieldType.SInt32 or FieldType.SFixed32 => (int)integer,
            FieldType.UInt32 or FieldType.Fixed32 => (uint)integer,
            FieldType.UInt64 or FieldType.Fixed64 => (ulong)integer,
            _ => integer,
        };
    }
}
