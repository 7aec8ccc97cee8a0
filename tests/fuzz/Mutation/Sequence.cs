namespace Affect.Fuzz.Mutation;

/// <summary>Mutations of the order and number of messages, frames, chunks and fields.</summary>
internal static class Sequence
{
    /// <summary>Returns a mutated copy; <paramref name="mutate"/> changes one item.</summary>
    public static List<T> Mutate<T>(Random random, IEnumerable<T> items, Func<T, T> mutate)
    {
        var list = items.ToList();
        for (var rounds = 1 + random.Next(3); rounds > 0 && list.Count > 0; rounds--)
        {
            var at = random.Next(list.Count);
            var other = random.Next(list.Count);
            switch (random.Next(8))
            {
                case 0:
                    list.RemoveAt(at);
                    break;
                case 1:
                    (list[at], list[other]) = (list[other], list[at]);
                    break;
                case 2:
                    list.Insert(other, list[at]);
                    break;
                case 3 when random.Chance(0.3):
                    list.InsertRange(at, Enumerable.Repeat(list[at], random.Next(2, 64)));
                    break;
                default:
                    list[at] = mutate(list[at]);
                    break;
            }
        }
        return list;
    }
}
