using System.Text;
using System.Text.Json;

namespace Affect.Fuzz.Mutation;

/// <summary>Mutations along the grammar of JSON.</summary>
internal static class Json
{
    private const int MaxRepeatedBytes = 50_000;

    public static byte[] Mutate(Random random, byte[] json)
    {
        for (var rounds = 1 + random.Next(3); rounds > 0; rounds--)
            json = MutateOnce(random, json);
        return json;
    }

    private static byte[] MutateOnce(Random random, byte[] json)
    {
        var (values, members) = Parse(json);
        if (values.Count == 0 || random.Chance(0.05))
            return Bytes.Mutate(random, json);
        if (members.Count == 0 || random.Chance(0.6))
            return Replace(random.Pick(values), random.Pick(Hostile.Json));

        var member = random.Pick(members);
        var text = json[member];
        return random.Next(4) switch
        {
            0 => Replace(member, Join(text, random.Chance(0.1) ? Math.Max(2, MaxRepeatedBytes / text.Length) : 2)),
            1 => Replace(member, []),
            2 => Replace(member, [.. text, .. Encoding.UTF8.GetBytes($",\"{random.Pick(Hostile.Strings)}\":"), .. random.Pick(Hostile.Json)]),
            _ => Replace(member, [.. random.Pick(Hostile.Json), (byte)':', .. random.Pick(Hostile.Json)]),
        };

        byte[] Replace(Range range, byte[] with) => [.. json[..range.Start.Value], .. with, .. json[range.End.Value..]];
    }

    private static byte[] Join(byte[] member, int count) =>
        [.. Enumerable.Repeat((byte[])[.. member, (byte)','], count - 1).SelectMany(part => part), .. member];

    /// <summary>The ranges of all values, and of all names with their values, up to the first error.</summary>
    private static (List<Range> Values, List<Range> Members) Parse(byte[] json)
    {
        var (values, members) = (new List<Range>(), new List<Range>());
        var reader = new Utf8JsonReader(json);
        try
        {
            var name = -1;
            while (reader.Read())
            {
                var start = (int)reader.TokenStartIndex;
                if (reader.TokenType == JsonTokenType.PropertyName)
                    name = start;
                else if (reader.TokenType is not (JsonTokenType.EndObject or JsonTokenType.EndArray))
                {
                    var value = reader;
                    value.Skip();
                    values.Add(start..(int)value.BytesConsumed);
                    if (name >= 0)
                        members.Add(name..(int)value.BytesConsumed);
                    name = -1;
                }
            }
        }
        catch (JsonException)
        {
        }
        return (values, members);
    }
}
